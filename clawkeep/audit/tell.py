"""Leaves on the host how an audit ended, and how often one is due there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from clawkeep.audit import note as notes
from clawkeep.audit.check import Machine, State
from clawkeep.audit.note import Last, Note
from clawkeep.audit.report import Report
from clawkeep.onhost.plain import plain
from clawkeep.remote import on_host, operator
from clawkeep.target import Target
from clawkeep.transport import HostSession

EX_USAGE: Final = 64
WIDTH: Final = 200


class NotTakenError(Exception):
    """The host did not take it; the text says why and what to do."""


def last_of(report: Report) -> Last:
    """Return what is left of a whole audit; the host puts its own time to it.

    What differs is critical when a promise of the security model is broken.
    """
    shown = (State.FAILED, State.UNKNOWN)
    found = sorted(
        (one for one in report.outcomes if one.state in shown),
        key=lambda one: (shown.index(one.state), one.check.machine is not Machine.KEEP),
    )
    broken = any(one.state is State.FAILED and one.check.machine is Machine.KEEP for one in found)
    return Last(
        t=0.0,
        verdict=report.verdict.name.lower(),
        who=operator(),
        passed=report.count(State.PASSED),
        failed=report.count(State.FAILED),
        unknown=report.count(State.UNKNOWN),
        accepted=report.count(State.ACCEPTED),
        severity="critical" if broken else "warning",
        found=tuple(plain(f"{one.check.name}: {one.found}", WIDTH) for one in found[: notes.FEW]),
    )


def ended(target: Target, report: Report) -> None:
    """Leave how an audit ended. Raises NotTakenError, TransportError."""
    data = asdict(last_of(report))
    data.pop("t")
    _ask(target, ["note", json.dumps(data)])


def expect(target: Target, every_s: int | None) -> None:
    """Have the host expect an audit so often, None: never. Raises NotTakenError, TransportError."""
    words = ["unschedule"] if every_s is None else ["schedule", str(every_s)]
    _ask(target, [*words, f"--who={operator()}"])


def known(target: Target) -> tuple[Note, float]:
    """Return what the host keeps, and its time. Raises NotTakenError, TransportError."""
    try:
        data: dict[str, Any] = json.loads(_ask(target, ["show"]))
        now = float(data.pop("now"))
        data.pop("due")
        return notes.parse(json.dumps({"format": notes.FORMAT, **data})), now
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotTakenError(f"{target.name}: no answer to `audit show`: {error}") from error


def _ask(target: Target, words: Sequence[str]) -> str:
    session = HostSession(target)
    with contextlib.closing(session):
        outcome = on_host(session, ["audit", *words])
    if outcome.status == EX_USAGE:
        raise NotTakenError(
            f"{target.name}: the Clawkeep that is there keeps no results of audits; clawkeep apply "
            "base"
        )
    if outcome.status != 0:
        said = plain(outcome.stderr.strip()[-WIDTH:] or f"exit status {outcome.status}")
        raise NotTakenError(f"{target.name}: {said}")
    return outcome.stdout
