"""From what was seen of the agent's work to what it means: answers, queues, runs, logs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from clawkeep.agent.facts import Facts, items, moment, number, objects, text, words
from clawkeep.agent.report import ILL, UNKNOWN, WELL, Row, unknown
from clawkeep.contract.verdict import judge as judge_text

WAITING_S = 10
"""Files of agents are looked for each second. Source: reference/nanoclaw.md §1.7."""

UNANSWERED_S = 300
ERRORS_S = 86_400
SILENT_S = 90
"""The log job notes that it lives every 30 s."""


def rows(facts: Facts) -> Iterator[Row]:
    """Yield the rows about what NanoClaw and its agents do."""
    yield _credential(facts)
    yield _database(facts)
    yield _queue(facts)
    yield _errors(facts)
    yield _runtime(facts)
    yield _runs(facts)
    yield _orphans(facts)
    yield _logs(facts)


def _credential(facts: Facts) -> Row:
    """Judge the newest result of any agent: only the model itself can accept a credential."""
    found = facts.part("results")
    if found is None or "last" not in found:
        return unknown("credential", facts.raw("results"))
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


def _database(facts: Facts) -> Row:
    """Judge by opening it: that npm installed its addon proves nothing."""
    found = facts.raw("database")
    why = text(found, "error")
    if why.startswith(("OperationalError", "DatabaseError")) and "locked" not in why:
        return Row("database", ILL, "does not open", why)
    if facts.part("database") is None or number(found, "messages") is None:
        return unknown("database", found)
    shown, check = f"{number(found, 'messages')} messages", text(found, "check")
    if check == "ok":
        return Row("database", WELL, "opens, is sound", shown)
    if check == "too large":
        return Row("database", WELL, "opens", f"{shown}, too many to look at each")
    return Row("database", ILL, "damaged", check)


def _queue(facts: Facts) -> Row:
    files, queue = facts.part("ipc"), facts.part("queue")
    if files is None or number(files, "waiting") is None:
        return unknown("queue", facts.raw("ipc"))
    waiting, oldest = number(files, "waiting") or 0, number(files, "oldest_s") or 0
    if waiting and oldest > WAITING_S:
        return Row("queue", ILL, f"{waiting} files wait", "of agents, for NanoClaw", oldest)
    if queue is None or number(queue, "waiting") is None:
        return unknown("queue", facts.raw("queue"))
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
        return unknown("ipc errors", facts.raw("ipc"))
    count, newest = number(files, "errors") or 0, number(files, "newest_error_s")
    if not count or newest is None:
        return Row("ipc errors", WELL, "none")
    recent = newest <= ERRORS_S
    evidence = "data/ipc/errors: what NanoClaw could not read"
    return Row("ipc errors", ILL if recent else WELL, f"{count} files", evidence, newest)


def _runtime(facts: Facts) -> Row:
    found = facts.raw("runs")
    if facts.part("runs") is not None and number(found, "count") is not None:
        return Row("runtime", WELL, "answers")
    # NanoClaw itself does not start without its runtime.
    why = text(found, "error")
    return Row("runtime", ILL, "fails", why) if why else unknown("runtime", None)


def _runs(facts: Facts) -> Row:
    runs = facts.part("runs")
    if runs is None or number(runs, "count") is None:
        return Row("agents", UNKNOWN, "not seen", "the runtime did not say")
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
        return unknown("orphans", facts.part("strays"))
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
        return unknown("logs", facts.raw("log"))
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
