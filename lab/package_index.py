"""The lab's package index: a PEP 503 "simple" index over the wheels in the bottle cache.

The lab's internet serves it as `packages.lab.internet`, a name that only exists there; the images'
pip settings point at it, as a company's would at its mirror.
"""

import hashlib
import html
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

HTML = "text/html; charset=utf-8"
Response = tuple[int, str, bytes]
"""HTTP status, content type, body."""


def handle(path: str, bottles: Path) -> Response:
    """Answer a GET of `path`: `/simple/`, `/simple/<project>/` or `/packages/<wheel>`."""
    parts = [unquote(part) for part in urlsplit(path).path.split("/") if part]
    wheels = _wheels(bottles)
    if parts == ["simple"]:
        names = sorted({project(wheel.name) for wheel in wheels})
        return _page("Simple index", [(f"/simple/{name}/", name) for name in names])
    if len(parts) == 2 and parts[0] == "simple":
        found = [wheel for wheel in wheels if project(wheel.name) == normalised(parts[1])]
        links = [(_link(wheel), wheel.name) for wheel in found]
        return _page(f"Links for {parts[1]}", links) if found else _not_found()
    if len(parts) == 2 and parts[0] == "packages":
        for wheel in wheels:
            if wheel.name == parts[1]:
                return 200, "application/octet-stream", wheel.read_bytes()
    return _not_found()


def normalised(name: str) -> str:
    """Spell a project's name as the index does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project(wheel: str) -> str:
    """Return the project that a wheel's file name belongs to."""
    return normalised(wheel.partition("-")[0])


def _wheels(bottles: Path) -> list[Path]:
    return sorted((bottles / "wheels").glob("*.whl"))


def _link(wheel: Path) -> str:
    digest = _sha256(wheel, wheel.stat().st_mtime_ns)
    return f"/packages/{quote(wheel.name)}#sha256={digest}"


@cache
def _sha256(wheel: Path, _mtime_ns: int) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _page(title: str, links: list[tuple[str, str]]) -> Response:
    anchors = "\n".join(
        f'<a href="{html.escape(to)}">{html.escape(name)}</a><br>' for to, name in links
    )
    text = f"<!DOCTYPE html>\n<html><head><title>{html.escape(title)}</title></head>\n"
    return 200, HTML, f"{text}<body>\n{anchors}\n</body></html>\n".encode()


def _not_found() -> Response:
    return 404, HTML, b"<!DOCTYPE html>\n<title>404 Not Found</title>\n"
