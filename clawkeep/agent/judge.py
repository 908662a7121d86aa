"""From what was seen in the guest to what it means. Pure.

Nothing here trusts a banner, an exit status or `status: success`: all three were seen in states in
which nothing worked (reference/nanoclaw.md §7). The guest may say anything, so every value is
checked before it is used, and what is missing is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clawkeep.agent.facts import Facts, items, moment, number, objects, text, words
from clawkeep.agent.report import Row, span
from clawkeep.contract.verdict import judge as judge_text
from clawkeep.nanoclaw.profile import Channel
from clawkeep.status.report import Verdict

WELL, ILL, UNKNOWN = Verdict.WELL, Verdict.BAD, Verdict.UNKNOWN

SETTLED_S = 60
"""A process younger than this may be in a crash loop: launchd starts it again after 30 s."""

CONNECT_S = 120
"""How long a channel may take to connect."""

LOST_S = 900
"""After that long without a word, nobody knows whether a lost channel came back."""

WAITING_S = 10
"""Files of agents are looked for each second. Source: reference/nanoclaw.md §1.7."""

UNANSWERED_S = 300
ERRORS_S = 86_400
SILENT_S = 90
"""The log job notes that it lives every 30 s."""


@dataclass(frozen=True)
class Declared:
    """What the keep says about its agent, as far as it is held against what is seen."""

    label: str
    channels: Sequence[Channel]
    local: bool


def rows(facts: Facts, declared: Declared) -> Iterator[Row]:
    """Yield the rows of the report."""
    yield _job(facts)
    process = _process_facts(facts)
    yield _process(facts, process)
    yield _instance(facts)
    yield _loop(facts)
    if declared.local:
        yield _local(facts, process)
    for channel in declared.channels:
        yield _channel(facts, process, channel)
    yield _credential(facts)
    yield _queue(facts)
    yield _errors(facts)
    yield _runs(facts)
    yield _orphans(facts)
    yield _logs(facts)


def _unknown(name: str, part: Mapping[str, Any] | None) -> Row:
    why = text(part, "error") if part else ""
    return Row(name, UNKNOWN, "not seen", why or "no answer to that")


def _job(facts: Facts) -> Row:
    job = facts.part("job")
    if job is None or "loaded" not in job:
        return _unknown("job", facts.raw("job"))
    label = text(job, "label")
    if job["loaded"] is not True:
        return Row("job", ILL, "not loaded", f"{label}; clawkeep apply agent loads it")
    exit_code = text(job, "last_exit_code")
    last = f"last exit code {exit_code}" if exit_code else "never ended"
    if not text(job, "pid").isdigit():
        state = text(job, "state") or "not running"
        return Row("job", ILL, state, f"{label}, {last}; clawkeep logs agent says why")
    return Row("job", WELL, f"running, pid {text(job, 'pid')}", f"{label}, {last}")


def _process_facts(facts: Facts) -> Mapping[str, Any] | None:
    """Return the host process that launchd runs, or the only one that there is."""
    hosts = objects(facts.raw("hosts"))
    pid = text(facts.part("job") or {}, "pid")
    for process in hosts:
        if str(number(process, "pid")) == pid:
            return process
    return hosts[0] if len(hosts) == 1 else None


def _process(facts: Facts, process: Mapping[str, Any] | None) -> Row:
    if not isinstance(facts.raw("hosts"), list):
        return _unknown("process", facts.part("hosts"))
    if process is None:
        return Row("process", ILL, "none", "no process runs …/dist/index.js under launchd")
    pid, age = number(process, "pid"), number(process, "age_s") or 0
    release = facts.part("release") or {}
    wanted = text(release, "path") or text(release, "current")
    program, folder = text(process, "program"), text(process, "cwd")
    mine = text(facts.part("job") or {}, "pid") == str(pid)
    findings = (
        (UNKNOWN, not wanted, "which release is activated is not known"),
        (ILL, program != f"{wanted}/dist/index.js", f"runs {program}, but {wanted} is activated"),
        (UNKNOWN, not folder, "its working folder could not be learned"),
        (ILL, folder != wanted, f"is in {folder} instead of {wanted}"),
        (ILL, not mine, "it is not launchd's: nobody would start it again"),
        (UNKNOWN, age < SETTLED_S, f"started just now; certain after {SETTLED_S} s"),
        (WELL, True, wanted),
    )
    verdict, _, why = next(finding for finding in findings if finding[1])
    return Row("process", verdict, f"pid {pid}, up {span(age)}", why)


def _instance(facts: Facts) -> Row:
    if not isinstance(facts.raw("hosts"), list):
        return _unknown("instance", facts.part("hosts"))
    hosts = objects(facts.raw("hosts"))
    if len(hosts) == 1:
        return Row("instance", WELL, "exactly one")
    shown = ", ".join(f"{number(each, 'pid')} {text(each, 'program')}" for each in hosts)
    return Row("instance", ILL, f"{len(hosts)} instead of one", shown)


def _loop(facts: Facts) -> Row:
    loop = facts.part("loop")
    if loop is None or not isinstance(loop.get("ok"), bool):
        return _unknown("loop", facts.raw("loop") if isinstance(facts.raw("loop"), dict) else None)
    if loop["ok"]:
        return Row("loop", WELL, "turns", f"took a message up in {number(loop, 'ms')} ms", 0)
    waited = number(loop, "waited_s")
    return Row("loop", ILL, "stands still", f"did not take a message up in {waited} s", 0)


def _local(facts: Facts, process: Mapping[str, Any] | None) -> Row:
    answer = facts.part("channel")
    if answer is None or number(answer, "ms") is None:
        why = text(facts.raw("channel") or {}, "error")
        return Row("channel local", ILL, "no answer", why or "state/local.sock did not answer")
    if process is None or number(answer, "pid") != number(process, "pid"):
        return Row("channel local", ILL, "another's", f"pid {number(answer, 'pid')} answered")
    return Row("channel local", WELL, "connected", f"answered in {number(answer, 'ms')} ms", 0)


def _channel(facts: Facts, process: Mapping[str, Any] | None, channel: Channel) -> Row:
    """Judge by the lines of this very process; those of an earlier one mean nothing."""
    name, log = f"channel {channel.name}", facts.part("log")
    if not channel.connected:
        return Row(name, UNKNOWN, "not seen", "its connecting leaves no line in the log")
    if log is None or "signs" not in log:
        return _unknown(name, facts.raw("log") if isinstance(facts.raw("log"), dict) else None)
    if process is None:
        return Row(name, ILL, "not connected", "NanoClaw does not run")
    signs = log["signs"] if isinstance(log["signs"], dict) else {}
    own = signs.get(str(number(process, "pid")))
    channels = own.get("channels") if isinstance(own, dict) else None
    sign = channels.get(channel.name) if isinstance(channels, dict) else None
    age = number(process, "age_s") or 0
    begun = facts.now - age - 2
    when = moment(sign, "t") if isinstance(sign, dict) else None
    if not isinstance(sign, dict) or when is None or when < begun:
        known = ILL if age > CONNECT_S else UNKNOWN
        return Row(name, known, "not connected", f"no word of it since the start {span(age)} ago")
    ago, said = facts.now - when, f'"{text(sign, "text")}"'
    if text(sign, "state") == "up":
        return Row(name, WELL, "connected", said, ago)
    return Row(name, ILL if ago <= LOST_S else UNKNOWN, "lost", said, ago)


def _credential(facts: Facts) -> Row:
    """Judge the newest result of any agent: only the model itself can accept a credential."""
    found = facts.part("results")
    if found is None or "last" not in found:
        return _unknown("credential", facts.raw("results"))
    changed = moment(found, "credentials_changed")
    for result in reversed(objects(found["last"])):
        when = moment(result, "t")
        if when is None:
            continue
        if changed is not None and when < changed:
            break
        ago, size = facts.now - when, number(result, "chars") or 0
        shown = result.get("text")
        verdict = judge_text(shown if isinstance(shown, str) else "x" * 1000 if size else None)
        if verdict.ok and text(result, "status") == "success":
            return Row("credential", WELL, "accepted", f"an answer of {size} characters", ago)
        if verdict.reason in {"login", "credential", "billing"}:
            return Row("credential", ILL, f"refused ({verdict.reason})", words(shown), ago)
        # The agent failed for another reason: that says nothing about its credential.
    tried = "since the credentials changed" if changed is not None else "yet"
    hint = "clawkeep agent say hello tries it"
    return Row("credential", UNKNOWN, "not tried", f"no agent has answered {tried}; {hint}")


def _queue(facts: Facts) -> Row:
    files, queue = facts.part("ipc"), facts.part("queue")
    if files is None or number(files, "waiting") is None:
        return _unknown("queue", facts.raw("ipc"))
    waiting, oldest = number(files, "waiting") or 0, number(files, "oldest_s") or 0
    if waiting and oldest > WAITING_S:
        return Row("queue", ILL, f"{waiting} files wait", "of agents, for NanoClaw", oldest)
    if queue is None or number(queue, "waiting") is None:
        return _unknown("queue", facts.raw("queue"))
    count, first = number(queue, "waiting") or 0, _age(text(queue, "oldest"), facts.now)
    tasks = f"{number(queue, 'tasks')} tasks, {number(queue, 'due')} due"
    if count and first is not None and first > UNANSWERED_S:
        return Row("queue", ILL, f"{count} messages wait", f"for an agent; {tasks}", first)
    return Row("queue", WELL, f"{count} messages wait", tasks)


def _age(iso: str, now: float) -> float | None:
    try:
        return now - datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None


def _errors(facts: Facts) -> Row:
    files = facts.part("ipc")
    if files is None or number(files, "errors") is None:
        return _unknown("ipc errors", facts.raw("ipc"))
    count, newest = number(files, "errors") or 0, number(files, "newest_error_s")
    if not count or newest is None:
        return Row("ipc errors", WELL, "none")
    recent = newest <= ERRORS_S
    evidence = "data/ipc/errors: what NanoClaw could not read"
    return Row("ipc errors", ILL if recent else WELL, f"{count} files", evidence, newest)


def _runs(facts: Facts) -> Row:
    runs = facts.part("runs")
    if runs is None or number(runs, "count") is None:
        failed = text(facts.raw("runs") or {}, "error")
        # NanoClaw itself does not start without its runtime.
        return Row("agents", ILL if failed else UNKNOWN, "not seen", failed or "no answer to that")
    shown = "; ".join(
        f"{text(each, 'Names')} as {text(each, 'User') or '?'}, {text(each, 'Status')}"
        for each in objects(runs.get("running"))
    )
    left = [words(each) for each in items(runs.get("left")) if isinstance(each, str)]
    if left:
        return Row("agents", ILL, f"{len(left)} left over", ", ".join(left))
    return Row("agents", WELL, f"{number(runs, 'count')} running", shown)


def _orphans(facts: Facts) -> Row:
    if not isinstance(facts.raw("strays"), list):
        return _unknown("orphans", facts.part("strays"))
    strays = objects(facts.raw("strays"))
    if not strays:
        return Row("orphans", WELL, "none")
    shown = "; ".join(
        f"{number(each, 'pid')} {text(each, 'user')} {text(each, 'command')[:60]}"
        for each in strays
    )
    oldest = max((number(each, "age_s") or 0 for each in strays), default=0)
    return Row("orphans", ILL, f"{len(strays)} processes", shown, oldest)


def _logs(facts: Facts) -> Row:
    log = facts.part("log")
    if log is None or moment(log, "checked") is None:
        return _unknown("logs", facts.raw("log"))
    age = facts.now - (moment(log, "checked") or 0)
    size = (number(log, "bytes") or 0) / 1e6
    flow = [each for each in items(log.get("flow")) if _is_flow(each)]
    hour = sum(each[1] for each in flow if each[0] >= (facts.now - 3600) // 60) / 1e6
    value = f"{size:.1f} MB, +{hour:.2f} MB/h"
    if not -SILENT_S <= age <= SILENT_S:
        return Row("logs", ILL, value, "com.nanoclaw.logs does not run: nothing is rotated", age)
    if flood := moment(log, "flood"):
        return Row("logs", ILL, value, "a flood; clawkeep logs agent", facts.now - flood)
    return Row("logs", WELL, value, "collected", max(age, 0))


def _is_flow(value: object) -> bool:
    return (
        isinstance(value, Collection)
        and len(value) == 3
        and all(isinstance(each, int | float) and abs(each) < 1e15 for each in value)
    )
