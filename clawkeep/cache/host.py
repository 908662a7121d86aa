"""The cache's verbs, run on the host for the operator."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Callable
from typing import Any

from clawkeep.cache.wants import Plan
from clawkeep.remote import PROGRAM, Outcome
from clawkeep.transport import HostSession, TransportError

#: How long a fill may print nothing: a bottle of a gigabyte on a slow line.
SILENT_S = 3600


def run(
    session: HostSession,
    plan: Plan,
    *words: str,
    root: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run `clawkeep cache WORDS` on the host with the plan on its stdin; `say` gets each line.

    As the operator's own user unless it is root's. Raises TransportError when the host does not
    answer or has no Clawkeep yet.
    """
    sudo = ["sudo", "-n"] if root else []
    command = shlex.join([*sudo, PROGRAM, "cache", *words])
    own = f"@{secrets.token_hex(8)}"
    script = (
        f'[ -x {PROGRAM} ] || {{ echo "{own} 127"; exit; }}\n'
        f"e=$(mktemp) || exit 1\n{command} 2>\"$e\" <<'{own}'\n{plan.text()}\n{own}\n"
        f's=$?; echo; echo \'{own}\' $s; cat "$e"; rm -f "$e"\n'
    )
    out, err = [], []
    status: int | None = None
    for line in session.lines(script, SILENT_S):
        if status is not None:
            err.append(line)
        elif line.startswith(f"{own} "):
            status = int(line.split()[1])
        else:
            out.append(line)
            if line:
                say(line)
    if status is None:
        raise TransportError(f"{session.target.name}: {command}: no answer")
    if status == 127:
        raise TransportError(
            f"{session.target.name}: there is no {PROGRAM} yet; run clawkeep apply base, which "
            "prepares the host and stops where the cache is needed"
        )
    return Outcome(status, "\n".join(out).strip(), "\n".join(err).strip())


def report(outcome: Outcome) -> dict[str, Any]:
    """Return what `list` or `verify` found. Raises TransportError for anything else."""
    try:
        data = json.loads(outcome.stdout) if outcome.status == 0 else None
    except ValueError:
        data = None
    if not isinstance(data, dict) or not {"items", "lacking", "size"} <= data.keys():
        raise TransportError(f"the host's cache: {outcome.stderr or outcome.stdout[-200:]}")
    return data
