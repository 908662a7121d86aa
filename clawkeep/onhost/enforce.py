"""`clawkeep enforce`: brings pf and the daemons in line with what must be in force, and proves it.

The guard runs the same code every time something changed; the converge, `allow`, `revoke` and
`window` run it when they changed something themselves. Whoever runs it holds the host's lock.

Order: the main ruleset, the wall, the doors, pf enabled, states, all read back; then link.json and
the daemons. What closes is in force before anything that depends on it is told, and what cannot
be proved is closed. A call that finds everything as it must be changes nothing at all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from clawkeep import expected
from clawkeep.ifconfig import LinkError
from clawkeep.link import Link
from clawkeep.onhost import (
    clock,
    daemons,
    guests,
    holders,
    jobs,
    paths,
    pfctl,
    rules,
    running,
    store,
    world,
)
from clawkeep.onhost.holders import Fit
from clawkeep.onhost.plain import plain
from clawkeep.onhost.situation import Record, Situation, link_of, recorded, situation
from clawkeep.policy import BRIDGE_LABEL, Openings
from clawkeep.render import anchor as render
from clawkeep.seen import Seen

NOTHING = Openings()

#: How long the verb waits for whoever holds the lock.
LOCK_S = 120

#: What is said of all doors fits into one line of so many characters.
LINE = 4000


@dataclass(frozen=True, slots=True)
class Enforced:
    """What is in force, and what pf and ifconfig said when that was found."""

    record: Record
    seen: Seen | None
    bridges: str


def bring(now: Situation) -> Record:
    """Enforce `now` and return what is in force then; see `enforced`."""
    return enforced(now).record


def enforced(now: Situation, *, hold: str = "") -> Enforced:
    """Enforce `now` and return what is in force then. Call with the lock held.

    `hold` keeps everything closed, whatever runs, and says why. Never raises for what pf, tart or
    a daemon do: then the record's state is `failed`, and nothing is open that can be closed.
    """
    before, bridges, seen, failure = recorded(), "", None, ""
    link, why, doors, fit = None, hold, "", Fit(now.openings)
    mending = rules.Mending(before)
    try:
        # What was lost comes back before anything slow is asked.
        seen = mending.done()
        bridges = guests.interfaces()
        link, why = _link(now, before, bridges, hold)
        fit = _fit(now, before, link)
        may = replace(now, openings=fit.openings)
        doors = rules.doors(may, link)
        seen = rules.bring(seen, doors, may, before, link)
        if link and set(fit.held) - set(before.problems):
            # No bridge ends with such a door, so its connections would go on.
            pfctl.kill([str(link.guest)])
    except (pfctl.PfError, OSError, subprocess.SubprocessError) as error:
        seen, failure = None, str(error)
        rules.close()
        rules.end_all(link_of(before))
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            # Whether a guest is there decides whether it can be stopped.
            bridges = bridges or guests.interfaces()
    state = _state(now, before, link, bridges, hold) if not failure else "failed"
    why = failure or (now.cut.why if now.cut and state == "cut" else why)
    served = link if state == "open" else None
    _tell(served)
    problems = [*now.damage, *fit.held, *fit.unknown]
    if now.policy is not None:
        # A bridge that cannot have its port goes on trying: it is told of its door all the same.
        did, failures = daemons.refresh(now.policy, now.openings, served)
        problems += failures
        if did:
            store.event("daemons", "; ".join(did))
    record = _record(replace(now, openings=fit.openings), before, state, why, link, problems)
    record = replace(
        record,
        rules=rules.mark(render.printed(doors)) if seen else "",
        repaired=clock.now() if mending.lost else before.repaired,
    )
    return Enforced(_remember(before, record), seen, bridges)


def shut(before: Record) -> None:
    """Close by pf alone, and tell nobody: for when somebody else holds the lock. Never raises.

    Whoever holds it reads back what is in force, or is found out by the next full check.
    """
    rules.close()
    rules.end_all(link_of(before))
    try:
        # Rules close nothing while pf is off, or its main ruleset does not come to them.
        nothing = Situation(None, NOTHING)
        rules.bring(rules.Mending(before).done(), render.deny_all(), nothing, before, None)
    except (pfctl.PfError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"clawkeep: {error}\n")


def failed(why: str, before: Record) -> Record:
    """Note that nothing is known to be right any more, and return that. Never raises."""
    since = before.since if before.state == "failed" else clock.now()
    record = Record("failed", why, since, before.link, before.link_since)
    with contextlib.suppress(OSError):
        _remember(before, record)
    return record


def _state(now: Situation, before: Record, link: Link | None, bridges: str, hold: str) -> str:
    """Return what the guest's state is; it is cut off as long as it runs, with a link or without.

    A tart that does not answer does not end the guest.
    """
    if link is not None:
        return "cut" if now.cut else "open"
    if now.cut is None or now.policy is None or hold or not guests.networks(bridges):
        return "closed"
    runs = running.runs(now.policy)
    return "cut" if runs or (runs is None and before.state == "cut") else "closed"


def _fit(now: Situation, before: Record, link: Link | None) -> Fit:
    """Leave out what would lead the guest to somebody else's program."""
    if link is None or now.cut is not None or now.policy is None:
        return Fit(now.openings)
    known = before.doors if link_of(before) == link else ()
    return holders.fit(now.openings, link, now.policy.bridge_user, known)


