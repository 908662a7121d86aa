"""The operator's LAN: a password vault, Home Assistant, Kubernetes, a NAS, mail, and one more host.

Source: the services of the design's allowlist; their answers as the programs give them.
"""

import json
from pathlib import Path

from lab import addresses

from . import dns, http, mail, sshd, tls
from .http import Request, Response
from .journal import Journal

JSON = "application/json"
HTML = "text/html; charset=utf-8"
REFUSED = "refused-"
"""How a token begins that nobody accepts."""

STATES = [
    {"entity_id": "light.kitchen", "state": "off", "attributes": {"friendly_name": "Kitchen"}},
    {"entity_id": "sensor.door", "state": "closed", "attributes": {}},
]


def vaultwarden(request: Request) -> Response:
    """Answer `/alive` and `/api/config` as Vaultwarden does, and a page for `/`."""
    match request.path:
        case "/alive":
            return Response(200, JSON, b'"2026-11-21T12:00:00.000000Z"')
        case "/api/config":
            text = json.dumps({"version": "2026.9.0", "object": "config"})
            return Response(200, JSON, text.encode())
        case "/":
            return Response(200, HTML, b"<!doctype html><title>Vaultwarden Web</title>")
    return Response(404, HTML, b"<!doctype html><title>404</title>")


def home_assistant(request: Request) -> Response:
    """Answer `/api/` to any bearer token, 401 without; the frontend for the rest.

    `/stream?seconds=N` sends a line each 100 ms: what a long transfer is tried on.
    """
    if request.path.partition("?")[0] == "/stream":
        seconds = request.numbers().get("seconds", 10.0)
        return http.streamed("text/plain", seconds, lambda number: b"%d\n" % number)
    path = request.path
    if path.startswith("/api/"):
        # Any token but those that were taken back: what a test calls `refused-…`.
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or token.startswith(("Basic ", REFUSED)):
            return Response(401, "text/plain; charset=utf-8", b"401: Unauthorized")
        found: object = STATES if path == "/api/states" else {"message": "API running."}
        if path == "/api/services":
            found = [{"domain": "light", "services": {"turn_on": {}, "turn_off": {}}}]
        elif path.startswith("/api/states/"):
            named = [one for one in STATES if one["entity_id"] == path.rpartition("/")[2]]
            if not named:
                return Response(404, JSON, b'{"message":"Entity not found."}')
            found = named[0]
        elif path.startswith("/api/services/") and request.method == "POST":
            found = [STATES[0]]
        return Response(200, JSON, json.dumps(found, separators=(",", ":")).encode())
    return Response(200, HTML, b"<!DOCTYPE html><html><title>Home Assistant</title></html>")


def kubernetes(request: Request) -> Response:
    """Answer the paths open to anybody, and to a known token discovery and what it may do.

    `lab-agent-…` may do little, `lab-admin-…` everything; 401 for the rest.
    """
    path = request.path.partition("?")[0]
    if path in {"/healthz", "/livez", "/readyz"}:
        return Response(200, "text/plain; charset=utf-8", b"ok")
    if path == "/version":
        version = {"major": "1", "minor": "34", "gitVersion": "v1.34.1", "platform": "linux/amd64"}
        return Response(200, JSON, json.dumps(version).encode())
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token.startswith(("lab-agent-", "lab-admin-")):
        return _kubernetes_of(path, admin=token.startswith("lab-admin-"))
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
              "message": "Unauthorized", "reason": "Unauthorized", "code": 401}  # fmt: skip
    return Response(401, JSON, json.dumps(status).encode())


def _kubernetes_of(path: str, *, admin: bool) -> Response:
    if path == "/api":
        return Response(200, JSON, b'{"kind":"APIVersions","versions":["v1"]}')
    if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                  "status": {"allowed": admin}}  # fmt: skip
        return Response(201, JSON, json.dumps(review).encode())
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
              "message": f"forbidden: path {path}", "code": 403}  # fmt: skip
    return Response(403, JSON, json.dumps(status).encode())


def forbidden(_request: Request) -> Response:
    """Answer anything: whoever reads this has reached what must not be reached."""
    return Response(200, "text/plain; charset=utf-8", b"the host nobody may reach\n")


async def serve(certificates: Path, log: Path, names: dns.Names) -> None:
    """Start all services of the LAN in the running loop. Raises OSError.

    `certificates` holds `vaultwarden.pem` and so on; `names` is what the LAN's resolver knows of
    the internet.
    """
    journal = Journal(log)
    vault = tls.context(certificates / "vaultwarden")
    await http.serve("vaultwarden", (addresses.VAULTWARDEN, 443), vaultwarden, journal, vault)
    await http.serve("home-assistant", (addresses.HOME_ASSISTANT, 8123), home_assistant, journal)
    api = tls.context(certificates / "kubernetes", names=frozenset(addresses.KUBERNETES_NAMES))
    await http.serve("kubernetes", (addresses.KUBERNETES, 6443), kubernetes, journal, api)
    await sshd.serve("truenas-ssh", addresses.TRUENAS, certificates / "truenas_ssh", journal)
    await mail.serve(addresses.MAIL, certificates)
    stray = tls.context(certificates / "forbidden")
    await sshd.serve("forbidden-ssh", addresses.FORBIDDEN, certificates / "forbidden_ssh", journal)
    await http.serve("forbidden-https", (addresses.FORBIDDEN, 443), forbidden, journal, stray)
    await http.serve("forbidden-http", (addresses.FORBIDDEN, 80), forbidden, journal)
    await dns.serve(addresses.ROUTER, {**names, **addresses.LAN_NAMES}, journal)
