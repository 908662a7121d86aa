"""Where the operator's side keeps what it must remember about a keep: keys and pins.

Nothing of it is needed to rebuild a keep from scratch, and nothing of it is a copy of the
declared model: a key pair per guest, the guest's pinned host key, and the lock of a run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


def root() -> Path:
    """Return the folder that holds all state: `CLAWKEEP_STATE`, else the XDG state folder."""
    if override := os.environ.get("CLAWKEEP_STATE"):
        return Path(override)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "clawkeep"


def folder(host: str, guest: str | None = None) -> Path:
    """Return the private (0700) folder of one host, or of one guest on it; made when missing.

    `host` is the inventory's name for it; characters that a file name should not carry become
    underscores.
    """
    path = root() / re.sub(r"[^A-Za-z0-9.@_-]", "_", host)
    if guest is not None:
        path = path / guest
    root().mkdir(parents=True, exist_ok=True, mode=0o700)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
