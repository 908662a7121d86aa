"""What a queue of alerts promises: said once, again when due, in order, bounded, and when over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.alerts import Event, Message, Queue, Route, Silence, outbox
from clawkeep.alerts.database import DamagedError, connect, put_aside
from clawkeep.alerts.queue import opened

T = 1_800_000_000.0
PER_HOUR = 3600.0
LEAK = Event("leak", "critical", "the guest got out", "tcp 1.1.1.1:443")
WARNED = Event("door", "warning", "a door is deaf")
NEWS = Event("news", "info", "a grant has ended")


@pytest.fixture
def queue() -> Iterator[Queue]:
    with opened(None, [Route("discord", repeat_s=3600), Route("all", "info", recovery=False)]) as q:
        yield q


def drain(queue: Queue, hook: str, now: float = T) -> list[Message]:
    """Take all that waits for a hook, past its rate."""
    found: list[Message] = []
    while True:
        queue.db.execute("UPDATE hooks SET tokens = NULL")
        message = queue.next(hook, now, PER_HOUR)
        if message is None:
            return found
        queue.sent(message, now, PER_HOUR)
        found.append(message)


def kinds(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.kind, message.key) for message in messages]


def test_what_stands_is_told_once_and_again_when_it_is_due(queue: Queue) -> None:
    assert queue.raise_(LEAK, T)
    assert not any(queue.raise_(LEAK, T + second) for second in range(1, 3600, 60))
    assert kinds(drain(queue, "discord")) == [("raise", "leak")]
    assert queue.raise_(LEAK, T + 3600)
    (again,) = drain(queue, "discord", T + 3600)
    assert (again.kind, again.since) == ("repeat", T)


def test_it_is_told_that_it_is_over_to_those_who_knew_and_want_it(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    drain(queue, "discord")
    drain(queue, "all")
    assert queue.clear("leak", T + 60)
    assert not queue.clear("leak", T + 61)
    assert kinds(drain(queue, "discord", T + 60)) == [("recovery", "leak")]
    assert drain(queue, "all", T + 60) == []
    queue.raise_(LEAK, T + 120)
    assert kinds(drain(queue, "discord", T + 120)) == [("raise", "leak")]


def test_a_hook_hears_nothing_below_its_severity_nor_its_end(queue: Queue) -> None:
    queue.raise_(NEWS, T)
    queue.clear("news", T + 1)
    assert drain(queue, "discord") == []
    assert kinds(drain(queue, "all")) == [("raise", "news")]


def test_what_gets_worse_is_told_at_once_and_stays_so(queue: Queue) -> None:
    queue.raise_(Event("x", "warning", "bad"), T)
    queue.raise_(Event("x", "critical", "worse"), T + 1)
    assert not queue.raise_(Event("x", "warning", "bad"), T + 2)
    assert [m.severity for m in drain(queue, "discord")] == ["warning", "critical"]
    queue.clear("x", T + 3)
    assert [m.severity for m in drain(queue, "discord", T + 3)] == ["critical"]


def test_what_happened_once_is_told_once_however_often_it_is_read(queue: Queue) -> None:
    event = Event("expired:1f", "critical", "a grant has ended", once=True)
    assert queue.raise_(event, T)
    assert not queue.raise_(event, T + 86400)
    assert kinds(drain(queue, "discord")) == [("raise", "expired:1f")]
    assert queue.alerts(active=True) == []


def test_the_worst_goes_first_and_one_alert_keeps_its_order(queue: Queue) -> None:
    queue.raise_(WARNED, T)
    queue.raise_(LEAK, T + 1)
    queue.clear("leak", T + 2)
    assert kinds(drain(queue, "discord", T + 2)) == [
        ("raise", "leak"), ("recovery", "leak"), ("raise", "door"),
    ]  # fmt: skip


def test_of_an_alert_that_flaps_while_a_hook_is_away_two_messages_wait(queue: Queue) -> None:
    for second in range(0, 200, 2):
        queue.raise_(LEAK, T + second)
        queue.clear("leak", T + second + 1)
    assert kinds(drain(queue, "discord", T + 200)) == [("raise", "leak"), ("recovery", "leak")]


def test_a_full_queue_drops_the_oldest_of_the_least_severe_and_counts(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST", 3)
    for number in range(3):
        queue.raise_(Event(f"door{number}", "warning", "deaf"), T + number)
    queue.raise_(LEAK, T + 3)
    queue.raise_(Event("late", "warning", "deaf"), T + 4)
    found = drain(queue, "discord", T + 5)
    assert [m.key for m in found] == ["leak", "door2", "late"]
    assert found[0].dropped == 2
    # Said once, with the first that got through.
    assert [m.dropped for m in found[1:]] == [0, 0]


def test_what_is_worse_is_never_dropped_for_what_is_less(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST", 2)
    for number in range(2):
        queue.raise_(Event(f"leak{number}", "critical", "out"), T)
    queue.raise_(WARNED, T)
    assert [m.key for m in drain(queue, "discord")] == ["leak0", "leak1"]


def test_a_hook_takes_five_at_once_and_then_as_many_an_hour_as_it_says(queue: Queue) -> None:
    for number in range(8):
        queue.raise_(Event(f"door{number}", "warning", "deaf"), T)

    def take(now: float) -> int:
        number = 0
        while (message := queue.next("discord", now, 60)) is not None:
            queue.sent(message, now, 60)
            number += 1
        return number

    assert [take(T), take(T + 59), take(T + 61), take(T + 1000)] == [5, 0, 1, 2]


def test_a_hook_that_fails_is_left_alone_for_longer_and_longer(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    now = T
    waits = []
    for _ in range(14):
        queue.failed("discord", "no answer", now)
        begin = now
        while queue.next("discord", now, PER_HOUR) is None:
            now += 1
        waits.append(now - begin)
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits) == waits[-1] == 3600
    (message,) = drain(queue, "discord", now)
    assert queue.hook("discord")["failures"] == 0
    assert message.key == "leak"


def test_what_a_hook_asks_for_counts_and_an_hour_at_most(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    queue.failed("discord", "429", T, 7.5)
    assert queue.next("discord", T + 7, PER_HOUR) is None
    assert queue.next("discord", T + 8, PER_HOUR)
    queue.failed("discord", "429", T, 1e9)
    assert queue.next("discord", T + 3599, PER_HOUR) is None
    assert queue.next("discord", T + 3600, PER_HOUR)


@pytest.mark.parametrize("ahead", [86400.0, 1e9])
def test_a_clock_that_was_ahead_silences_nobody(queue: Queue, ahead: float) -> None:
    queue.raise_(LEAK, T + ahead)
    queue.failed("discord", "no answer", T + ahead)
    # It is set right again.
    assert kinds(drain(queue, "discord", T)) == [("raise", "leak")]
    queue.db.execute("UPDATE hooks SET filled = ?, tokens = 1", (T + ahead,))
    assert queue.raise_(LEAK, T)
    assert kinds(drain(queue, "discord", T)) == [("repeat", "leak")]


def test_a_clock_that_jumps_ahead_repeats_once_and_doubles_nothing(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    drain(queue, "discord")
    assert [queue.raise_(LEAK, T + 1e8 + n) for n in range(3)] == [True, False, False]


def test_a_message_that_a_hook_refuses_goes_and_the_next_one_comes(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    queue.raise_(WARNED, T)
    message = queue.next("discord", T, PER_HOUR)
    assert message
    queue.refused(message, "400")
    assert kinds(drain(queue, "discord")) == [("raise", "door")]
    assert queue.hook("discord")["refused"] == 1


def test_a_silence_is_kept_and_what_still_stands_is_told_after_it(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    queue.silence(Silence("leak", T + 60, "me", "I know"))
    assert drain(queue, "discord") == []
    assert not queue.raise_(LEAK, T + 59)
    assert queue.raise_(WARNED, T + 59)
    assert queue.raise_(LEAK, T + 61)
    assert kinds(drain(queue, "discord", T + 61)) == [("raise", "leak"), ("raise", "door")]
    queue.silence(Silence("*", T + 100, "me", ""))
    assert not queue.raise_(Event("other", "critical", "x"), T + 62)
    assert [s.key for s in queue.silences(T + 62)] == ["*"]
    assert queue.unsilence("*")
    assert not queue.unsilence("*")
    assert queue.raise_(Event("other", "critical", "x"), T + 62)


def test_that_a_hook_fails_is_not_told_to_that_hook(queue: Queue) -> None:
    queue.raise_(Event("hook:discord", "warning", "discord takes nothing"), T)
    assert drain(queue, "discord") == []
    assert kinds(drain(queue, "all")) == [("raise", "hook:discord")]


def test_a_hook_that_is_declared_later_hears_what_stands(queue: Queue) -> None:
    queue.raise_(LEAK, T)
    drain(queue, "discord")
    queue.routes = (*queue.routes, Route("new"))
    assert queue.raise_(LEAK, T + 1)
    assert kinds(drain(queue, "new", T + 1)) == [("raise", "leak")]
    assert drain(queue, "discord", T + 1) == []


def test_all_of_it_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "var" / "alerts.db"
    with opened(path, [Route("a")]) as first:
        first.raise_(LEAK, T)
    with opened(path, [Route("a")]) as second:
        assert not second.raise_(LEAK, T + 1)
        assert kinds(drain(second, "a")) == [("raise", "leak")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_queue_is_said_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    path.write_bytes(b"garbage " * 1000)
    with pytest.raises(DamagedError, match=r"alerts\.db"):
        connect(path)
    assert put_aside(path).read_bytes() == b"garbage " * 1000
    connect(path).close()


def test_a_queue_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    connect(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DamagedError, match="version 99"):
        connect(path)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "worse", "clear", "send", "fail"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 5000),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_a_hook_learns_how_each_alert_stands_in_the_end(
    steps: list[tuple[str, str, int]],
) -> None:
    """The last word that a hook has of an alert is how it is; never two ends without a begin."""
    now, heard = T, []
    with opened(None, [Route("h", repeat_s=600)]) as queue:
        for step, key, seconds in steps:
            now += seconds
            if step in {"raise", "worse"}:
                severity = "critical" if step == "worse" else "warning"
                queue.raise_(Event(key, severity, "text"), now)
            elif step == "clear":
                queue.clear(key, now)
            elif step == "fail":
                queue.failed("h", "no answer", now)
            elif (message := queue.next("h", now, PER_HOUR)) is not None:
                queue.sent(message, now, PER_HOUR)
                heard.append(message)
        heard += drain(queue, "h", now + 1e6)
        standing = {alert.key for alert in queue.alerts(active=True)}
    for key in "abc":
        told = [message.kind for message in heard if message.key == key]
        if told:
            assert (told[-1] != "recovery") == (key in standing)
            assert told[0] == "raise"
        else:
            assert key not in standing
    assert len({message.token for message in heard}) == len(heard)
