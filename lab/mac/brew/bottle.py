"""What a formula's downloads contain, the same bytes in every process.

The lab's registry serves them, its `brew` knows their SHA-256: what is changed on the way or in a
cache is seen as it is on a Mac. A bottle is a real tar.gz with the formula in it; the programs are
in the lab already (see keg.py).
Source: Homebrew/brew Library/Homebrew/bottle.rb, resource.rb (BottleManifest), api.rb (6.0.18).
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from typing import Any

TAG = "arm64_sequoia"
"""The kind of machine that the lab's Macs are."""

RELEASE = b"lab: github.com\n"
"""What the lab's github.com answers for a release's file."""


def blob(name: str, version: str) -> bytes:
    """Return the bottle of a formula."""
    text = f"# {name} {version}, a bottle of the lab\n".encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(f"{name}/{version}/.brew/{name}.rb")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    # Stored, not packed: what zlib makes of it differs from one build to another.
    return gzip.compress(packed.getvalue(), compresslevel=0, mtime=0)


def digest(name: str, version: str) -> str:
    """Return the SHA-256 that the API gives for it."""
    return hashlib.sha256(blob(name, version)).hexdigest()


def whole(data: bytes) -> bool:
    """Whether a bottle can be extracted."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
            return bool(tar.getnames())
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return False


def manifest(name: str, version: str) -> bytes:
    """Return the bottle's manifest, which names it by its hash."""
    annotations = {
        "org.opencontainers.image.ref.name": f"{version}.{TAG}",
        "sh.brew.bottle.digest": digest(name, version),
        "sh.brew.tab": json.dumps({"homebrew_version": "6.0.18", "arch": "arm64"}),
    }
    return json.dumps({"schemaVersion": 2, "manifests": [{"annotations": annotations}]}).encode()


def names_it(text: bytes, sha256: str) -> bool:
    """Whether `text` is a manifest of the bottle with that hash."""
    try:
        entries = json.loads(text)["manifests"]
        return any(e["annotations"]["sh.brew.bottle.digest"] == sha256 for e in entries)
    except (ValueError, KeyError, TypeError):
        return False


def api_file(versions: Mapping[str, str]) -> bytes:
    """Return what the API says of all core formulae, signed."""
    payload = json.dumps({"formulae": dict(sorted(versions.items()))})
    return json.dumps({"payload": payload, "signatures": [_signature(payload)]}).encode()


def api_names(text: bytes) -> frozenset[str] | None:
    """Return the formulae of an API file; None when its signature is wrong."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data["signatures"] == [_signature(data["payload"])]:
            return frozenset(json.loads(data["payload"])["formulae"])
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _signature(payload: str) -> str:
    return hashlib.sha256(f"homebrew-1 {payload}".encode()).hexdigest()
