"""What there is of the skills. Runs in the guest, on its own Python 3.9, as the skills' user.

Sent on stdin with one more line that calls `main`. It only reads, and starts no program.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from typing import Any

FOLDER = "/usr/local/clawkeep/skills"
PLACED = FOLDER + "/placed.json"
PROVED = FOLDER + "/proved.json"
CELLAR = "/opt/homebrew/Cellar"
NPM = "/opt/homebrew/var/clawkeep/npm"
VENV = "/opt/homebrew/var/clawkeep/venv"


def slug(package: str) -> str:
    """Return the folder of an npm package given as `@scope/name@version`."""
    return package.rpartition("@")[0].strip("@").replace("/", "-")


def missing(task: dict[str, Any]) -> list[str]:
    """Return the packages of one skill that are not there in their version."""
    found = []
    for formula in task["formulas"]:
        name = formula.rsplit("/", 1)[-1]
        if not glob.glob(f"{CELLAR}/{name}/*/INSTALL_RECEIPT.json"):
            found.append(formula)
    for package in task["npm"]:
        name, _, version = package.rpartition("@")
        path = f"{NPM}/{slug(package)}/node_modules/{name}/package.json"
        if _json(path).get("version") != version:
            found.append(package)
    for tool in task["pip"]:
        name, _, version = tool.partition("==")
        pattern = "%s/lib/python*/site-packages/%s-%s.dist-info"
        if not glob.glob(pattern % (VENV, re.sub("[-.]+", "_", name), version or "*")):
            found.append(tool)
    return found


def different(files: dict[str, Any]) -> list[str]:
    """Return in words how files differ: `{path: [mode, sha256 or None]}`."""
    found = []
    for path, (mode, digest) in files.items():
        full = os.path.join(os.path.expanduser("~"), path)
        try:
            has = os.stat(full).st_mode & 0o777
            content = b""
            if digest:
                with open(full, "rb") as file:
                    content = file.read()
        except OSError as error:
            found.append("{}: {}".format(path, (error.strerror or "?").lower()))
            continue
        if has != int(mode, 8):
            found.append(f"{path}: mode {has:o}, expected {mode}")
        if digest and hashlib.sha256(content).hexdigest() != digest:
            found.append(f"{path}: not as declared")
    return found


def _json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def main(text: str) -> None:
    """Look at every skill of the JSON object `text`; print what was found as one."""
    tasks = json.loads(text)
    skills = {
        name: {"missing": missing(task), "different": different(task["files"])}
        for name, task in tasks.items()
    }
    print(json.dumps({"skills": skills, "proved": _json(PROVED)}), flush=True)
