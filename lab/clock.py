"""The lab's own clock, which can be set while the lab runs.

A lab that was started with one has a folder with a library and a file. The library
(lab/mac/clock/clock.c) is loaded into every program of its machines and into its world; the file
says how far the lab's time is from this machine's, a row for each time that it was set. Only the
wall clock: what measures how long something takes goes on as it is.
"""

import datetime as dt
import fcntl
import os
import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from lab.image import c_programs
from lab.mac import clock as machine
from lab.state import LabError

SOURCE = Path(__file__).resolve().parent / "mac/clock/clock.c"
FLAGS = ("-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden")
PRELOAD = "private/etc/ld.so.preload"
"""Unlike a variable it also counts for set-uid programs, and no program can drop it."""

COUNT = struct.Struct("<Q")
ROW = struct.Struct("<qqq")
ROWS = 4096
SECOND = 10**9
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True)
class Clock:
    """The clock of one lab; `folder` is the lab's folder for it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Clock":
        """Lay one down that shows this machine's time. Raises LabError, OSError."""
        library = c_programs.compiled(SOURCE, "clock", FLAGS)
        if library is None:
            raise LabError("a lab's own clock needs a C compiler; run: lab/install-needs")
        folder.mkdir(exist_ok=True)
        (folder / "clock.so").write_bytes(library)
        (folder / "jumps").write_bytes(bytes(COUNT.size + ROWS * ROW.size))
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables with which a program of this machine lives in the lab's time."""
        return {
            "LD_PRELOAD": str(self.folder / "clock.so"),
            "LAB_CLOCK": str(self.folder / "jumps"),
        }

    @property
    def offset(self) -> float:
        """Return by how many seconds the lab's time is ahead of this machine's."""
        return self._last()[1] / SECOND

    def now(self) -> float:
        """Return the lab's time in Unix seconds."""
        return (time.time_ns() + self._last()[1]) / SECOND

    def forward(self, seconds: float) -> None:
        """Set the clock ahead (back: negative), as its owner does, or time's server. LabError."""
        self._jump(round(seconds * SECOND), 0)

    def set(self, moment: float) -> None:
        """Set the clock to Unix seconds. Raises LabError."""
        self._jump(round(moment * SECOND) - time.time_ns() - self._last()[1], 0)

    def sleep(self, seconds: float) -> None:
        """Let time pass while the lab's Mac sleeps: it wakes at once, so much later. LabError."""
        if seconds < 0:
            raise LabError("a Mac sleeps forward only")
        self._jump(round(seconds * SECOND), round(seconds * SECOND))

    def _last(self) -> tuple[int, int, int]:
        """Return since when the last row counts, its offset, and the sleep so far, in ns."""
        with (self.folder / "jumps").open("rb") as file:
            (count,) = COUNT.unpack(file.read(COUNT.size))
            if not count:
                return 0, 0, 0
            file.seek(COUNT.size + (count - 1) * ROW.size)
            at, offset, asleep = ROW.unpack(file.read(ROW.size))
            return at, offset, asleep

    def _jump(self, by: int, asleep: int) -> None:
        """Add a row, then count it. Programs have the file mapped, so it is never replaced."""
        with (self.folder / "jumps").open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            (count,) = COUNT.unpack(file.read(COUNT.size))
            if count >= ROWS:
                raise LabError(f"this lab's clock was set {ROWS} times; start another lab")
            last, offset, slept = self._last()
            at = max(last + 1, _fresh_tick())
            row = ROW.pack(at, offset + by, slept + asleep)
            os.pwrite(file.fileno(), row, COUNT.size + count * ROW.size)
            os.pwrite(file.fileno(), COUNT.pack(count + 1), 0)


def _fresh_tick() -> int:
    """Wait for the next tick of the clock by which the kernel notes files' times; return it.

    It goes in steps of some milliseconds: what was noted before the jump must be before this.
    """
    now = time.clock_gettime_ns(_COARSE)
    while (at := time.clock_gettime_ns(_COARSE)) == now:
        pass
    return at


_COARSE = 5  # CLOCK_REALTIME_COARSE, which Python has no name for


def preload(bare: Path, *, wanted: bool) -> None:
    """Have the machines of a lab load the clock, or not; `bare` is the image that all share."""
    file = bare / PRELOAD
    file.unlink(missing_ok=True)
    if wanted:
        file.write_text(f"{machine.LIBRARY}\n")
        file.chmod(0o644)


def duration(text: str) -> float:
    """Return the seconds of `90`, `15m`, `1h30m`, `10d` or `0.4s`. Raises ValueError."""
    found = DURATION.fullmatch(text)
    if not text or not found:
        raise ValueError(f"{text!r} is no length of time; expected 90, 15m, 1h30m or 10d")
    words = zip(("d", "h", "m", "s"), found.groups(), strict=True)
    return sum(UNITS[unit] * float(number) for unit, number in words if number)


def moment(text: str) -> float:
    """Return the Unix seconds of `2026-10-25T00:30:00Z`. Raises ValueError."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{text!r} is no moment; expected 2026-10-25T00:30:00Z or …+02:00")
    return found.timestamp()
