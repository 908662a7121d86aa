"""The text of a stand-in: a script that runs its module's `main`, or has the fork server do it."""

CLIENT = "/System/Lab/stand-in"
"""Where a machine has the fork server's client (client.c); its first word is a module."""

PYTHON = "/System/Lab/python/bin/python3 -IS"
SCRIPT = """\
#!{interpreter}
import sys; sys.path.insert(0, "/System/Lab")
from mac.{module} import main; sys.exit(main(sys.argv))
"""


def script(module: str, *, warm: bool = False) -> str:
    """Return the program; `module` is relative to `mac`. A warm one needs the client."""
    interpreter = f"{CLIENT} {module}" if warm else PYTHON
    return SCRIPT.format(interpreter=interpreter, module=module)
