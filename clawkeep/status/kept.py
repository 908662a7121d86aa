"""What the host has on record besides: alerts, snapshots, backups, updates, the last audit.

Small files of root's, read with the one question that the status asks anyway, and judged by those
who judge them on the host.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from clawkeep import survey
from clawkeep.agent.report import span
from clawkeep.audit import note as audits
from clawkeep.backup import plan as backup_plan
from clawkeep.backup import state as backup_state
from clawkeep.backup.errors import BackupError
from clawkeep.model import Keep
from clawkeep.onhost import paths
from clawkeep.onhost.plain import plain
from clawkeep.overview import facts
from clawkeep.snapshots import judge, records
from clawkeep.snapshots import plan as snapshot_plan
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.updates import journal
from clawkeep.verdict import Verdict

WELL, BAD, UNKNOWN = Verdict.WELL, Verdict.BAD, Verdict.UNKNOWN
WIDTH: Final = 300
SILENT_S: Final = 90.0
"""The job of the alerts writes down every 20 s that it is there; a busy host may be late."""

ALERTS: Final = "com.nanoclaw.alerts"
PERIODS: Final = {seconds: word for word, seconds in audits.PERIODS.items()}

SNAPSHOTS = f"{paths.STATE}/snapshots"
PARTS: Final = {
    "alerts": f"cat {paths.STANDING}",
    "snapshots": f"cat {SNAPSHOTS}/state.json",
    "snapshot plan": f"cat {paths.ROOT}/etc/snapshots.json",
    "snapshot task": f"cat {SNAPSHOTS}/task.json",
    "snapshot records": f"cat {SNAPSHOTS}/records/*.json",
    "backup": f"cat {paths.STATE}/backup.json",
    "backup plan": f"cat {paths.ROOT}/etc/backup.json",
    "backup declared": f"stat -f %m {paths.ROOT}/etc/backup.json",
    "update": f"cat {paths.STATE}/update.json",
    "audit": f"cat {paths.AUDIT}",
}
SCRIPT: Final = "".join(survey.part(name, command) for name, command in PARTS.items())
"""Shell lines that root runs; they only read."""

_BESIDE = survey.part("jobs", "launchctl list") + survey.part("now", "date +%s")
ALONE: Final = f"sudo -n sh -c {shlex.quote(SCRIPT + _BESIDE)}"
"""The same as a question of its own, for `alone`."""

FIXES: Final = {
    "alerts": "clawkeep alert",
    "snapshots": "clawkeep snapshot status",
    "backup": "clawkeep backup status",
    "update": "clawkeep update status",
    "audit": "clawkeep audit",
}
"""What shows more of each, and begins to mend it."""


@dataclass(frozen=True)
class Kept:
    """One of them: a word for it, how it is, the same in words, and the figures behind it.

    `problems` are what is not as it should be, each as a sentence; `facts` plain data, all times in
    Unix seconds of the host's clock.
    """

    name: str
    verdict: Verdict
    label: str
    text: str
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"verdict": self.verdict.name.lower(), "facts": dict(self.facts)}


def read(keep: Keep, host: Mapping[str, str], now: float) -> tuple[Kept, ...]:
    """Return what there is, from the answers to PARTS; `now` is the host's clock.

    Nothing of what was never set up there, nor from a host that did not answer as root, or whose
    answer was cut off.
    """
    if not PARTS.keys() <= host.keys() or not math.isfinite(now):
        return ()
    found = (
        _alerts(host["alerts"], host.get("jobs", ""), now),
        _snapshots(keep, host, now),
        _backup(host, now),
        _update(host["update"], now),
        _audit(host["audit"], now),
    )
    return tuple(each for each in found if each is not None)


def alone(keep: Keep, text: str) -> tuple[Kept, ...]:
    """Return what there is, from the answer to ALONE."""
    parts = survey.split(text)
    now = parts.get("now", "").strip()
    return read(keep, parts, float(now)) if now.isdecimal() else ()


def _alerts(text: str, jobs: str, now: float) -> Kept | None:
    job = re.search(rf"^(\S+)\s+\S+\s+{re.escape(ALERTS)}$", jobs, re.MULTILINE)
    if job is None:
        return None
    data = _object(text)
    at = facts.number(data, "t")
    if not job[1].isdigit() or (at is not None and not -SILENT_S < now - at < SILENT_S):
        dead = "nobody looks, and nobody is told: the job says nothing"
        return Kept("alerts", BAD, ALERTS, dead, (dead,))
    if at is None:
        return Kept("alerts", UNKNOWN, ALERTS, "the job has just begun")
    rows: list[dict[str, Any]] = [
        {
            "key": plain(facts.word(row, "key")),
            "severity": plain(facts.word(row, "severity"), 20),
            "text": plain(facts.word(row, "text"), WIDTH),
            "since": facts.number(row, "since"),
            "silenced": row.get("silenced") is True,
            "settling": row.get("settling") is True,
        }
        for row in facts.rows(data, "standing")
    ]
    open_ = [row for row in rows if not row["silenced"] and not row["settling"]]
    bad = [row for row in open_ if row["severity"] != "info"]
    first = next(iter(bad or open_), None)
    words = [f"{len(open_)} stand" if open_ else "none stands"]
    words += [
        f"{sum(row[name] for row in rows)} {said}"
        for name, said in (("silenced", "silenced"), ("settling", "about to be over"))
        if any(row[name] for row in rows)
    ]
    said = ", ".join(words)
    if first:
        since = first["since"]
        lasting = "" if since is None else f" for {span(now - since)}"
        said += f": {first['severity']} {first['key']}{lasting}: {first['text']}"
    if not facts.count(data, "hooks"):
        said += "; no hook is declared, nobody is told"
    problems = tuple(f"{row['severity']} {row['key']}: {row['text']}" for row in bad)
    shown = {"standing": rows, "waiting": facts.count(data, "waiting")}
    return Kept("alerts", BAD if bad else WELL, ALERTS, said, problems, shown)


def _snapshots(keep: Keep, host: Mapping[str, str], now: float) -> Kept | None:
    if not (host["snapshots"].strip() or host["snapshot plan"].strip()):
        return None
    name = "snapshots"
    try:
        plan = snapshot_plan.parse(host["snapshot plan"].strip() or None)
        task_text = host["snapshot task"].strip()
        task = records.parse_task(task_text) if task_text else None
        mine = [one for one in _records(host["snapshot records"]) if one.guest == keep.guest.name]
    except SnapshotError as error:
        return Kept(name, UNKNOWN, "-", plain(str(error), WIDTH), (plain(str(error), WIDTH),))
    state = records.parse_state(host["snapshots"].strip() or None)
    problems = [words for _, words in judge.problems(state, plan, now)]
    if task and now - task.t > judge.STUCK_S:
        problems.append(f"{task.kind} of {task.name} is under way for {span(now - task.t)}")
    newest = max((one.t for one in mine), default=None)
    verified = max((one.verified for one in mine if one.verified), default=None)
    if not plan.at and newest is None and not problems:
        return None
    words = [
        f"newest {_ago(newest, now)}",
        f"newest verified {_ago(verified, now)}",
        *([f"{task.kind} of {task.name} under way"] if task else []),
        *problems,
    ]
    facts_ = {"count": len(mine), "newest": newest, "verified": verified,
              "daily": plan.at or None, "task": asdict(task) if task else None}  # fmt: skip
    label = f"daily at {plan.at}" if plan.at else "by hand"
    return Kept(
        name, BAD if problems else WELL, label, plain("; ".join(words), WIDTH), _all(problems),
        facts_,
    )  # fmt: skip


def _records(text: str) -> Iterator[records.Record]:
    """Yield the records that stand one after another; a damaged one ends it, with what is known."""
    decoder, at = json.JSONDecoder(), 0
    text = text.strip()
    while at < len(text):
        try:
            data, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        with contextlib.suppress(SnapshotError):
            yield records.parse_record(json.dumps(data))
        at += len(text[at:]) - len(text[at:].lstrip())


def _backup(host: Mapping[str, str], now: float) -> Kept | None:
    if not host["backup plan"].strip():
        return None
    try:
        plan = backup_plan.parse(host["backup plan"])
    except BackupError as error:
        return Kept("backup", UNKNOWN, "-", plain(str(error), WIDTH), (plain(str(error), WIDTH),))
    state = backup_state.parse(host["backup"].strip() or None)
    declared = host["backup declared"].strip()
    since = float(declared) if declared.isdigit() else now
    problems = [words for _, words in backup_state.problems(state, plan, since, now)]
    good = state.good.t if state.good else None
    tested = state.tested.t if state.tested and state.tested.ok else None
    words = [f"good {_ago(good, now)}", f"restore tested {_ago(tested, now)}", *problems]
    return Kept(
        "backup", BAD if problems else WELL, "daily", plain("; ".join(words), WIDTH),
        _all(problems), {"good": good, "tested": tested},
    )  # fmt: skip


def _update(text: str, now: float) -> Kept | None:
    """Return an update that has not ended; it holds up every other one."""
    if not text.strip():
        return None
    try:
        entry = journal.parse(text)
    except journal.JournalError as error:
        said = plain(str(error), WIDTH)
        return Kept("update", BAD, "-", said, (said,))
    verb = "finish" if entry.stage == journal.BY_HAND else "resume"
    said = plain(
        f"not ended, {entry.stage} for {span(now - entry.t)}, by {entry.who}: {entry.reason}; "
        f"clawkeep update {verb} ends it", WIDTH,
    )  # fmt: skip
    shown = {"stage": entry.stage, "t": entry.t, "who": plain(entry.who),
             "reason": plain(entry.reason), "snapshot": plain(entry.snapshot)}  # fmt: skip
    return Kept("update", UNKNOWN, entry.stage, said, (said,), shown)


def _audit(text: str, now: float) -> Kept | None:
    if not text.strip():
        return None
    try:
        found = audits.parse(text)
    except audits.NoteError as error:
        damage = plain(str(error), WIDTH)
        return Kept("audit", UNKNOWN, "-", damage, (damage,))
    last, schedule = found.last, found.schedule
    said = list(found.problems(now))
    problems = [words for _, _, words, _ in said]
    label, words = "by hand", "never made"
    if schedule:
        label = f"{PERIODS.get(schedule.every_s, span(schedule.every_s))} by {schedule.who}"
    if last:
        every = last.passed + last.failed + last.unknown + last.accepted
        counts = (("differ", last.failed), ("cannot be told", last.unknown),
                  ("accepted", last.accepted))  # fmt: skip
        parts = [f"{last.passed} of {every} as declared"]
        parts += [f"{count} {word}" for word, count in counts if count]
        words = f"{_ago(last.t, now)}: {', '.join(parts)}"
    late = found.due(now)
    overdue = late is not None and now > late
    shown = {
        "t": last.t if last else None,
        "last": {**asdict(last), "found": list(last.found)} if last else None,
        "schedule": asdict(schedule) if schedule else None,
        "overdue": overdue,
    }
    verdict = WELL if not said else UNKNOWN if {key for key, *_ in said} == {"blind"} else BAD
    text = plain(f"{words}; OVERDUE" if overdue else words, WIDTH)
    return Kept("audit", verdict, plain(label, 60), text, _all(problems), shown)


def _ago(t: float | None, now: float) -> str:
    return "never" if not t else f"{span(max(0.0, now - t))} ago"


def _all(problems: list[str]) -> tuple[str, ...]:
    return tuple(plain(words, WIDTH) for words in problems)


def _object(text: str) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
