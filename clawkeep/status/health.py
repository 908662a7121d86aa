"""Asks the host what its watcher has on record: one round trip, nothing of the guest's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from clawkeep import survey
from clawkeep.agent.report import UNKNOWN, Row
from clawkeep.health import record
from clawkeep.health.report import Report
from clawkeep.model import Keep
from clawkeep.onhost import paths
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError

LABEL = "com.nanoclaw.health"
NOW_S = 40
"""How long `--now` waits for the next look; one that waits for a frozen guest takes its time."""

PARTS = {
    "health": f"cat {paths.HEALTH}",
    "health clock": f"date +%s; cat {paths.STATE}/clock.json",
    "health job": f"launchctl print system/{LABEL}",
}
SCRIPT = "".join(survey.part(name, command) for name, command in PARTS.items())
"""Shell lines that root runs; they only read."""

#: Asks the watcher to look now, and waits until its record is another file.
AGAIN = f"""
f={paths.HEALTH}; was=$(ls -i $f); n=0
launchctl kill SIGUSR1 system/{LABEL} || n=1000
while [ "$was" = "$(ls -i $f)" ] && [ $n -lt {NOW_S * 5} ]
do sleep 0.2; n=$((n + 1)); done
"""


def gather(keep: Keep, target: Target, *, now: bool = False) -> Report:
    """Return the watcher's report; with `now`, of a look that is made first. Never raises."""
    script = f"{AGAIN if now else ''}{SCRIPT}true\n"
    try:
        session = HostSession(target)
        try:
            said = session.run(f"sudo -n sh -c {shlex.quote(script)} 2>/dev/null", NOW_S + 10)
        finally:
            session.close()
    except (TransportError, OSError) as error:
        return Report(keep.guest.name, error=str(error))
    return read(keep.guest.name, survey.split(said))


def loop(report: Report) -> Row | None:
    """Return what the watcher saw of the agent's loop, None unless that was at its last look."""
    record = report.record
    standing = record.standings.get("loop") if record and not report.watched else None
    if record is None or standing is None or report.age_s > 2 * record.every_s:
        return None
    found = standing.last
    if found.verdict is UNKNOWN or standing.seen < record.at:
        return None
    return Row("loop", found.verdict, found.value, "as the watcher saw", report.age_s)


def read(guest: str, parts: Mapping[str, str]) -> Report:
    """Return the report that the answers to `PARTS` make."""
    if not PARTS.keys() <= parts.keys():
        return Report(guest, error="the host did not answer as root (sudo -n)")
    times = [float(word) for word in re.findall(r"\d{9,12}(?:\.\d+)?", parts["health clock"])]
    pid = re.search(r"^\s*pid = (\d+)", parts["health job"], re.MULTILINE)
    return Report(
        guest,
        record.parse(parts["health"]),
        max(times, default=0.0),
        int(pid[1]) if pid else None,
    )
