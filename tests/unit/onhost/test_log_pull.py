"""The host's store of logs: every line once, dated, clean, however the collector ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clawkeep.onhost import alert_send, log_pull, log_store, paths
from tests.unit.onhost.log_host import Here, T, log_host


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return log_host(tmp_path, monkeypatch)


def test_lines_are_dated_by_their_own_words_and_merged(here: Here) -> None:
    here.add("events.jsonl", '{"t": "2027-01-15T08:00:02.500Z", "kind": "leak", "text": "out"}\n')
    here.add("events.jsonl", "no JSON\n")
    here.add("canary.log", "Traceback\n")
    here.add("bridge-nas.log", "2027/01/15 08:00:01.250000 socat[7] N forked off\n")
    here.pull()
    found = {line.text: (line.t, line.dated) for line in here.lines()}
    assert found == {
        "socat[7] N forked off": (T + 1.25, True),
        "leak: out": (T + 2.5, True),
        "Traceback": (T, False),
        "no JSON": (T, False),
    }
    assert here.texts("guard", "bridges")[-2:] == ["socat[7] N forked off", "leak: out"]


def test_colours_control_characters_and_secrets_are_gone(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.HOOKS.write_text(
        json.dumps({"user": "x", "owner_uid": 1, "hooks": [
            {"name": "ntfy", "kind": "ntfy", "url": "https://ntfy.example/topic-nobody-guesses"}]})
    )  # fmt: skip
    here.add("canary.log", "\x1b[31mred\x1b[0m \x07bell key sk-ant-" + "a1B2" * 8 + "\n")
    here.add("canary.log", "posted to https://ntfy.example/topic-nobody-guesses\n")
    here.pull()
    assert here.texts() == [
        "red \ufffdbell key [redacted anthropic]",
        "posted to https://ntfy.example/[redacted ntfy-address]",
    ]
    assert alert_send.settings().hooks[0].url.endswith("guesses")


def test_a_line_without_an_end_of_its_length_is_cut(here: Here) -> None:
    here.add("canary.log", "x" * 100_000 + "\nnext\n")
    here.pull()
    long, following = here.texts()
    assert long.endswith("… (100000 characters)")
    assert len(long) < 9000
    assert following == "next"


def test_rotation_emptying_and_a_clock_that_is_set(here: Here) -> None:
    here.add("canary.log", "one\n")
    here.pull()
    here.add("canary.log", "two\n")
    (here.folder / "canary.log").rename(here.folder / "canary.log.1")
    here.add("canary.log", "three\n")
    here.moment += 1e8
    here.pull()
    here.moment -= 1e8
    here.add("canary.log", "four\n")
    here.pull()
    (here.folder / "canary.log").write_text("five\n")
    here.pull()
    in_order = [x.text for _, x in here.store.lines(here.store.bookmark(), "canary", None)]
    assert in_order == [
        "one", "two", "three", "four",
        "clawkeep: lines may be missing here: the log was emptied or removed", "five",
    ]  # fmt: skip


def test_segments_end_by_day_and_size_are_compressed_and_go_by_number(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "KEEP_SEGMENTS", 5)
    for day in range(8):
        here.add("canary.log", f"day {day}\n")
        here.pull()
        here.moment += 86400
    names = sorted(path.name for path in (here.folder / "store/canary").iterdir())
    assert names == [f"{n:08d}.log.gz" for n in range(4, 8)] + ["00000008.log"]
    assert here.texts("canary") == [f"day {day}" for day in range(3, 8)]
    monkeypatch.setattr(log_store, "SEGMENT_BYTES", 10)
    here.add("canary.log", "more\n")
    here.pull()
    assert (here.folder / "store/canary/00000009.log").exists()
    # A clock that jumps to another year takes nothing away.
    here.moment += 1e9
    here.add("canary.log", "later\n")
    here.pull()
    assert len(here.texts("canary")) == 5


def test_a_flood_is_told(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pull, "FLOOD_BYTES", 1000)
    here.add("canary.log", "x" * 400 + "\n")
    assert here.pull().floods == []
    here.add("canary.log", "x" * 700 + "\n")
    assert here.pull().floods == ["canary"]
    here.moment += 3600
    here.add("canary.log", "x\n")
    assert here.pull().floods == []


def guest_lines(*texts: str, first: int = 1) -> str:
    rows = [
        {"p": f"1:{first + n}", "t": "2027-01-15T09:00:00.000+0100", "s": "out", "x": text}
        for n, text in enumerate(texts)
    ]
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def test_the_agent_s_log_is_pulled_from_where_it_was(here: Here) -> None:
    asked: list[list[str]] = []

    def guest(start: list[str]) -> str:
        asked.append(start)
        return guest_lines("one", "two \x1b[2J") if len(asked) == 1 else ""

    here.guest = guest
    here.pull()
    here.pull()
    assert asked == [["--ago", "86400"], ["--place", "1:2"]]
    assert [(line.t, line.text) for line in here.lines("agent")] == [(T, "one"), (T, "two ")]


@pytest.mark.parametrize(
    "said", ["", "no JSON\n[1]\n{}\n", '{"p": "; rm -rf /", "t": "x", "x": "y"}\n', "[" * 100_000]
)
def test_a_guest_that_lies_moves_nothing(here: Here, said: str) -> None:
    here.guest = lambda _: said
    here.pull()
    assert here.lines("agent") == []


def test_a_damaged_bookmark_writes_over_nothing(here: Here) -> None:
    here.add("canary.log", "one\n")
    here.pull()
    (here.folder / "store" / log_store.BOOKMARK).write_text('{"marks": 5')
    done = here.pull()
    assert "read again" in done.problems[0]
    assert here.texts("canary") == ["one", "one"]


def test_one_log_that_cannot_be_read_keeps_the_others_from_nothing(here: Here) -> None:
    (here.folder / "events.jsonl").symlink_to("/etc/passwd")
    here.add("canary.log", "one\n")
    done = here.pull()
    assert len(done.problems) == 1
    assert here.texts() == ["one"]


STEPS = ("pwrite", "ftruncate", "fsync", "open", "replace", "unlink", "close")


def killed_at(n: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that is killed before its n-th step on the disk; tell if it was."""
    child = os.fork()
    if child == 0:
        left = itertools.count(1)

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **more: Any) -> Any:
                if next(left) == n:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **more)

            return step

        try:
            for name in STEPS:
                setattr(os, name, dying(getattr(os, name)))
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_every_step_no_line_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in itertools.count(1):
        folder = tmp_path / str(n)
        folder.mkdir()
        here = log_host(folder, monkeypatch)
        here.add("canary.log", "one\ntwo\n")
        here.pull()
        here.moment += 86400  # A new day: a new segment, and the old one is compressed.
        here.add("canary.log", "three\n")
        (folder / "canary.log").rename(folder / "canary.log.1")
        here.add("canary.log", "four\n")
        here.add("bridge-nas.log", "five\n")
        here.guest = lambda start: guest_lines("six") if start[0] == "--ago" else ""
        killed = killed_at(n, here.pull)
        before = here.texts()
        assert len(set(before)) == len(before), n
        here.pull()
        assert sorted(here.texts()) == sorted(["one", "two", "three", "four", "five", "six"]), n
        if not killed:
            break
    assert n > 20


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root")
def test_a_full_disk_loses_nothing(here: Here, tmp_path: Path) -> None:
    small = tmp_path / "store"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        texts = [f"{number} {'x' * 200}" for number in range(1000)]
        here.add("canary.log", "".join(f"{text}\n" for text in texts))
        full = False
        try:
            full = bool(here.pull().problems)
        except OSError:
            full = True
        assert full
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        here.pull()
        assert here.texts("canary") == texts
    finally:
        subprocess.run(["umount", str(small)], check=True)
