"""The lab's own clock, in programs of this machine: what they see of time when it is set."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab.__main__ import main
from lab.clock import Clock, duration, moment, preload

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the lab's library is for Linux")

HOUR, DAY = 3600, 86_400
LOOK = """
import json, os, sys, threading, time
began = time.monotonic()
threading.Lock().acquire(); lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=0.1)
waited = time.monotonic() - began
stat = os.stat(sys.argv[1])
print(json.dumps({
    "time": time.time(), "monotonic": time.monotonic(), "waited": waited,
    "raw": time.clock_gettime(time.CLOCK_MONOTONIC_RAW),
    "mtime": stat.st_mtime, "ctime": stat.st_ctime,
}))
"""


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock.make(tmp_path / "clock")


def run(clock: Clock, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC", **clock.environment}
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def look(clock: Clock, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(clock, sys.executable, "-IS", "-c", LOOK, str(path)))
    return found


def age(clock: Clock, path: Path) -> float:
    found = look(clock, path)
    return float(found["time"] - found["mtime"])


def test_a_clock_that_was_never_set_is_this_machines(clock: Clock, tmp_path: Path) -> None:
    found = look(clock, tmp_path)
    assert abs(found["time"] - time.time()) < 5
    assert found["mtime"] == tmp_path.stat().st_mtime


@pytest.mark.parametrize("by", [3 * HOUR, -DAY, 12 * 365 * DAY, 0.4])
def test_all_programs_see_what_it_was_set_by(clock: Clock, tmp_path: Path, by: float) -> None:
    clock.forward(by)
    found = look(clock, tmp_path)
    assert found["time"] - time.time() == pytest.approx(by, abs=5)
    assert found["monotonic"] == pytest.approx(time.monotonic(), abs=5)
    assert found["raw"] == pytest.approx(time.clock_gettime(time.CLOCK_MONOTONIC_RAW), abs=5)
    # Who waits for a while waits as long as before.
    assert 0.1 <= found["waited"] < 3
    for words in (["date", "+%s"], ["perl", "-e", "print time"], ["bash", "-c", "date +%s"]):
        assert float(run(clock, *words)) - time.time() == pytest.approx(by, abs=5), words
    assert clock.now() - time.time() == pytest.approx(by, abs=1)


def test_who_runs_already_sees_it_at_once(clock: Clock) -> None:
    script = "import sys, time\nfor line in sys.stdin: print(time.time(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", script], env=os.environ | clock.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        seen = []
        for jump in (0, DAY, -2 * DAY):
            clock.forward(jump)
            process.stdin.write("?\n")
            process.stdin.flush()
            seen.append(float(process.stdout.readline()) - time.time())
        process.stdin.close()
    assert seen == pytest.approx([0, DAY, -DAY], abs=5)


def test_sleep_is_what_the_raw_clock_counts_and_the_other_one_does_not(
    clock: Clock, tmp_path: Path
) -> None:
    clock.sleep(8 * HOUR)
    clock.forward(HOUR)
    found = look(clock, tmp_path)
    assert found["time"] - time.time() == pytest.approx(9 * HOUR, abs=5)
    raw = found["raw"] - time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert raw == pytest.approx(8 * HOUR, abs=5)
    assert found["monotonic"] == pytest.approx(time.monotonic(), abs=5)


def test_files_grow_older_by_a_jump_and_new_ones_are_new(clock: Clock, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    clock.forward(10 * DAY)
    run(clock, "touch", str(new))
    assert age(clock, old) == pytest.approx(10 * DAY, abs=5)
    assert age(clock, new) == pytest.approx(0, abs=5)
    clock.forward(-HOUR)
    # As on any machine whose clock is set back: made in the future.
    assert age(clock, new) == pytest.approx(-HOUR, abs=5)
    assert age(clock, old) == pytest.approx(10 * DAY - HOUR, abs=5)
    assert look(clock, new)["ctime"] == pytest.approx(time.time() + 10 * DAY, abs=5)


@pytest.mark.parametrize(
    "when",
    ["2001-02-03T04:05:06", "in the gap", "2100-01-01T00:00:00", "2040-01-01T00:00:00", "now"],
)
def test_a_time_that_a_file_was_given_stays(clock: Clock, tmp_path: Path, when: str) -> None:
    file = tmp_path / "file"
    file.touch()
    clock.forward(10 * DAY)
    if when in {"in the gap", "now"}:
        given = clock.now() - (5 * DAY if when == "in the gap" else 0)
    else:
        given = dt.datetime.fromisoformat(when).replace(tzinfo=dt.UTC).timestamp()
    run(clock, "touch", "-d", f"@{given:.6f}", str(file))
    for jump in (0, 3 * HOUR, -20 * DAY, 30 * 365 * DAY):
        clock.forward(jump)
        assert look(clock, file)["mtime"] == pytest.approx(given, abs=0.001)
        assert float(run(clock, "stat", "-c", "%.Y", str(file))) == pytest.approx(given, abs=0.01)
    # A copy has it, too.
    run(clock, "cp", "-p", str(file), str(tmp_path / "copy"))
    assert look(clock, tmp_path / "copy")["mtime"] == pytest.approx(given, abs=0.001)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.4s", 0.4), ("15m", 900), ("1h30m", 5400), ("10d", 864_000), ("8h", 28_800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-3h", "3 h", "1m2h", "soon"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        duration(text)


def test_moments_have_a_zone() -> None:
    assert moment("2026-10-25T00:30:00Z") == moment("2026-10-25T02:30:00+02:00") == 1_792_888_200
    for text in ("2026-10-25T00:30:00", "yesterday"):
        with pytest.raises(ValueError, match="no moment"):
            moment(text)


def test_machines_load_it_only_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "private/etc").mkdir(parents=True)
    file = tmp_path / "private/etc/ld.so.preload"
    preload(tmp_path, wanted=True)
    assert file.read_text() == "/System/Lab/clock/clock.so\n"
    preload(tmp_path, wanted=False)
    assert not file.exists()


def test_a_lab_that_is_not_there_has_no_clock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clock", "show", "--name", "nobody-s"]) == 1
    assert "is not running" in capsys.readouterr().err