def _link(now: Situation, before: Record, bridges: str, hold: str) -> tuple[Link | None, str]:
    """Return the guest's link, or None and why there is none."""
    if now.policy is None or hold:
        return None, hold or now.damage[0]
    try:
        return guests.find(now.policy, bridges, link_of(before)), ""
    except LinkError as error:
        return None, str(error)


def _tell(link: Link | None) -> None:
    """Say in link.json where the guest is; without the file nothing listens."""
    if link is None:
        paths.LINK.unlink(missing_ok=True)
    elif store.read(paths.LINK) != world.link_text(link):
        store.write(paths.LINK, world.link_text(link))


def _record(
    now: Situation, before: Record, state: str, why: str, link: Link | None, problems: list[str]
) -> Record:
    moment = clock.now()
    values = world.link_values(link) if link else None
    if state == "failed" and values is None:
        values = before.link  # Its states must still end when this is over.
    same = state == before.state
    return Record(
        state=state,
        why=why,
        since=before.since if same else moment,
        link=values,
        link_since=before.link_since if values == before.link else moment,
        doors=tuple(door.name for door in now.openings.doors) if state == "open" else (),
        digest=now.policy.digest if now.policy else "",
        problems=tuple(problems),
        proof=expected.METHOD if state != "failed" else "",
    )


def _remember(before: Record, record: Record) -> Record:
    """Note a change of state, as an event and in enforced.json."""
    if record == before:
        return record
    if record.state != before.state or record.link != before.link:
        kinds = {"open": "opened", "closed": "closed", "cut": "closed", "failed": "failed"}
        store.event(kinds[record.state], said(record), link=record.link, doors=record.doors)
    elif record.doors != before.doors or record.digest != before.digest:
        gone, new = set(before.doors) - set(record.doors), set(record.doors) - set(before.doors)
        words = [f"-{name}" for name in sorted(gone)] + [f"+{name}" for name in sorted(new)]
        store.event("changed", f"doors: {' '.join(words) or 'as before'}", digest=record.digest)
    for problem in set(record.problems) - set(before.problems):
        store.event("damaged", problem)
    store.write(paths.ENFORCED, json.dumps(asdict(record)) + "\n")
    return record


def said(record: Record) -> str:
    """Say the record in one line."""
    where = f" for {record.link['guest']} on {record.link['bridge']}" if record.link else ""
    if record.state == "open":
        return f"open{where}: {', '.join(record.doors) or 'no door'}"
    return f"{record.state}{where}: {record.why}"


def main(arguments: Sequence[str]) -> int:
    """Run as `enforce [--json] [--reopen] [--jobs]`: 0 enforced, 1 not, with the reason."""
    parser = argparse.ArgumentParser(prog="clawkeep enforce", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="say what is in force as JSON")
    parser.add_argument("--reopen", action="store_true", help="end a cut: the cause is dealt with")
    parser.add_argument(
        "--jobs", action="store_true", help="ask launchd which bridges it has; trust no mark"
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep enforce: only root may change pf; run it with sudo\n")
        return 1
    try:
        with store.locked(timeout_s=LOCK_S):
            if options.reopen and paths.CUT.exists():
                paths.CUT.unlink()
                store.event("reopened", "the operator says that the cause is dealt with")
            if options.jobs:
                jobs.forget_unloaded(BRIDGE_LABEL)
            record = bring(situation())
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"clawkeep enforce: {plain(str(error), LINE)}\n")
        return 1
    if options.json:
        print(json.dumps(asdict(record)))
    elif record.state in {"open", "closed"}:
        print(plain(said(record), LINE))
    wrong = record.problems if record.state in {"open", "closed"} else (said(record),)
    for sentence in wrong:
        sys.stderr.write(f"clawkeep enforce: {plain(sentence, LINE)}\n")
    return 1 if wrong else 0
