"""What the journal is asked, and what it forgets."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost import traffic_digest
from clawkeep.onhost.traffic_digest import write_digests
from clawkeep.onhost.traffic_journal import JournalError, journal
from clawkeep.onhost.traffic_report import KEEP_S, digest, fair_share, prune, rows
from clawkeep.traffic.rows import Row, Source, Verdict
from clawkeep.traffic.spans import bounds, day, since
from clawkeep.traffic.table import duration, table
from tests.unit.traffic.conftest import NOW, Host, connection


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def row(moment: float, verdict: Verdict = "allowed", service: str = "ha", **more: object) -> Row:
    source: Source = "proxy" if service == "proxy" else "bridge"
    return Row(moment, source, service, "192.168.64.2:1", verdict, **more)  # type: ignore[arg-type]


def fill(host: Host, found: list[Row]) -> None:
    with host.journal() as opened, opened.writing():
        opened.add(found)


def test_rows_are_selected_and_the_newest_are_kept(host: Host) -> None:
    fill(host, [row(NOW - 7200), row(NOW - 60, "denied"), row(NOW - 50, service="vw"), row(NOW)])
    with host.journal() as opened:
        assert len(rows(opened, since=NOW - 3600)) == 3
        assert [found.verdict for found in rows(opened, since=0, denied=True)] == ["denied"]
        assert [found.time for found in rows(opened, since=0, service="vw")] == [NOW - 50]
        assert [found.time for found in rows(opened, since=0, limit=2)] == [NOW - 50, NOW]
        assert rows(opened, since=0, service="x' OR 1") == []


def test_a_day_is_the_hosts_also_when_the_clocks_change() -> None:
    lengths = [bounds(date(2026, month, number)) for month, number in ((3, 29), (10, 25), (11, 21))]
    assert [(end - begin) / 3600 for begin, end in lengths] == [23, 25, 24]
    for begin, _ in lengths:
        assert datetime.fromtimestamp(begin).strftime("%H:%M") == "00:00"


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_days_follow_each_other_without_a_gap(which: date) -> None:
    following = date.fromordinal(which.toordinal() + 1)
    assert bounds(which)[1] == bounds(following)[0]


def test_the_digest_counts_a_day(host: Host) -> None:
    begin, end = bounds(date(2026, 10, 25))
    fill(
        host,
        [
            row(begin - 1),
            row(begin),
            row(end - 1, "failed"),
            row(end),
            row(begin + 9, service="proxy", target="b.example:443", bytes_in=5, bytes_out=7),
            row(begin + 9, service="proxy", target="b.example:443", bytes_in=5),
            row(begin + 9, service="proxy", target="a.example:443"),
            row(begin + 9, "denied", service="proxy", target="evil.example:443"),
            Row(begin + 9, "pf", "deny4", "bridge100", "denied", count=12),
        ],
    )
    with host.journal() as opened:
        page = digest(opened, date(2026, 10, 25))
    assert page.headline() == (
        "2026-10-25: 6 connections, 1 failed, 1 denied; pf refused 12 packets"
    )
    assert page.targets == (("b.example:443", 2), ("a.example:443", 1))
    assert page.denied_targets == (("evil.example:443", 1),)
    assert page.text() == DIGEST


DIGEST = """\
Traffic of 2026-10-25: 6 connections, 1 failed, 1 denied; pf refused 12 packets.

service  connections  failed  denied  report  open  first     last      to guest  from guest
ha       2            1       0       0       0     00:00:00  23:59:59  -         -
proxy    4            0       1       0       0     00:00:09  00:00:09  10        7

Packets refused by pf:
        12  deny4

Most reached through the proxy:
         2  b.example:443
         1  a.example:443

Most denied by the proxy:
         1  evil.example:443
