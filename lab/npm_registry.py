"""The lab's npm registry: documents and tarballs of the packages in the bottle cache.

The lab's internet serves it as `npm.lab.internet`, a name that only exists there; Homebrew's npmrc
in the images points at it, as a company's would at its mirror. The tarballs are the real ones, byte
for byte, so the hashes in a lock file hold (see lab/npm.py).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

URL = "https://npm.lab.internet"
INDEX = "index.json"
JSON = "application/json"
AUDITS = "/-/npm/v1/security/"
Response = tuple[int, str, bytes]
"""HTTP status, content type, body."""


def handle(path: str, bottles: Path) -> Response:
    """Answer a package's document (`/name`, `/@scope%2fname`), a tarball, or an audit."""
    if path.startswith(AUDITS):
        return 200, JSON, b"{}"
    name, between, file = unquote(urlsplit(path).path).strip("/").partition("/-/")
    versions, tarballs = _package(bottles, name)
    if not versions:
        return 404, JSON, b'{"error":"Not found"}'
    if not between:
        return 200, JSON, json.dumps(_document(name, versions)).encode()
    if file in tarballs:
        return 200, "application/octet-stream", tarballs[file].read_bytes()
    return 404, JSON, b'{"error":"Not found"}'


def _document(name: str, versions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    latest = list(versions)[-1]
    return {"_id": name, "name": name, "dist-tags": {"latest": latest}, "versions": versions}


def _package(bottles: Path, name: str) -> tuple[dict[str, dict[str, Any]], dict[str, Path]]:
    """Return a package's manifests by version, and its tarballs by file name."""
    versions: dict[str, dict[str, Any]] = {}
    tarballs: dict[str, Path] = {}
    for index in sorted(bottles.glob(f"npm*/{INDEX}")):
        for version, manifest in _read(index, index.stat().st_mtime_ns).get(name, {}).items():
            # Lock files name tarballs as the public registry does: without the scope.
            file = f"{name.rpartition('/')[2]}-{version}.tgz"
            tarballs[file] = index.parent / manifest["dist"]["tarball"]
            dist = manifest["dist"] | {"tarball": f"{URL}/{name}/-/{file}"}
            versions[version] = manifest | {"dist": dist}
    return versions, tarballs


@cache
def _read(index: Path, _mtime_ns: int) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(index.read_text())
    return content
