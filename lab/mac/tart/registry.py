"""The registry, over real HTTPS with the machine's own trust store.

Source: reference/tart.md §1.3, §1.7 (Registry.swift).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

from .errors import INCOMPLETE_DATA, OtherError
from .remote_name import RemoteName

_CURL = "/usr/bin/curl"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
# What URLSession says where curl ends with these statuses.
_FAILURES = {
    6: "A server with the specified hostname could not be found.",
    28: "The request timed out.",
    60: "The certificate for this server is invalid.",
}


def _get(name: RemoteName, what: str, path: str, *, insecure: bool) -> bytes:
    url = f"{'http' if insecure else 'https'}://{name.host}/v2/{name.namespace}/{path}"
    command = [
        _CURL,
        "-sS",
        "-m",
        "60",
        "-H",
        f"Accept: {MANIFEST_TYPE}",
        "-w",
        "%{http_code}",
        url,
    ]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode != 0:
        raise OtherError(_FAILURES.get(run.returncode, "Could not connect to the server."))
    body, code = run.stdout[:-3], int(run.stdout[-3:])
    if code != 200:
        details = body[:1000].decode(errors="replace").strip().replace('"', '\\"')
        raise OtherError(
            f'UnexpectedHTTPStatusCode(when: "{what}", code: {code}, details: "{details}")'
        )
    return body


def manifest(name: RemoteName, *, insecure: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the digest of an image's manifest, and the manifest. Raises OtherError."""
    path = f"manifests/{name.value}"
    body = _get(name, "pulling manifest", path, insecure=insecure)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    try:
        content = json.loads(body)
        layers = {layer["mediaType"]: layer for layer in content["layers"]}
    except (ValueError, KeyError, TypeError) as error:
        raise OtherError(INCOMPLETE_DATA) from error
    return digest, layers


def blob(name: RemoteName, digest: str, *, insecure: bool = False) -> bytes:
    """Return a blob's content. Raises OtherError."""
    return _get(name, "pulling blob", f"blobs/{digest}", insecure=insecure)
