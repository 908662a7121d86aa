"""Asks the host once and the guest once, and has the answers judged."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence

from clawkeep import batch, tart
from clawkeep.batch import mark, script
from clawkeep.doctor import checks
from clawkeep.doctor.checks import Check
from clawkeep.doctor.judge import Answer
from clawkeep.doctor.report import Report, Row, State
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.skills import proofs
from clawkeep.skills.gather import row as skill_row
from clawkeep.skills.survey import PROVED
from clawkeep.skills.wanted import Wanted, wanted
from clawkeep.status import kept
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError, exchange
from clawkeep.verdict import Verdict

TIMEOUT_S = 30
LIST, ADDRESS, SKILLS, KEPT = "its VMs", "its address", "its proofs", "its records"
PROOFS = {"ok": State.OK, "failed": State.BAD, "needs a Mac": State.NEEDS_MAC}


def gather(keep: Keep, target: Target) -> Report:
    """Return how the host and the guest are; never raises for a machine that is not well."""
    on_host, in_guest, name = checks.host(keep), checks.guest(keep), keep.guest.name
    answers: dict[str, Answer] = {}
    inside: dict[str, Answer] = {}
    host_why = guest_why = ""
    try:
        session = HostSession(target)
        with contextlib.closing(session):
            answers = _asked(session, keep, on_host)
            try:
                inside = _inside(session, name, answers, in_guest)
            except (TransportError, OSError) as error:
                guest_why = str(error)
    except (TransportError, OSError) as error:
        host_why = guest_why = str(error)
    rows = [
        *_rows("host", on_host, answers, host_why),
        *(_kept(keep, answers[KEPT].text) if KEPT in answers else ()),
        *_rows("guest", in_guest, inside, guest_why),
        *(_skills(wanted(keep), inside[SKILLS].text) if SKILLS in inside else ()),
    ]
    return Report(target.name, name, tuple(rows))


def parse(text: str, own: str) -> dict[str, Answer]:
    """Return the answers by name; one without its exit status was cut off, and is none."""
    return {name: Answer(*answer) for name, answer in batch.answers(text, own).items()}


def _asked(session: HostSession, keep: Keep, asked: Iterable[Check]) -> dict[str, Answer]:
    questions = {check.name: check.question for check in asked}
    questions[LIST] = shlex.join(tart.list_local())
    questions[ADDRESS] = tart.address(keep.guest.name)
    questions[KEPT] = kept.ALONE
    own = mark()
    return parse(session.run(script(questions, own), TIMEOUT_S), own)


def _inside(
    session: HostSession, name: str, host: Mapping[str, Answer], asked: Iterable[Check]
) -> dict[str, Answer]:
    """Ask the guest. Raises TransportError, also when it does not run."""
    try:
        vms = tart.parse_list(host[LIST].text) if LIST in host else ()
    except tart.TartError as error:
        raise TransportError(str(error)) from error
    if not any(vm.name == name and vm.running for vm in vms):
        raise TransportError(f"{name} does not run; clawkeep apply base")
    words = host[ADDRESS].text.split() if ADDRESS in host else []
    if len(words) != 2:
        raise TransportError(f"{name}: tart knows no address of it")
    questions = {check.name: check.question for check in asked}
    questions[SKILLS] = f"cat {PROVED}"
    own = mark()
    with contextlib.closing(session.guest(name, words[0])) as client:
        text = exchange(client, "/bin/sh -s", script(questions, own), TIMEOUT_S, name)
    return parse(text, own)


def _rows(
    where: str, asked: Sequence[Check], answers: Mapping[str, Answer], why: str
) -> Iterable[Row]:
    for check in asked:
        state, value = State.UNKNOWN, why or "no answer"
        if check.name in answers:
            state, value = check.judge(answers[check.name])
        fix = "" if state is State.OK else check.fix
        yield Row(where, check.name, state, plain(value), fix)


def _kept(keep: Keep, said: str) -> Iterable[Row]:
    """Yield what stands and what is overdue; nothing of what was never set up."""
    for one in kept.alone(keep, said):
        state = {Verdict.WELL: State.OK, Verdict.BAD: State.BAD}.get(one.verdict, State.UNKNOWN)
        fix = "" if state is State.OK else kept.FIXES[one.name]
        yield Row("host", one.name, state, one.text, fix)


def _skills(skills: Sequence[Wanted], record: str) -> Iterable[Row]:
    """Yield the skills that are not proved; what only a Mac can show was never proved elsewhere."""
    found = proofs.read(record)
    for one in skills:
        seen = skill_row(one, None, found.get(one.name), time.time())
        state = PROOFS.get(seen.proof, State.UNKNOWN)
        if state is not State.OK:
            value = seen.evidence or seen.proof
            yield Row("skill", one.name, state, value, f"clawkeep skills --probe {one.name}")
