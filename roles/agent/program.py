"""The direct runtime's file, from its modules."""

from __future__ import annotations

from pathlib import Path

from clawkeep.contract import markers, verdict
from clawkeep.render import runtime

GUEST = Path(__file__).parent / "guest"
PATHS = ("/usr/local/clawkeep/bin/docker", "/usr/local/clawkeep/bin/container")
"""Where it is installed, twice: NanoClaw calls one name or the other."""

SUDO_VERBS = ("__agent", "__signal", "__end")
"""What NanoClaw's user must be allowed to run as an agent user, with any arguments:
`<PYTHON> /usr/local/clawkeep/bin/docker <verb> *`."""

PYTHON = runtime.INTERPRETER
"""Which Python, with which options: sudo compares every word."""


def direct_runtime() -> bytes:
    """Return the executable that answers as `docker` and as `container`."""
    return runtime.program(_modules(), "roles.agent.guest.runtime.main:main")


def tool_server() -> bytes:
    """Return the program that serves agents' tools: the same modules, and another beginning."""
    return runtime.program(_modules(), "roles.agent.guest.runtime.tools:main")


def _modules() -> dict[str, str]:
    names = {f"runtime.{path.stem}": path for path in sorted((GUEST / "runtime").glob("[!_]*.py"))}
    modules = {f"roles.agent.guest.{name}": path.read_text() for name, path in names.items()}
    modules["roles.agent.guest.sealed"] = (GUEST / "sealed.py").read_text()
    for module in (markers, verdict):
        modules[module.__name__] = Path(str(module.__file__)).read_text()
    return modules
