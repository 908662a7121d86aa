"""Reading what is new in a log: no line twice, none left out, whatever becomes of the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.onhost.tail import Mark, Piece, end, read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "x.log"


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def rest(
    path: Path, mark: Mark | None, block: int = 1 << 20
) -> tuple[list[str], Mark | None, bool]:
    """Read all that is new: the lines, the mark, and whether any may be lost."""
    found: list[str] = []
    lost = False
    while True:
        piece = read(path, mark, block=block)
        found += [line.decode() for line in piece.lines]
        lost = lost or piece.lost
        if piece.mark == mark:
            return found, mark, lost
        mark = piece.mark


def test_it_goes_on_where_it_was_and_waits_for_the_end_of_a_line(log: Path) -> None:
    assert read(log, None) == Piece((), None)
    add(log, "one\ntwo\nthr")
    lines, mark, _ = rest(log, None)
    assert lines == ["one", "two"]
    add(log, "ee\n\nfour\n")
    lines, mark, lost = rest(log, mark)
    assert (lines, lost) == (["three", "", "four"], False)
    assert mark is not None
    assert Mark.parse(mark.text()) == mark


def test_a_log_that_was_renamed_is_read_to_its_end(log: Path) -> None:
    add(log, "one\n")
    _, mark, _ = rest(log, None)
    add(log, "two\nthree without an end")
    log.rename(log.with_name("x.log.1"))
    add(log, "four\n")
    lines, mark, lost = rest(log, mark)
    assert (lines, lost) == (["two", "three without an end", "four"], False)
    log.with_name("x.log.1").unlink()
    add(log, "five\n")
    assert rest(log, mark)[0] == ["five"]


def test_two_rotations_at_once_leave_nothing_out(log: Path) -> None:
    add(log, "one\n")
    _, mark, _ = rest(log, None)
    for number, text in ((0, "two\n"), (1, "three\n")):
        add(log, text)
        os.utime(log, (1000 + number, 1000 + number))
        if log.with_name("x.log.1").exists():
            log.with_name("x.log.1").rename(log.with_name("x.log.2"))
        log.rename(log.with_name("x.log.1"))
    add(log, "four\n")
    assert rest(log, mark)[0] == ["two", "three", "four"]


@pytest.mark.parametrize("longer", [False, True])
def test_a_log_that_was_emptied_begins_anew_and_that_is_told(log: Path, longer: bool) -> None:
    add(log, "one\ntwo\n")
    _, mark, _ = rest(log, None)
    log.write_text("again, and longer than it was\n" if longer else "new\n")
    lines, _, lost = rest(log, mark)
    assert lines == ["again, and longer than it was" if longer else "new"]
    assert lost


def test_a_log_that_was_replaced_begins_anew_and_that_is_told(log: Path) -> None:
    add(log, "one\n")
    _, mark, _ = rest(log, None)
    log.unlink()
    assert read(log, mark) == Piece((), None, lost=True)
    add(log, "new\n")
    assert rest(log, mark)[0] == ["new"]


def test_an_inode_that_was_given_away_again_is_another_log(log: Path) -> None:
    add(log, "one\n")
    _, mark, _ = rest(log, None)
    assert mark
    log.write_text("two\nthree\n")  # The same inode, another head.
    lines, _, _ = rest(log, mark)
    assert lines == ["two", "three"]


@pytest.mark.parametrize("lines", [3, 100])
def test_a_disk_that_was_restored_doubles_no_line_of_a_log_of_some_length(
    log: Path, lines: int
) -> None:
    text = "".join(f"line {number} of the log\n" for number in range(lines))
    add(log, text)
    _, mark, _ = rest(log, None)
    copy = log.with_name("copy")
    copy.write_text(text + "new\n")
    log.unlink()
    copy.rename(log)
    found, _, lost = rest(log, mark)
    # A short one may be another log that begins likewise: better twice than not at all.
    assert (found == ["new"], lost) == (lines == 100, lines != 100)


def test_what_is_no_plain_file_is_not_read(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "secret"
    other.write_text("root's own\n")
    log.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        read(log, None)
    log.unlink()
    log.hardlink_to(other)
    assert read(log, None).lines == ()
    log.unlink()
    os.mkfifo(log)
    assert read(log, None).lines == ()


def test_a_line_longer_than_a_piece_comes_in_parts(log: Path) -> None:
    add(log, "x" * 25 + "\nend\n")
    lines, _, _ = rest(log, None, block=10)
    assert "".join(lines) == "x" * 25 + "end"


def test_the_end_is_where_it_goes_on(log: Path) -> None:
    assert end(log) is None
    add(log, "one\ntwo\n")
    mark = end(log)
    add(log, "three\n")
    assert rest(log, mark)[0] == ["three"]


@pytest.mark.parametrize(
    "text",
    [
        None, "", "null", "{}", "[1]", "x", '{"offset": 1}', '{"offset": -1, "inode": 1}',
        '{"inode": "1"}', '{"inode": 1, "digest": 5}', '{"inode": 1, "other": 5}',
    ],
)  # fmt: skip
def test_a_mark_that_is_none(text: str | None) -> None:
    assert Mark.parse(text) is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["line", "part", "rotate", "read", "read"]), max_size=40))
def test_whatever_the_order_each_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    log = tmp_path_factory.mktemp("log") / "x.log"
    written, found, mark = "", "", None
    for number, step in enumerate(steps):
        if step == "line":
            add(log, text := f"{number}\n")
            written += text
        elif step == "part":
            add(log, text := f"{number},")
            written += text
        elif step == "rotate" and log.exists():
            # One rotation between two looks; a writer ends its line before.
            lines, mark, _ = rest(log, mark)
            found += "".join(f"{line}\n" for line in lines)
            add(log, "!\n")
            written += "!\n"
            log.rename(log.with_name("x.log.1"))
        elif step == "read":
            lines, mark, lost = rest(log, mark)
            assert not lost
            found += "".join(f"{line}\n" for line in lines)
    if log.exists():
        add(log, "\n")
        written += "\n"
    lines, _, _ = rest(log, mark)
    found += "".join(f"{line}\n" for line in lines)
    assert found == written
