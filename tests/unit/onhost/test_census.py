"""What lsof and socat's log say of a bridge; root must not trust who writes the log."""

from __future__ import annotations

import calendar
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost import census
from clawkeep.onhost.census import Socket

LSOF = """p812
f6
n192.168.64.1:18443
TST=LISTEN
TQR=0
TQS=0
p900
f6
n10.0.10.2:50000->10.0.30.10:443
TST=ESTABLISHED
f7
n192.168.64.1:18443->192.168.64.2:40012
TST=ESTABLISHED
TQR=0
"""
LOG = """2026/11/21 07:42:57 bridge-v[700] N accepting connection from AF=2 192.168.64.2:1 on AF=2 \
192.168.64.1:18443
2026/11/21 07:43:57 bridge-v[812] N listening on AF=2 192.168.64.1:18443
2026/11/21 07:44:00 bridge-v[812] N accepting connection from AF=2 192.168.64.2:40012 on AF=2 \
192.168.64.1:18443
2026/11/21 07:44:00 bridge-v[812] N forked off child process 900
2026/11/21 07:44:01 bridge-v[900] E connect(5, AF=2 10.0.30.10:443, 16): Connection refused
2026/11/21 07:45:00 bridge-v[812] N accepting connection from AF=2 192.168.64.2:40013 on AF=2 \
192.168.64.1:18443
2026/11/21 07:46:00 bridge-v[812] W exiting on signal 15
""".splitlines()


def test_lsof_tells_listeners_and_connections() -> None:
    assert list(census.sockets(LSOF)) == [
        Socket(812, "192.168.64.1:18443", "", "LISTEN"),
        Socket(900, "10.0.10.2:50000", "10.0.30.10:443", "ESTABLISHED"),
        Socket(900, "192.168.64.1:18443", "192.168.64.2:40012", "ESTABLISHED"),
    ]


def test_a_log_tells_what_the_listener_of_today_has_accepted() -> None:
    log = census.read_log(LOG, 812)
    assert log.accepted == 2
    assert log.since == {
        "192.168.64.2:40012": calendar.timegm((2026, 11, 21, 7, 44, 0)),
        "192.168.64.2:40013": calendar.timegm((2026, 11, 21, 7, 45, 0)),
    }
    assert log.error == (
        "2026/11/21 07:44:01 connect(5, AF=2 10.0.30.10:443, 16): Connection refused"
    )


@given(st.lists(st.text(max_size=60)), st.integers(0, 99) | st.none())
def test_no_log_hurts_the_reader(lines: list[str], listener: int | None) -> None:
    assert census.read_log(lines, listener).error.isprintable()
    assert census.last_words(lines).isprintable()


@given(st.text())
def test_no_lsof_hurts_the_reader(text: str) -> None:
    for found in census.sockets(text):
        assert found.local


def test_a_hostile_error_does_not_reach_the_terminal() -> None:
    line = "2026/11/21 07:44:01 bridge-v[900] E \x1b[2J\x07all is well"
    assert census.read_log([line], None).error == "2026/11/21 07:44:01 ?[2J?all is well"


def test_the_end_of_a_long_log_is_read_and_said_to_be_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "TAIL", 10)
    log = tmp_path / "log"
    log.write_text("first line\nsecond\nthird\n")
    assert census.tail(log) == (["third"], False)
    log.write_text("short\n")
    assert census.tail(log) == (["short"], True)


def test_neither_a_link_nor_a_pipe_is_read(tmp_path: Path) -> None:
    secret, link, pipe = tmp_path / "secret", tmp_path / "link", tmp_path / "pipe"
    secret.write_text("root's\n")
    link.symlink_to(secret)
    os.mkfifo(pipe)
    assert census.tail(secret) == (["root's"], True)
    assert census.tail(link) == ([], True)
    assert census.tail(pipe) == ([], True)
