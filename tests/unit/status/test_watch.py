"""The view on a terminal: what it shows, what it keeps, and what it never lets through."""

from __future__ import annotations

import io

from rich.console import Console

from clawkeep.status.report import Door, GuardState, GuestState, Report
from clawkeep.status.watch import Seen, block, view

DOOR = Door("nas", "192.168.64.1:10022", "10.0.20.10:22", "running", True, True, "SSH-2.0", 9)
WELL = Report(
    "mac", GuestState("keep", "running", "192.168.64.2", "agent", 212, "as pinned"), (DOOR,),
    anchor="in force", guard=GuardState("open", 3),
)  # fmt: skip
AWAY = Report("mac", GuestState("keep"), (), host_error="mac: no SSH\x1b[2J")


def drawn(seen: Seen, now: float = 100.0, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")
    console.print(view(seen, now, 10))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_keep_that_is_well() -> None:
    text = drawn(Seen().after(WELL, 97.0))
    assert "all is well" in text
    assert "3 s ago" in text
    assert "nas" in text
    assert "10.0.20.10:22" in text


def test_a_host_that_went_away_leaves_the_last_with_its_age() -> None:
    seen = Seen().after(WELL, 40.0).after(AWAY, 99.0)
    text = drawn(seen)
    assert "The host does not answer: mac: no SSH?[2J. All below is 1 min old." in text
    assert "all is well" not in text
    assert "10.0.20.10:22" in text
    head, *lines = block(seen, 100.0)
    assert "cannot tell: mac: no SSH?[2J; the lines below are 1 min old" in head
    assert any("nas" in line for line in lines)
    assert "all is well" in drawn(seen.after(WELL, 100.0))


def test_without_any_answer_it_says_why() -> None:
    assert "asking for the first time" in drawn(Seen())
    assert "cannot tell: mac: no SSH?[2J" in drawn(Seen().after(AWAY, 1.0))
    assert len(block(Seen().after(AWAY, 1.0), 2.0)) == 1


def test_words_of_a_guest_are_neither_markup_nor_control() -> None:
    door = Door("[red]x[/red]", "a", "b", "running", True, True, "[bold]\x1b]0;owned\x07 🔓", 1)
    report = Report("mac", WELL.guest, (door,), anchor="in force", guard=WELL.guard)
    text = drawn(Seen().after(report, 99.0))
    assert "[red]x[/red]" in text
    assert "[bold]?]0;owned?" in text
    assert "\x1b]0;" not in text


def test_a_narrow_terminal_cuts_and_never_wraps() -> None:
    text = drawn(Seen().after(WELL, 99.0), width=40)
    lines = [line for line in text.splitlines() if "GUEST" in line]
    assert len(lines) == 1
