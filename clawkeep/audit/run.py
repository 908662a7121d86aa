"""One audit: reach the machines, look, compare with the audits before."""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import paramiko

from clawkeep import state
from clawkeep.audit import scene as scenes
from clawkeep.audit.accept import Accepted
from clawkeep.audit.backend import BatchBackend, as_root
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.evaluate import Machines, Told, derived
from clawkeep.audit.history import History
from clawkeep.audit.report import Report
from clawkeep.audit.scene import Scene
from clawkeep.model import Keep
from clawkeep.skills.gather import gather as gather_skills
from clawkeep.skills.report import Report as SkillReport
from clawkeep.skills.wanted import wanted
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError, exchange
from clawkeep.verdict import Verdict

TIMEOUT_S = 30
SKILL = "skill"

Generate = Callable[[Keep, Scene], list[Check]]
STATES = {Verdict.WELL: State.PASSED, Verdict.BAD: State.FAILED, Verdict.UNKNOWN: State.UNKNOWN}


@dataclass
class Audit:
    """The machines of one keep, reached, and all its checks."""

    keep: Keep
    target: Target
    checks: list[Check]
    machines: Machines
    accepted: Accepted = field(default_factory=Accepted)
    skills: SkillReport | None = None

    def outcomes(self, checks: Sequence[Check], told: Told = lambda _: None) -> list[Outcome]:
        """Return how these checks ended, those of the keep as a whole with what they rest on."""
        names = {check.name for check in checks}
        for check in checks:
            names.update(check.expected.get("on", ()))
        looked = [check for check in self.checks if check.name in names]
        found = self.machines.outcomes([c for c in looked if c.kind != SKILL], told)
        found += self._skills([c for c in looked if c.kind == SKILL])
        found += derived(looked, found)
        wanted_here = {check.name for check in checks}
        # Last of all: a promise rests on what was found, not on what is accepted.
        return [one for one in self.accepted.applied(found) if one.check.name in wanted_here]

    def _skills(self, checks: Sequence[Check]) -> list[Outcome]:
        if not checks:
            return []
        if self.skills is None:
            self.skills = gather_skills(self.keep, self.target, wanted(self.keep))
        report = self.skills
        rows = {row.name: row for row in report.rows}
        found = []
        for check in checks:
            row = rows.get(check.target)
            if row is None or report.error:
                known = STATES[report.unreached] if report.error else State.UNKNOWN
                found.append(Outcome(check, known, report.error or "nobody looked"))
                continue
            words = f"{row.proof}: {row.evidence or '-'}"
            found.append(Outcome(check, STATES[row.verdict], words))
        return found


@contextlib.contextmanager
def reached(
    keep: Keep, target: Target, generate: Generate, accepted: Accepted | None = None
) -> Iterator[Audit]:
    """Reach host and guest, and have the checks generated.

    Raises TransportError when the host does not answer: then nobody knows even what to expect; and
    ConfigError when something is accepted that cannot be.
    """
    known = accepted or Accepted()
    with contextlib.ExitStack() as stack:
        session = HostSession(target)
        stack.callback(session.close)
        scene = scenes.look(session, keep, target)
        backends = {
            Machine.HOST: BatchBackend(
                target.name, lambda script: session.run(as_root(script), TIMEOUT_S)
            )
        }
        gone: dict[Machine, str] = {}
        if scene.link is None:
            gone[Machine.GUEST] = scene.why_no_link
        else:
            try:
                client = session.guest(keep.guest.name, scene.guest_address)
                stack.callback(client.close)
                backends[Machine.GUEST] = _inside(client, keep.guest.name)
            except TransportError as error:
                gone[Machine.GUEST] = str(error)
        checks = generate(keep, scene)
        known.allowed(checks)
        yield Audit(keep, target, checks, Machines(backends, gone), known)


def _inside(client: paramiko.SSHClient, name: str) -> BatchBackend:
    return BatchBackend(
        name, lambda script: exchange(client, "sudo -n /bin/sh -s", script, TIMEOUT_S, name)
    )


def chosen(checks: Sequence[Check], only: str | None) -> list[Check]:
    """Return the checks whose name holds `only`, or fits it as a pattern such as `host/job/*`."""
    if not only:
        return list(checks)
    return [c for c in checks if only in c.name or fnmatch.fnmatchcase(c.name, only)]


def audit(
    keep: Keep,
    target: Target,
    generate: Generate,
    only: str | None = None,
    told: Callable[[int, Outcome], None] = lambda _n, _o: None,
    *,
    accepted: Accepted | None = None,
) -> Report:
    """Return an audit of the declared keep on `target`, and keep its results.

    `told` hears each outcome as it is known, with how many checks there are. Never raises for a
    machine that is not well. Raises LookupError when `only` names no check, ConfigError when
    something is `accepted` that cannot be, OSError when the results cannot be kept.
    """
    started, at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    history = History.read(state.folder(target.name, keep.guest.name))
    outcomes: list[Outcome] = []
    error, trips = "", 0
    notices: tuple[str, ...] = ()
    try:
        with reached(keep, target, generate, accepted) as made:
            checks = chosen(made.checks, only)
            if not checks:
                raise LookupError(f"no check is called {only!r}")
            if not only:
                history.forget(check.name for check in made.checks)
            outcomes = made.outcomes(checks, lambda outcome: told(len(checks), outcome))
            notices = tuple(made.accepted.notices(made.checks, outcomes))
            trips = made.machines.round_trips + 1
    except (TransportError, OSError) as failed:
        error = str(failed)
    drift, fixed = history.compare(outcomes, at)
    if outcomes:
        history.write(outcomes, drift, at)
    seconds = time.monotonic() - started
    report = Report(
        target.name, keep.guest.name, at, seconds, trips, tuple(outcomes), drift, fixed, error,
        notices,
    )  # fmt: skip
    history.note(report.note(only))
    return report
