"""socat's own lines, as version 1.7.4 wrote them, become one row per connection."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.traffic.rows import Row
from clawkeep.traffic.socat import MAX_OPEN, NO_END, Bridge

SAMPLES = Path(__file__).parent / "samples"
MANY = (SAMPLES / "socat-many.txt").read_text().splitlines()
NAMES = (SAMPLES / "socat-names.txt").read_text().splitlines()

P = "2026/11/21 08:00:00.000000 bridge-x[10] "
C = "2026/11/21 08:00:01.500000 bridge-x[11] "
ACCEPT = P + "N accepting connection from AF=2 192.168.64.2:4000 on AF=2 192.168.64.1:18443"
FORK = P + "N forked off child process 11"
OPEN = C + "N opening connection to AF=2 10.0.30.10:443"
LOOP = C + "N starting data transfer loop with FDs [7,7] and [6,6]"
END = C + "N exiting with status 0"


def feed(lines: list[str], bridge: Bridge | None = None) -> list[Row]:
    bridge = bridge or Bridge("x")
    rows = []
    for line in lines:
        found = bridge.feed(line)
        assert found is not None, f"not understood: {line}"
        rows += found
    return rows


def test_each_connection_of_a_real_log_is_one_row() -> None:
    accepted = sum("accepting connection" in line for line in MANY)
    rows = feed(MANY)
    assert len(rows) == accepted == 9
    assert [row.verdict for row in rows].count("denied") == 1
    assert [row.verdict for row in rows].count("failed") == 2
    assert len({row.peer for row in rows}) == accepted
    assert all(row.bytes_in is None and row.bytes_out is None for row in rows)


def test_what_the_range_refused_names_the_peer() -> None:
    (row,) = [row for row in feed(MANY) if row.verdict == "denied"]
    assert (row.peer, row.detail) == ("127.0.0.7:37347", "refused by range option")


def test_a_served_connection_has_start_target_and_duration() -> None:
    row = next(row for row in feed(MANY) if row.peer == "127.0.0.1:36520")
    # 08:02:32.348542 UTC, until its process ended at 08:02:32.553815.
    assert round(row.time, 6) == 1795248152.348542
    assert row.duration_ms == 205
    assert (row.verdict, row.target, row.detail) == ("allowed", "127.0.0.1:29100", "")


def test_an_idle_connection_and_one_without_a_server_say_so() -> None:
    details = {row.detail for row in feed(MANY) if row.verdict == "allowed"}
    assert details == {"", "idle for too long"}
    assert {row.detail for row in feed(MANY) if row.verdict == "failed"} == {
        "connect: Connection refused"
    }


def test_a_name_that_does_not_resolve_and_a_signal_are_told() -> None:
    rows = feed(NAMES)
    assert [row.detail for row in rows if row.verdict == "failed"] == [
        "getaddrinfo: Name or service not known"
    ]
    assert [row.detail for row in rows].count("ended by signal 15") == 2


def test_a_childs_first_lines_may_come_before_its_parents() -> None:
    in_order = feed([ACCEPT, FORK, OPEN, LOOP, END])
    assert feed([ACCEPT, OPEN, FORK, LOOP, END]) == in_order
    assert feed([ACCEPT, OPEN, LOOP, END, FORK]) == in_order
    assert in_order[0].duration_ms == 1500


def test_a_connection_that_got_no_process_failed() -> None:
    rows = feed([ACCEPT, P + "E fork(): Resource temporarily unavailable", ACCEPT, ACCEPT])
    assert [(row.verdict, row.detail) for row in rows] == [
        ("failed", "fork: Resource temporarily unavailable"),
        ("failed", "accept: nothing followed"),
    ]


def test_connections_outlive_their_listener() -> None:
    bridge = Bridge("x")
    other = "2026/11/21 08:00:05.000000 bridge-x[20] N listening on AF=2 192.168.64.1:18443"
    assert feed([ACCEPT, FORK, OPEN, LOOP, other], bridge) == []
    assert [row.verdict for row in bridge.live()] == ["open"]
    assert [row.verdict for row in feed([END], bridge)] == ["allowed"]


def test_a_killed_connection_has_no_duration() -> None:
    bridge = Bridge("x")
    feed([ACCEPT, FORK, OPEN, LOOP], bridge)
    (row,) = bridge.finish({11, 999})
    assert (row.verdict, row.duration_ms, row.detail) == ("allowed", None, NO_END)
    assert bridge.live() == []


def test_a_process_id_given_away_again_ends_the_first_connection() -> None:
    rows = feed([ACCEPT, FORK, OPEN, LOOP, ACCEPT, FORK, OPEN, LOOP, END])
    assert [(row.duration_ms, row.detail) for row in rows] == [(None, NO_END), (1500, "")]


def test_without_microseconds_the_time_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        short = [re.sub(r"\.\d{6} ", " ", line) for line in (ACCEPT, FORK, OPEN, LOOP, END)]
        (local,) = feed(short)
        (utc,) = feed([ACCEPT, FORK, OPEN, LOOP, END])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert utc.time - local.time == 3600
    assert local.duration_ms == 1000


@pytest.mark.parametrize(
    "line",
    [
        "",
        "whatever",
        "2026/13/45 08:00:00 bridge-x[1] N listening on AF=2 1.2.3.4:1",
        "9999/01/01 08:00:00.000000 bridge-x[1] N listening on AF=2 1.2.3.4:1",
        "2026/11/21 08:00:00 bridge-x[99999999999999999999] N exit(0)",
        "2026/11/21 08:00:00 bridge-x[1] N listening on \x1b[2J\n",
    ],
)
def test_what_is_no_line_of_socat_is_none(line: str) -> None:
    assert Bridge("x").feed(line) is None


def test_escape_sequences_do_not_get_into_a_row() -> None:
    rows = feed([ACCEPT.replace("192.168.64.2:4000", "\x1b[2J\u202e"), FORK, END])
    assert rows[0].peer == "\\x1b[2J\\x202e"


def test_more_connections_than_can_be_followed_still_become_rows() -> None:
    bridge = Bridge("x")
    rows = []
    for number in range(MAX_OPEN + 5):
        rows += feed([ACCEPT, P + f"N forked off child process {number + 100}"], bridge)
    assert len(rows) == 5
    assert len(bridge.open) == MAX_OPEN


@given(st.lists(st.integers(0, len(MANY)), max_size=6))
def test_the_state_may_be_put_away_after_any_line(stops: list[int]) -> None:
    bridge = Bridge("x")
    rows = []
    for number, line in enumerate(MANY):
        if number in stops:
            bridge = Bridge("x", bridge.state())
        rows += bridge.feed(line) or []
    assert rows == feed(MANY)


@given(st.lists(st.sampled_from([*MANY, *NAMES]), max_size=60))
def test_no_order_of_lines_breaks_it_or_makes_more_rows_than_connections(lines: list[str]) -> None:
    bridge = Bridge("x")
    rows = feed(lines, bridge) + bridge.finish()
    begun = sum("accepting connection" in line or "forked off" in line for line in lines)
    refused = sum("refusing connection" in line for line in lines)
    assert len(rows) <= begun + refused


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    bridge = Bridge("x")
    for line in (text, P + "N " + text, C + "E " + text, ACCEPT, FORK, C + "N " + text, END):
        bridge.feed(line)
    assert all(row.detail.isascii() and row.detail.isprintable() for row in bridge.finish())
