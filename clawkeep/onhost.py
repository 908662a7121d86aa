"""The `clawkeep` command as installed on the host at /opt/clawkeep/bin: launchd calls its verbs.

Standard library only: the host's Python is a bare interpreter (design decision 10).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clawkeep import supervisor

VERBS = {"supervise": supervisor.main}

#: The modules that are copied to the host; `onhost` imports nothing outside this list.
MODULES = ("__init__", "onhost", "supervisor", "tart")


def main(arguments: Sequence[str]) -> int:
    """Run one verb; 64 (EX_USAGE) for an unknown one."""
    verb = VERBS.get(arguments[0]) if arguments else None
    if verb is None:
        sys.stderr.write(f"usage: clawkeep {{{','.join(VERBS)}}} …\n")
        return 64
    return verb(arguments[1:])