"""


def test_a_connection_that_goes_on_is_named_as_open(host: Host) -> None:
    host.log("bridge-ha.log", connection(11, end=False))
    host.processes = "11 -lpbridge-ha"
    host.collect()
    with host.journal() as opened:
        (total,) = digest(opened, date(2026, 11, 21)).totals
        assert digest(opened, date(2026, 11, 20)).text().endswith("No traffic at all.\n")
    assert (total.connections, total.open, total.first) == (0, 1, total.last)


def test_each_day_gets_its_digest_once(host: Host, tmp_path: Path) -> None:
    noon = bounds(date(2026, 10, 24))[0] + 43_200
    folder = tmp_path / "digest"
    with host.journal() as opened:
        assert write_digests(opened, noon, folder) == []
        assert write_digests(opened, noon + 3600, folder) == []
        assert len(write_digests(opened, bounds(date(2026, 10, 25))[0], folder)) == 1
        # 25 hours later it is still the same day; two days later two are missing.
        assert write_digests(opened, bounds(date(2026, 10, 25))[0] + 24.5 * 3600, folder) == []
        assert len(write_digests(opened, bounds(date(2026, 10, 27))[0] + 1, folder)) == 2
        # After a year off, a week is made up for.
        assert len(write_digests(opened, bounds(date(2027, 10, 27))[0], folder)) == 7
        # A clock that was far ahead for a moment does not silence the days until then.
        assert len(write_digests(opened, bounds(date(2038, 2, 1))[0], folder)) == 7
        assert write_digests(opened, bounds(date(2027, 10, 27))[0] + 60, folder) == []
        assert len(write_digests(opened, bounds(date(2027, 10, 28))[0], folder)) == 1
    assert [path.stem for path in sorted(folder.glob("*.txt"))][:3] == [
        "2026-10-24", "2026-10-25", "2026-10-26"
    ]  # fmt: skip
    assert (folder / "2026-10-24.txt").stat().st_mode & 0o777 == 0o600


def test_old_digests_go_by_their_number(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_digest, "KEEP_DAYS", 2)
    folder = tmp_path / "digest"
    folder.mkdir()
    for name in ("2025-01-01.txt", "2026-11-20.txt", "notes.txt"):
        (folder / name).touch()
    with host.journal() as opened:
        write_digests(opened, NOW, folder)
        write_digests(opened, NOW + 86400, folder)
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["2026-11-20.txt", "2026-11-21.txt", "notes.txt"]


def test_old_rows_go_once_an_hour(host: Host) -> None:
    fill(host, [row(NOW - KEEP_S - 1), row(NOW - KEEP_S + 3000), row(NOW)])
    with host.journal() as opened:
        assert prune(opened, NOW) == 1
        assert prune(opened, NOW + 3599) == 0
        assert prune(opened, NOW + 3601) == 1
        # A clock that was set back does not stop it.
        assert prune(opened, NOW - 100_000) == 0
        assert opened.meta("pruned") == repr(NOW - 100_000)


def test_a_clock_that_is_wrong_for_a_while_takes_little_along(host: Host) -> None:
    days = [row(NOW - KEEP_S + number * 86_400 + 60) for number in range(90)]
    fill(host, days)
    ahead = NOW + 4000 * 86_400
    with host.journal() as opened:
        assert prune(opened, NOW) == 0
        assert prune(opened, ahead) == 1
        assert prune(opened, ahead + 3601) == 1
        assert prune(opened, NOW + 60) == 0
        # And time that has really passed is made up for, a day an hour.
        assert [prune(opened, ahead + number * 3601) for number in range(100)].count(1) == 88
        assert rows(opened, since=0, service="ha") == []


def test_the_busiest_loses_its_oldest_rows_first(host: Host) -> None:
    busy = [row(NOW - number * 60) for number in range(20)]
    fill(host, [*busy, row(NOW - 5000, service="vw"), row(NOW - 6000, service="vw")])
    with host.journal() as opened:
        assert prune(opened, NOW, keep=10) == 12
        assert [found.time for found in rows(opened, since=0, service="ha")] == [
            NOW - number * 60 for number in reversed(range(8))
        ]
        assert len(rows(opened, since=0, service="vw")) == 2


@given(st.lists(st.integers(0, 1000)), st.integers(0, 3000))
def test_a_fair_share_keeps_as_much_as_it_may(counts: list[int], keep: int) -> None:
    share = fair_share(counts, keep)
    left = sum(min(count, share) for count in counts)
    assert left <= keep
    if left < sum(counts):
        assert sum(min(count, share + 1) for count in counts) > keep


def test_the_journal_is_roots_alone(host: Host) -> None:
    fill(host, [row(NOW)])
    assert host.path.stat().st_mode & 0o777 == 0o600
    assert host.path.parent.stat().st_mode & 0o777 == 0o755


def test_a_newer_journal_is_left_alone(host: Host) -> None:
    fill(host, [row(NOW)])
    with sqlite3.connect(host.path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="of version 99"), host.journal():
        pass
    assert host.path.exists()


def test_a_damaged_journal_is_put_aside_and_what_the_logs_hold_is_read_again(host: Host) -> None:
    host.log("bridge-ha.log", connection(11))
    host.collect()
    host.path.write_bytes(b"no database" * 1000)
    host.collect()
    assert len(host.rows()) == 1
    assert len(list(host.path.parent.glob("traffic.db.damaged-*"))) == 1
    assert '"kind": "damaged"' in (host.path.parent / "events.jsonl").read_text()


def test_a_change_that_fails_leaves_nothing(host: Host) -> None:
    with host.journal() as opened:
        with pytest.raises(sqlite3.IntegrityError), opened.writing():
            opened.add([row(NOW), row(NOW, "open")])
        assert rows(opened, since=0) == []
    with journal(host.path) as opened, opened.writing():
        assert opened.add([row(NOW)]) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800)]
)
def test_spans(text: str, seconds: int) -> None:
    assert since(text, NOW) == NOW - seconds


def test_a_time_without_a_zone_is_the_hosts() -> None:
    assert since("2026-11-21T09:00", NOW) == since("2026-11-21T08:00+00:00", NOW)


@pytest.mark.parametrize("text", ["", "24", "0h", "-1h", "1y", "yesterday", "9999999h", "24h "])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a span"):
        since(text, NOW)
    with pytest.raises(ValueError, match="is no day"):
        day(text)


def test_the_table_is_in_the_hosts_time() -> None:
    lines = table(
        [
            row(1795248152.3, target="10.0.30.5:8123", duration_ms=12_340, detail="idle"),
            Row(1795248152.3, "pf", "deny4", "bridge100", "denied", detail="2 packets", count=2),
            Row(1795248120.0, "bridge", "ha", "*", "allowed", detail="many", count=700),
        ]
    )
    assert [line.split() for line in lines] == [
        ["time", "service", "peer", "target", "duration", "verdict", "detail"],
        [*AT, "09:02:32", "ha", "192.168.64.2:1", "10.0.30.5:8123", "12.3", "s", "allowed", "idle"],
        [*AT, "09:02:32", "pf", "deny4", "bridge100", "-", "-", "denied", "2", "packets"],
        [*AT, "09:02:00", "ha", "*", "-", "-", "allowed", "x", "700", "many"],
    ]
    assert len({line.index(word) for line, word in zip(lines[1:], WORDS, strict=True)}) == 1


AT = ("2026-11-21",)
WORDS = ("allowed", "denied", "allowed")


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "-"), (0, "0 ms"), (1500, "1.5 s"), (302_000, "5 m 02 s"), (11_220_000, "3 h 07 m")],
)
def test_durations(ms: int | None, text: str) -> None:
    assert duration(ms) == text
