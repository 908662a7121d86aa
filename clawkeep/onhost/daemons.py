"""The programs behind the rules (bridges, proxy, resolver) follow what is open, and the link."""

from __future__ import annotations

import importlib
import subprocess

from clawkeep.link import Link
from clawkeep.policy import Openings, Policy

ORDER = ("bridges", "proxy", "resolver")


def refresh(policy: Policy, openings: Openings, link: Link | None) -> tuple[list[str], list[str]]:
    """Bring every daemon in line; return what was done, and what could not be.

    Called with the lock held and the rules already in force. One that fails does not keep the
    others from being stopped.
    """
    did: list[str] = []
    problems: list[str] = []
    for name in ORDER:
        try:
            # Imported late: the window's own proxy needs `enforce`, which needs this.
            did += importlib.import_module(f"{__package__}.{name}").refresh(policy, openings, link)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            problems.append(f"{name}: {error}")
    return did, problems
