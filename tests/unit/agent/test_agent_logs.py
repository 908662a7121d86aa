"""The log as the operator reads it: from the guest's program to what is printed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.agent import logs
from clawkeep.agent.logs import Line, Note
from clawkeep.cli.logs import form, joined
from clawkeep.model import Keep
from clawkeep.transport import TransportError
from tests.unit.agent.guest_programs import FOLDER
from tests.unit.agent.test_log_collecting import configured

PROGRAM = [sys.executable, "-I", str(FOLDER / "logs.py")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    settings = tmp_path / "logs.json"
    (tmp_path / "logs").mkdir()
    runs = {"folder": str(tmp_path / "groups"), "files": 2, "days": 7, "journal_bytes": 100}
    settings.write_text(json.dumps(configured(tmp_path / "logs", runs=runs)))
    return tmp_path


def program(place: Path, *arguments: str) -> list[str]:
    return [*PROGRAM, "--settings", str(place / "logs.json"), *arguments]


def write(place: Path, text: str) -> None:
    with (place / "logs" / "nanoclaw.log").open("a") as file:
        file.write(text)


def stamp() -> str:
    return time.strftime("[%H:%M:%S.000] ")


def shown(place: Path, *arguments: str) -> list[Line | Note]:
    done = subprocess.run(
        program(place, "show", *arguments), capture_output=True, check=True, input=b""
    )
    return [each for each in map(logs.parse, done.stdout.splitlines()) if each]


def test_what_is_written_is_shown_and_from_a_place_only_what_came_after(place: Path) -> None:
    write(place, f"{stamp()}INFO (7): one\n    key: 1\n{stamp()}INFO (7): two\n")
    first = shown(place)
    assert [each.words for each in first if isinstance(each, Line)] == [
        "INFO (7): one", "    key: 1", "INFO (7): two",
    ]  # fmt: skip
    assert isinstance(first[1], Line)
    assert [each.text for each in shown(place, "--place", first[1].place)][-1].endswith("two")
    assert shown(place, "--ago", "-60") == []
    assert len(shown(place, "--ago", "60")) == 3


def test_without_any_log_it_says_so(place: Path) -> None:
    (place / "logs").rmdir()
    done = subprocess.run(program(place, "show"), capture_output=True, check=False, input=b"")
    assert done.returncode == 1
    assert "has never run here" in json.loads(done.stdout)["note"]


def until(process: subprocess.Popen[bytes], wanted: str) -> Any:
    """Read what `process` prints until it prints `wanted`."""
    assert process.stdout is not None
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if select.select([process.stdout], [], [], 0.2)[0]:
            line = process.stdout.readline()
            if wanted.encode() in line:
                return json.loads(line)
    raise AssertionError(f"{wanted} did not come")


def test_following_shows_what_comes_and_ends_with_its_reader(place: Path) -> None:
    write(place, f"{stamp()}INFO (7): before\n")
    watcher = subprocess.Popen(program(place, "watch"))
    follower = subprocess.Popen(
        program(place, "show", "--follow"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        until(follower, "before")
        write(place, f"{stamp()}INFO (7): after\n")
        assert until(follower, "after")["s"] == "out"
        until(follower, "beat")
        assert follower.stdin is not None
        follower.stdin.close()
        assert follower.wait(10) == 0
    finally:
        for process in (watcher, follower):
            process.kill()
            process.wait()


def test_only_one_collector_works_at_a_time(place: Path) -> None:
    watcher = subprocess.Popen(program(place, "watch"))
    try:
        end = time.monotonic() + 10
        while not (place / "logs/clean/bookmark.json").exists() and time.monotonic() < end:
            time.sleep(0.05)
        write(place, f"{stamp()}INFO (7): one\n" * 50)
        for _ in range(3):
            subprocess.run(program(place, "collect"), check=True)
        time.sleep(1.5)
    finally:
        watcher.kill()
        watcher.wait()
    assert len(shown(place)) == 50


def test_logs_of_old_runs_go_and_no_link_of_an_agent_is_followed(place: Path) -> None:
    logs_of_group = place / "groups" / "main" / "logs"
    logs_of_group.mkdir(parents=True)
    victim = place / "victim" / "logs"
    victim.mkdir(parents=True)
    for folder in (logs_of_group, victim):
        for number in range(4):
            (folder / f"container-{number}.log").write_text("x")
            os.utime(
                folder / f"container-{number}.log", (time.time() - number, time.time() - number)
            )
    (logs_of_group / "notes.txt").write_text("the agent's own")
    (place / "groups" / "evil").symlink_to(place / "victim")
    (place / "groups" / "sly").mkdir()
    (place / "groups" / "sly" / "logs").symlink_to(victim)
    (logs_of_group / "container-z.log").symlink_to(place / "logs.json")
    (place / "logs" / "runtime.jsonl").write_text("x" * 101)
    watcher = subprocess.Popen(program(place, "watch"))
    end = time.monotonic() + 10
    while (logs_of_group / "container-3.log").exists() and time.monotonic() < end:
        time.sleep(0.05)
    watcher.kill()
    watcher.wait()
    assert sorted(path.name for path in logs_of_group.iterdir()) == [
        "container-0.log", "container-1.log", "container-z.log", "notes.txt",
    ]  # fmt: skip
    assert len(list(victim.iterdir())) == 4
    assert (place / "logs" / "runtime.jsonl.1").exists()


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from("stxp"), st.text()).map(
    lambda values: json.dumps(values).encode()))  # fmt: skip
def test_a_hostile_line_is_dropped_or_printable(data: bytes) -> None:
    found = logs.parse(data)
    if isinstance(found, Line):
        assert (found.text + found.time + found.stream).replace("\t", "").isprintable()


LINE = Line("2026-11-20T14:03:22.123+0100", "out", "[14:03:22.123] INFO (7): one", "1:60")


def test_a_line_has_three_forms() -> None:
    assert form(LINE, raw=False, as_json=False) == "2026-11-20 14:03:22.123 INFO (7): one"
    assert form(LINE, raw=True, as_json=False) == "[14:03:22.123] INFO (7): one"
    assert json.loads(form(LINE, raw=False, as_json=True)) == {
        "time": "2026-11-20T14:03:22.123+0100", "stream": "out", "text": "INFO (7): one",
    }  # fmt: skip


def test_pieces_of_a_long_line_become_one_also_beside_the_other_stream() -> None:
    pieces: list[Line | Note] = [
        Line("t", "out", "[a", "1:1", more=True), Line("t", "err", "other", "1:2"),
        Line("t", "out", "b", "1:3", more=True), Note("n"), Line("t", "out", "c]", "1:4"),
    ]  # fmt: skip
    found = list(joined(iter(pieces)))
    assert [each.text for each in found] == ["other", "n", "[abc]"]


class Guests:
    """A guest that is entered again and again: each time it says or does the next thing."""

    def __init__(self, *turns: list[bytes] | BaseException) -> None:
        self.turns = list(turns)
        self.asked: list[list[str]] = []

    @contextmanager
    def inside(self, keep: Keep, target: Any) -> Iterator[Guests]:
        yield self

    def lines(self, arguments: list[str], silent_s: float) -> Iterator[bytes]:
        self.asked.append(arguments[2:])
        turn = self.turns.pop(0)
        if isinstance(turn, BaseException):
            raise turn
        yield from turn
        if self.turns:
            raise TransportError("the connection ended")


def data(place: str) -> bytes:
    return json.dumps({"p": place, "s": "out", "t": "t", "more": False, "x": place}).encode()


def test_following_goes_on_where_it_was_when_the_guest_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guests = Guests(
        [data("1:10"), b'{"beat": 1}', data("1:20")], TransportError("no SSH"), OSError("x"),
        [data("2:5")], KeyboardInterrupt(),
    )  # fmt: skip
    monkeypatch.setattr(logs, "inside", guests.inside)
    slept: list[float] = []
    found: list[Line | Note] = []
    reader = logs.read(Keep(), None, ["--ago", "60"], follow=True, sleep=slept.append)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        found.extend(reader)
    assert [each.text for each in found if isinstance(each, Line)] == ["1:10", "1:20", "2:5"]
    assert [each.text for each in found if isinstance(each, Note)] == [
        "the connection ended; waiting for the guest",
        "the connection ended; waiting for the guest",
    ]
    assert guests.asked == [
        ["--ago", "60", "--follow"], ["--place", "1:20", "--follow"],
        ["--place", "1:20", "--follow"], ["--place", "1:20", "--follow"],
        ["--place", "2:5", "--follow"],
    ]  # fmt: skip


def test_without_following_a_guest_that_is_away_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "inside", Guests(TransportError("no SSH")).inside)
    with pytest.raises(TransportError, match="no SSH"):
        list(logs.read(Keep(), None, ["--ago", "60"]))  # type: ignore[arg-type]
