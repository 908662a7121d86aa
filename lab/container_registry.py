"""ghcr.io of a lab's internet: the images that tart clones, and Homebrew's bottles by name.

A disk is not downloaded: what it holds lies in /System/Lab/images of the host. A tag answers with
the one manifest there is; a digest only with its own. Source: reference/tart.md §1.3, §5.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from lab.mac.brew import bottle
from lab.mac.brew.formulary import CORE, Formulary

API_PATH = f"/api/internal/packages.{bottle.TAG}.jws.json"
IMAGES = {
    "cirruslabs/macos-sequoia-base": "7e:6f:2a:11:c0:01",
    "cirruslabs/macos-sequoia-vanilla": "7e:6f:2a:11:c0:02",
}
"""Image -> the MAC address baked into it, which its first clone keeps."""

TAGS = ("latest",)
DISK_BYTES = 50_000_000_000
COMPRESSED_BYTES = 24_600_000_000
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_TART = "application/vnd.cirruslabs.tart"
_PATH = re.compile(r"/v2/(?P<image>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")
_VERSION = re.compile(r"[0-9][0-9A-Za-z._+-]{0,40}")
_asked: dict[str, tuple[str, str]] = {}
"""Digest of a bottle whose manifest was asked for -> its formula and version."""

Answer = tuple[int, str, bytes]


def handle(path: str, _bottles: Path) -> Answer:
    """Answer one GET of the registry's API."""
    match = _PATH.fullmatch(path.partition("?")[0])
    if not match:
        return (200, "application/json", b"{}") if path in ("/v2", "/v2/") else _unknown("NAME")
    if match["image"].startswith("homebrew/core/"):
        return _bottle(match["image"], match["kind"], match["reference"])
    if match["image"] not in IMAGES:
        return _unknown("NAME")
    if match["kind"] == "blobs":
        blob = {digest(data): data for data in _blobs(match["image"])}.get(match["reference"])
        return (200, "application/octet-stream", blob) if blob else _unknown("BLOB")
    body = manifest(match["image"])
    if match["reference"] in (*TAGS, digest(body)):
        return 200, MANIFEST_TYPE, body
    return _unknown("MANIFEST")


def _bottle(image: str, kind: str, reference: str) -> Answer:
    """Answer with the manifest or the blob of a formula's bottle.

    A registry keeps every version: the manifest of any is there, and its blob from then on.
    """
    for formula in Formulary.load().of_tap(CORE):
        path, blob = (url.partition("/v2/")[2] for url in formula.downloads())
        if path.rpartition("/")[0] == f"{image}/{kind}" and _VERSION.fullmatch(reference):
            _asked[bottle.digest(formula.name, reference)] = (formula.name, reference)
            body = bottle.manifest(formula.name, reference)
            return 200, "application/vnd.oci.image.index.v1+json", body
        if blob == f"{image}/{kind}/{reference}":
            return 200, "application/octet-stream", bottle.blob(formula.name, formula.version)
    if kind == "blobs" and (found := _asked.get(reference.removeprefix("sha256:"))):
        return 200, "application/octet-stream", bottle.blob(*found)
    return _unknown("BLOB" if kind == "blobs" else "MANIFEST")


def homebrew_api(path: str, _bottles: Path) -> Answer:
    """Answer for formulae.brew.sh: the file with all core formulae, or another site's line."""
    if path.partition("?")[0] == API_PATH:
        versions = {f.name: f.version for f in Formulary.load().of_tap(CORE)}
        return 200, "application/json", bottle.api_file(versions)
    return 200, "text/plain; charset=utf-8", b"lab: formulae.brew.sh\n"


def manifest(image: str) -> bytes:
    """Return an image's manifest; its digest is the image's."""
    config, nvram = _blobs(image)
    layers = [
        _layer("config.v1", digest(config), len(config)),
        _layer("disk.v2", digest(image.encode()), COMPRESSED_BYTES)
        | {"annotations": {"org.cirruslabs.tart.uncompressed-disk-size": str(DISK_BYTES)}},
        _layer("nvram.v1", digest(nvram), len(nvram)),
    ]
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(b"{}"),
            "size": 2,
        },
        "layers": layers,
    }
    return json.dumps(content).encode()


def digest(data: bytes) -> str:
    """Return how a registry names content."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _layer(kind: str, name: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_TART}.{kind}", "digest": name, "size": size}


def _blobs(image: str) -> tuple[bytes, bytes]:
    """Return the image's config.json and nvram.bin."""
    config = {
        "version": 1,
        "os": "darwin",
        "arch": "arm64",
        "ecid": "YnBsaXN0MDDRAQJURUNJRBMAAAAAAAAAAAgLEAAAAAAAAAEBAAAAAAAAAAMAAAAAAAAAAAAAAAAAAAAZ",
        "hardwareModel": "YnBsaXN0MDDTAQIDBAUGXxAZRGF0YVJlcHJlc2VudGF0aW9uVmVyc2lvbl8QD1BsYXRmb3Jt",
        "cpuCountMin": 2,
        "cpuCount": 4,
        "memorySizeMin": 4 * 1024**3,
        "memorySize": 8 * 1024**3,
        "macAddress": IMAGES[image],
        "display": {"width": 1024, "height": 768},
        "diskFormat": "raw",
    }
    return json.dumps(config).encode(), image.encode().ljust(1024, b"\0")


def _unknown(what: str) -> Answer:
    error = {"code": f"{what}_UNKNOWN", "message": f"{what.lower()} unknown"}
    return 404, "application/json", json.dumps({"errors": [error]}).encode()
