"""The programs that run in the guest, loaded as they stand there: side by side in one folder."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[3] / "roles" / "agent" / "guest"


def load(name: str) -> ModuleType:
    """Return the module `name` of the guest's programs."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)
