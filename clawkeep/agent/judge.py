"""From what was seen in the guest to what it means. Pure.

Nothing here trusts a banner, an exit status or `status: success`: all three were seen in states in
which nothing worked (reference/nanoclaw.md §7). The guest may say anything, so every value is
checked before it is used, and what is missing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clawkeep.agent import judge_work
from clawkeep.agent.facts import Facts, moment, number, objects, text
from clawkeep.agent.report import ILL, UNKNOWN, WELL, Row, span, unknown
from clawkeep.nanoclaw.channel import Channel

SETTLED_S = 60
"""A process younger than this may be in a crash loop: launchd starts it again after 30 s."""

CONNECT_S = 120
"""How long a channel, and with it the banner, may take."""

LOST_S = 900
"""After that long without a word, nobody knows whether a lost channel came back."""


@dataclass(frozen=True)
class Declared:
    """What the keep says about its agent, as far as it is held against what is seen.

    `source` are the values of a release's record by their names there, `skills` likewise, in
    order. `quiet` is the LOG_LEVEL that keeps NanoClaw from saying that it and its channels are
    up, "" for all others.
    """

    label: str
    channels: Sequence[Channel]
    local: bool
    source: Mapping[str, str]
    skills: Sequence[Mapping[str, str]] = ()
    quiet: str = ""


def rows(facts: Facts, declared: Declared) -> Iterator[Row]:
    """Yield the rows of the report."""
    process = _process_facts(facts)
    yield _release(facts, declared)
    yield _job(facts)
    yield _process(facts, process)
    yield _instance(facts)
    yield _banner(facts, process, declared)
    yield _loop(facts)
    if declared.local:
        yield _local(facts, process)
    for channel in declared.channels:
        yield _channel(facts, process, channel, declared.quiet)
    yield from judge_work.rows(facts)


def _release(facts: Facts, declared: Declared) -> Row:
    found = facts.part("release")
    if found is None or not text(found, "id"):
        return unknown("release", facts.raw("release"))
    wrong = [
        f"{name} is {text(found, name) or 'not noted'} instead of {value}"
        for name, value in declared.source.items()
        if text(found, name) != value
    ]
    skills = objects(found.get("skills"))
    same = len(skills) == len(declared.skills) and all(
        text(there, name) == value
        for there, wanted in zip(skills, declared.skills, strict=True)
        for name, value in wanted.items()
    )
    if not same:
        wrong.append(f"{len(skills)} skills, others than the {len(declared.skills)} declared")
    if wrong:
        return Row("release", ILL, text(found, "id"), f"{'; '.join(wrong)}; clawkeep apply agent")
    return Row("release", WELL, text(found, "id"), "as declared")


def _job(facts: Facts) -> Row:
    job = facts.part("job")
    if job is None or "loaded" not in job:
        return unknown("job", facts.raw("job"))
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
        return unknown("process", facts.part("hosts"))
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
        return unknown("instance", facts.part("hosts"))
    hosts = objects(facts.raw("hosts"))
    if len(hosts) == 1:
        return Row("instance", WELL, "exactly one")
    shown = ", ".join(f"{number(each, 'pid')} {text(each, 'program')}" for each in hosts)
    return Row("instance", ILL, f"{len(hosts)} instead of one", shown)


def _banner(facts: Facts, process: Mapping[str, Any] | None, declared: Declared) -> Row:
    """Judge whether this very process said that it is up; that alone proves nothing."""
    turns = (facts.part("loop") or {}).get("ok") is True
    if declared.quiet and turns:
        return Row("banner", WELL, "not said", f"at LOG_LEVEL {declared.quiet}; the loop turns")
    if process is None:
        return Row("banner", ILL, "not said", "NanoClaw does not run")
    if unheard := _unheard(facts, "banner"):
        return unheard
    when = moment(_signs(facts, process), "banner")
    if when is None or when < _begun(facts, process):
        return _unsaid(facts, process, Row("banner", ILL, "not said"), declared.quiet)
    return Row("banner", WELL, "said", "since the start", max(0.0, facts.now - when))


def _unheard(facts: Facts, name: str) -> Row | None:
    """Return the row of what the log would show, when the log itself was not learned."""
    log = facts.part("log")
    return unknown(name, facts.raw("log")) if log is None or "signs" not in log else None


def _unsaid(facts: Facts, process: Mapping[str, Any], row: Row, quiet: str) -> Row:
    """Return `row`, of what this process has not said, with what that means."""
    age = number(process, "age_s") or 0
    if quiet:
        return replace(row, verdict=UNKNOWN, evidence=f"it is not said at LOG_LEVEL {quiet}")
    if _signs(facts, process) is None:
        # Not even another word of it: the log job may have missed the beginning.
        return replace(row, verdict=UNKNOWN, evidence=f"no line since the start {span(age)} ago")
    verdict = ILL if age > CONNECT_S else UNKNOWN
    return replace(row, verdict=verdict, evidence=f"no word of it since the start {span(age)} ago")


def _begun(facts: Facts, process: Mapping[str, Any]) -> float:
    return facts.now - (number(process, "age_s") or 0) - 2


def _signs(facts: Facts, process: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the log noted of this very process; None when it has not a line of it."""
    signs = (facts.part("log") or {}).get("signs")
    own = signs.get(str(number(process, "pid"))) if isinstance(signs, dict) else None
    seen = isinstance(own, dict) and (moment(own, "last") or 0.0) >= _begun(facts, process)
    return own if seen else None


def _loop(facts: Facts) -> Row:
    loop, raw = facts.part("loop"), facts.raw("loop")
    if facts.raw("hosts") == []:
        return Row("loop", ILL, "stands still", "NanoClaw does not run")
    if loop is None or not isinstance(loop.get("ok"), bool):
        return unknown("loop", raw)
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


def _channel(facts: Facts, process: Mapping[str, Any] | None, channel: Channel, quiet: str) -> Row:
    """Judge by the lines of this very process; those of an earlier one mean nothing."""
    name = f"channel {channel.name}"
    if not channel.connected:
        return Row(name, UNKNOWN, "not seen", "its connecting leaves no line in the log")
    if process is None:
        return Row(name, ILL, "not connected", "NanoClaw does not run")
    if unheard := _unheard(facts, name):
        return unheard
    channels = (_signs(facts, process) or {}).get("channels")
    sign = channels.get(channel.name) if isinstance(channels, dict) else None
    when = moment(sign, "t")
    if when is None or when < _begun(facts, process):
        return _unsaid(facts, process, Row(name, ILL, "not connected"), quiet)
    ago, said = max(0.0, facts.now - when), f'"{text(sign, "text")}"'
    if text(sign, "state") != "up":
        return Row(name, ILL if ago <= LOST_S else UNKNOWN, "lost", said, ago)
    return _held(Row(name, WELL, "connected", said, ago), process, channel)


def _held(row: Row, process: Mapping[str, Any], channel: Channel) -> Row:
    """Return `row`, of a channel that said that it is connected, after a look at its sockets."""
    held = number(process, "connections")
    if not channel.holds or held:
        return row
    if held is None:
        why = "whether it still holds a connection is not known"
        return replace(row, verdict=UNKNOWN, evidence=f"{row.evidence}; {why}")
    return replace(row, verdict=ILL, value="lost", evidence=f"{row.evidence}, but no connection")
