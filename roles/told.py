"""What an operation is about to change: said to whoever watches, and noted for `clawkeep plan`.

pyinfra's own plan knows operations and no resources. While one is made, an operation runs up to its
first command (reference/pyinfra.md §3), so everything is to be told before that one.
"""

from __future__ import annotations

import json
import os
from typing import Literal

from pyinfra import host

from clawkeep import notes

Sign = Literal["+", "~", "-"]
"""What happens to a resource: it comes, it changes, it goes."""


def planning() -> bool:
    """Tell whether this is a plan that somebody reads the notes of."""
    return notes.VARIABLE in os.environ and not host.state.is_executing


def told(resource: str, why: str, sign: Sign = "~", diff: str = "") -> None:
    """Say what is to happen to a resource, and why.

    `diff` is a unified one, for the notes alone; never of anything that holds a secret.
    """
    host.log(f"    {resource}: {why}")
    if not planning():
        return
    operation = host.current_op_hash
    names = host.state.get_op_meta(operation).names if operation else {""}
    note = {
        "machine": host.name,
        "operation": sorted(names)[0],
        "sign": sign,
        "resource": resource,
        "why": why,
        "diff": diff,
    }
    # One write: the machines of a plan are asked side by side.
    with open(os.environ[notes.VARIABLE], "ab", buffering=0) as file:
        file.write(json.dumps(note).encode() + b"\n")
