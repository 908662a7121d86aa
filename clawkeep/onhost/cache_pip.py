"""Wheels for the cache: resolved by pip of the guest's kind of Python, held to its index."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from clawkeep.cache.index import Want
from clawkeep.onhost.cache_tools import Fetched, FillError, Plan, Scratch, fetched


def fetch(scratch: Scratch, wants: Sequence[Want], plan: Plan) -> list[Fetched]:
    """Return the wheels of all tools, resolved together as the guest installs them.

    Raises FillError, also where something has no wheel: a guest without a network builds nothing.
    """
    scratch.say(f"pip: {', '.join(want.name for want in wants)}")
    venv, wheels = scratch.folder / "venv", scratch.folder / "wheels"
    if not (venv / "bin" / "pip").exists():
        scratch.run([plan.python, "-m", "venv", "--clear", str(venv)])
    shutil.rmtree(wheels, ignore_errors=True)
    tools, pip = [want.name for want in wants], str(venv / "bin" / "pip")
    only = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")
    report = scratch.folder / "report.json"
    asked = ("install", "--dry-run", "--ignore-installed", "--report", str(report))
    scratch.run([pip, *asked, *only, *tools])
    scratch.run([pip, "download", "--dest", str(wheels), *only, *tools])
    found = []
    for one in json.loads(report.read_text())["install"]:
        name, version = one["metadata"]["name"], one["metadata"]["version"]
        file, said = _wheel(one)
        if not (wheels / file).is_file():
            raise FillError(f"{name} {version}: pip brought no {file}; fill the cache again")
        made = fetched(wheels / file, "pip", name, version, f"wheels/{file}",
                       said_by="pip" if said else "recorded", wants=wants)  # fmt: skip
        if said and made.item.sha256 != said:
            raise FillError(
                f"{name} {version}: what came has the SHA-256 {made.item.sha256}, and the index "
                f"says {said}; fill the cache again"
            )
        found.append(made)
    return found


def _wheel(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the file's name and the SHA-256 that the index gives, "" when it gives none.

    Source: pip's documentation, "Installation Report", `download_info.archive_info.hashes`.
    """
    info = entry["download_info"]
    hashes = (info.get("archive_info") or {}).get("hashes") or {}
    return unquote(urlsplit(info["url"]).path).rpartition("/")[2], str(hashes.get("sha256", ""))
