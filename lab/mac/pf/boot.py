"""What a Mac does about pf at boot: load /etc/pf.conf and enable nothing.

What was there before the boot is gone (`kernel.locked`). What someone was quick enough to load
before this job ran stays: only the main ruleset is replaced.

Source: reference/macos.md §1.2 (com.apple.pfctl loads pf.conf without enabling pf; anchors, tables
and tokens do not survive a reboot).
"""

from __future__ import annotations

import os
import shutil
import sys

from . import load
from .environment import Environment
from .kernel import locked, save
from .netfilter import RefusedError, enforce

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "etc")
CONFIGURATION = "/etc/pf.conf"


def install(etc: str = "/private/etc") -> None:
    """Put the system's pf.conf and anchors into `etc` where they are missing."""
    os.makedirs(f"{etc}/pf.anchors", exist_ok=True)
    for name in ("pf.conf", "pf.anchors/com.apple"):
        if not os.path.exists(f"{etc}/{name}"):
            shutil.copyfile(f"{FILES}/{name}", f"{etc}/{name}")
            os.chmod(f"{etc}/{name}", 0o644)


def start(configuration: str = CONFIGURATION) -> list[str]:
    """Load the configuration. Returns what went wrong."""
    environment = Environment()
    with locked() as kernel:
        try:
            text = environment.read_text(configuration)
            loaded = load.read(configuration, text, "", environment, {})
            problems = [line for _, parsed in loaded.parts for line in parsed.errors]
            load.check(loaded)
            if not problems:
                load.commit(kernel, loaded, environment)
        except OSError as problem:
            problems = [f"pfctl: {problem.filename}: {problem.strerror}"]
        except load.LoadError as problem:
            problems = list(problem.lines)
        enforce(kernel, environment)
        save(kernel)
    return problems


def main() -> int:
    """Entry point of the launchd job com.apple.pfctl."""
    install()
    try:
        problems = start()
    except RefusedError as problem:
        problems = [str(problem)]
    sys.stderr.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0
