"""`clawkeep canary`: probe from inside the guest what must answer and what must not."""

from __future__ import annotations

import argparse
import json
import shlex
from datetime import datetime
from functools import partial
from typing import Any

from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.remote import PROGRAM, on_host
from clawkeep.transport import HostSession, TransportError, exchange

RUN_S = 30
GUEST_S = 8
UNKNOWN = 2

MARKS = {
    ("answer", "answered"): "ok",
    ("silence", "silent"): "ok",
    ("silence", "answered"): "LEAK",
    ("answer", "silent"): "FAILED",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--ssh",
        action="store_true",
        help="reach the guest by SSH at once, without asking its agent first",
    )
    parser.add_argument(
        "--last", action="store_true", help="run nothing: show the result of the last run"
    )


def _run(options: argparse.Namespace) -> int:
    found = keep_and_host()
    if found is None:
        return UNKNOWN
    keep, host = found
    try:
        session = HostSession(host)
        try:
            ask = _last if options.last else partial(_ask, ssh=options.ssh)
            result = ask(session, keep.guest.name)
        finally:
            session.close()
    except (TransportError, OSError) as error:
        explain(str(error))
        return UNKNOWN
    _show(result, as_json=options.json)
    if options.last:
        moment = datetime.fromtimestamp(float(result.get("t") or 0)).astimezone()
        explain(f"that was at {moment:%Y-%m-%d %H:%M:%S}")
    return exit_status(result)


def _last(session: HostSession, _: str) -> dict[str, Any]:
    """Return what the last run came to, by hand or of the schedule."""
    outcome = on_host(session, ["canary", "--last"])
    return _result(outcome.stdout or outcome.stderr)


def _ask(session: HostSession, guest: str, *, ssh: bool) -> dict[str, Any]:
    """Return the result of a run by the guest's agent; over SSH when that does not answer."""
    first: dict[str, Any] = {}
    if not ssh:
        outcome = on_host(session, ["canary", "--json"], RUN_S)
        first = _result(outcome.stdout or outcome.stderr)
        if first["reached"] or first["verdict"] == "absent" or not first.get("guest"):
            return first
        explain(f"the guest's agent does not answer ({'; '.join(first['unable'])}); trying SSH")
    return _over_ssh(session, guest) or first


def _over_ssh(session: HostSession, guest: str) -> dict[str, Any]:
    """Run the host's program on the guest with the operator's key; the host counts and judges."""

    def reply(line: str) -> str:
        first = _json(line)
        if "program" not in first:
            raise _OverError(first)
        client = session.guest(guest, str(first["guest"]))
        try:
            return exchange(client, "/usr/bin/python3 -I -", first["program"], GUEST_S, guest)
        finally:
            client.close()

    command = shlex.join(["sudo", "-n", PROGRAM, "canary", "--converse"])
    try:
        return _result(session.dialogue(command, reply, RUN_S))
    except _OverError as over:
        return over.result


class _OverError(Exception):
    """The host came to a result before the guest was asked anything."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("no guest was asked")
        self.result = result


def _json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise TransportError(f"the host's canary printed no result: {text.strip()[-200:]!r}")
    return data


def _result(text: str) -> dict[str, Any]:
    data = _json(text)
    if not {"verdict", "leaks", "unable", "failed", "probes", "reached"} <= data.keys():
        raise TransportError("the host's canary printed something else than a result")
    return data


def exit_status(result: dict[str, Any]) -> int:
    """Return 0 for green, 1 for a leak or a declared target that does not answer, else 2."""
    if result["verdict"] == "green":
        return 0
    return 1 if result["leaks"] or result["verdict"] == "degraded" else UNKNOWN


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(result, indent=2))
    else:
        for line in table(result["probes"]):
            say(line)
    for what, lines in (
        ("leak", result["leaks"]),
        ("cannot tell", result["unable"]),
        ("does not answer", result["failed"]),
        ("not asked", result["notes"]),
    ):
        for line in lines:
            explain(f"{what}: {line}")
    explain(
        f"{result['verdict']}: {len(result['probes'])} probes in {result['ms']} ms, "
        f"the guest reached by {result['via']}"
    )


def table(probes: list[dict[str, Any]]) -> list[str]:
    """Return the probes as lines; the worst first, all else in the order asked."""
    rows = [
        (
            MARKS.get((p["expected"], p["outcome"]), "BROKEN"),
            str(p["name"]),
            str(p["expected"]),
            str(p["outcome"]),
            "-" if p["ms"] is None else str(p["ms"]),
            str(p["evidence"]),
        )
        for p in probes
    ]
    rows.sort(key=lambda row: row[0] == "ok")
    head = ("", "PROBE", "EXPECTED", "GOT", "MS", "EVIDENCE")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(5)]
    return [
        "  ".join((*(cell.ljust(widths[i]) for i, cell in enumerate(row[:5])), row[5])).rstrip()
        for row in (head, *rows)
    ]


VERB = Verb(
    summary="probe from inside the guest what must answer and what must not",
    run=_run,
    arguments=_arguments,
    description="Probe from inside the guest what must answer and what must not. The host adds "
    "pf's own counts and decoys, which a guest cannot forge. The same runs every half minute on "
    "the host, where the guard acts on it.",
    epilog="exit status: 0 green; 1 red for a leak, or degraded: something declared does not "
    "answer; 2 cannot tell, or no guest runs\n\nexample: clawkeep canary --json | jq .leaks",
)
