"""Looks at all checks of both machines, in as few round trips as their questions allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from testinfra.host import Host

from clawkeep.audit import network as _network  # noqa: F401 - registers its looks
from clawkeep.audit.backend import BatchBackend, NotAskedYetError
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.darwin import darwin
from clawkeep.audit.looks import LOOKS, CannotTellError
from clawkeep.onhost.plain import plain
from clawkeep.transport import TransportError

WIDTH = 300
MOST_ROUNDS = 8
"""A look asks a few commands after each other; one that never has enough is a mistake of ours."""

Told = Callable[[Outcome], None]


class Machines:
    """The machines that can be asked; why not, for those that cannot."""

    def __init__(
        self, backends: Mapping[Machine, BatchBackend], gone: Mapping[Machine, str]
    ) -> None:
        self.backends = backends
        self.gone = gone
        self._hosts = {machine: darwin(backend) for machine, backend in backends.items()}

    @property
    def round_trips(self) -> int:
        """How often machines were asked, all together."""
        return sum(backend.round_trips for backend in self.backends.values())

    def outcomes(self, checks: Iterable[Check], told: Told = lambda _: None) -> list[Outcome]:
        """Return how all checks of these machines ended, in their order; `told` hears each."""
        every = [check for check in checks if check.machine is not Machine.KEEP]
        found: dict[str, Outcome] = {}
        for _ in range(MOST_ROUNDS):
            for check in every:
                if check.name not in found and (outcome := self.outcome(check)):
                    found[check.name] = outcome
                    told(outcome)
            if not self._fill():
                break
        for check in every:
            if check.name not in found:
                found[check.name] = Outcome(check, State.UNKNOWN, "it never had enough answers")
                told(found[check.name])
        return [found[check.name] for check in every]

    def outcome(self, check: Check) -> Outcome | None:
        """Return how one check ends by what is known; None while it lacks answers."""
        why = check.unknown or self.gone.get(check.machine, "")
        if why or check.machine not in self._hosts:
            return Outcome(check, State.UNKNOWN, plain(why or "nobody asked", WIDTH))
        try:
            return judged(self._hosts[check.machine], check)
        except NotAskedYetError:
            return None

    def _fill(self) -> bool:
        """Ask all that is wanted, of all machines at once; return whether anything was."""
        due = {m: one for m, one in self.backends.items() if one.wants and m not in self.gone}
        with ThreadPoolExecutor(max(1, len(due))) as pool:
            jobs = {machine: pool.submit(one.fill) for machine, one in due.items()}
        gone = dict(self.gone)
        for machine, job in jobs.items():
            if isinstance(error := job.exception(), TransportError):
                gone[machine] = str(error)
            elif error is not None:
                raise error
        self.gone = gone
        return bool(due)


def judged(host: Host, check: Check) -> Outcome:
    """Look at one check. Raises NotAskedYetError, and nothing else: what fails is unknown."""
    try:
        well, found = LOOKS[check.kind](host, check.expected)
    except CannotTellError as error:
        return Outcome(check, State.UNKNOWN, plain(str(error), WIDTH))
    except Exception as error:  # noqa: BLE001 - whatever a hostile answer makes of a parser
        return Outcome(check, State.UNKNOWN, plain(_short(error), WIDTH))
    return Outcome(check, State.PASSED if well else State.FAILED, plain(found, WIDTH))


def _short(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"it could not be read: {type(error).__name__}: {first}"


def derived(checks: Iterable[Check], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield the checks of the keep as a whole: each rests on others (`on`), and on their evidence.

    One that is wrong makes it wrong; one that nobody could tell makes it unknown. What a check of
    the keep knows by itself stands in `knows`: (state, evidence).
    """
    every = {outcome.check.name: outcome for outcome in outcomes}
    for check in checks:
        if check.machine is not Machine.KEEP:
            continue
        parts = [every[name] for name in check.expected.get("on", ()) if name in every]
        known = [(State(state), text) for state, text in check.expected.get("knows", ())]
        states = {*(part.state for part in parts), *(state for state, _ in known)}
        worst = next(
            (s for s in (State.FAILED, State.UNKNOWN, State.PASSED) if s in states), State.UNKNOWN
        )
        shown = [f"{p.check.kind} {p.check.target}: {p.found}" for p in parts if p.state is worst]
        shown += [text for state, text in known if state is worst]
        text = "; ".join(shown) or "nothing was looked at"
        yield Outcome(check, worst, plain(check.unknown or text, WIDTH * 2))
