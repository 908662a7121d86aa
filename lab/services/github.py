"""github.com: git over HTTPS, and the files of releases.

Repositories are those below `git/` in the lab's folder, bare ones, `git/<owner>/<name>.git`; git
itself speaks its protocol. A file of a release is a redirect to release-assets, as on the real
one, and is served from the bottle cache (`prebuilt/`, see lab/prebuilt.py). The rest is any other
site's.
"""

import gzip
import os
import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from .http import Request, Response

if TYPE_CHECKING:
    from .internet import Stock

REPOSITORY = re.compile(r"/(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*?)(?:\.git)?/"
                        r"(?P<what>info/refs|git-upload-pack|git-receive-pack)")  # fmt: skip
RELEASE = re.compile(r"/WiseLibs/better-sqlite3/releases/download/[\w.-]+/(?P<file>[\w.-]+)")
"""What else is released (Homebrew's taps) is any other site's: the lab's brew has it already."""
ASSETS = "release-assets.githubusercontent.com"
GIT_TIMEOUT_S = 60
# GitHub lets a client ask for any commit that it knows the name of.
OPTIONS = ("-c", "uploadpack.allowAnySHA1InWant=true", "-c", "safe.directory=*")


def answer(request: Request, stock: "Stock") -> Response | None:
    """Answer git's smart protocol (clone, fetch) and the files of releases."""
    path = urlsplit(request.path).path
    if found := REPOSITORY.fullmatch(path):
        return _git(request, stock, found["name"], found["what"])
    if found := RELEASE.fullmatch(path):
        if not (stock.bottles / "prebuilt" / found["file"]).is_file():
            return _refusal(404)
        location = {"Location": f"https://{ASSETS}/github-production-release/{found['file']}"}
        return Response(302, "text/html", b"", location, facts={"status": 302})
    return None


def asset(request: Request, stock: "Stock") -> Response | None:
    """Answer with the file of a release that github.com sent the client here for."""
    folder, _, name = urlsplit(request.path).path.rpartition("/")
    if folder != "/github-production-release":
        return None
    file = stock.bottles / "prebuilt" / name
    if not file.is_file():
        return _refusal(404)
    facts = {"status": 200}
    return Response(200, "application/octet-stream", file.read_bytes(), facts=facts)


def _git(request: Request, stock: "Stock", name: str, what: str) -> Response | None:
    repository = stock.folder / "git" / f"{name}.git"
    service = (parse_qs(urlsplit(request.path).query).get("service") or [what])[0]
    if service != "git-upload-pack":
        return _refusal(403)
    if not repository.is_dir():
        # The taps of the lab's brew are no repositories, and asked for all the same.
        return None
    words = ["--stateless-rpc", *(["--http-backend-info-refs"] if what == "info/refs" else [])]
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    version = request.headers.get("git-protocol", "")
    run = subprocess.run(
        ["git", *OPTIONS, "upload-pack", *words, str(repository)],
        input=body,
        capture_output=True,
        timeout=GIT_TIMEOUT_S,
        env={"PATH": os.environ.get("PATH", os.defpath), "GIT_PROTOCOL": version},
        check=False,
    )
    if run.returncode and not run.stdout:
        return _refusal(500)
    kind = "advertisement" if what == "info/refs" else "result"
    prefix = b"001e# service=git-upload-pack\n0000" if kind == "advertisement" else b""
    if version:
        # Protocol 2 greets with its version instead.
        prefix = b"" if "version=2" in version else prefix
    headers = {"Cache-Control": "no-cache"}
    content = f"application/x-git-upload-pack-{kind}"
    return Response(200, content, prefix + run.stdout, headers, facts={"status": 200})


def _refusal(status: int) -> Response:
    return Response(status, "text/plain", b"Not Found\n", facts={"status": status})
