"""Whatever the reads are, the lines are the same."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from clawkeep.traffic.lines import MAX_LINE, cut

LONG = b"x" * (MAX_LINE + 1)
PIECES = st.lists(
    st.sampled_from([b"\n", b"a", b"bc\n", b"\xff\x00", b"x" * MAX_LINE, LONG, b"\r\n"]),
    max_size=12,
).map(b"".join)


def read(data: bytes, sizes: list[int]) -> list[bytes]:
    """Read as the collector does: from the place that is done with, growing by `sizes`."""
    lines, place, end, skipping = list[bytes](), 0, 0, False
    for size in [*sizes, len(data)]:
        end = min(len(data), end + size)
        piece = cut(data[place:end], skipping=skipping)
        lines += piece.lines
        place, skipping = place + piece.done, piece.skipping
    return lines


@given(PIECES, st.lists(st.integers(0, 3 * MAX_LINE), max_size=20))
@example(LONG + b"tail\nnext\n", [MAX_LINE + 1, 2, 2, 2, 2])
def test_any_reads_give_the_same_lines(data: bytes, sizes: list[int]) -> None:
    whole = data.split(b"\n")[:-1]
    assert read(data, sizes) == [line for line in whole if len(line) <= MAX_LINE]


def test_a_line_without_its_end_waits() -> None:
    assert cut(b"one\ntw") == ([b"one"], 4, False)
    assert cut(b"tw") == ([], 0, False)


def test_an_endless_line_takes_no_memory() -> None:
    assert cut(LONG) == ([], len(LONG), True)
    assert cut(LONG, skipping=True) == ([], len(LONG), True)
    assert cut(b"rest\nnext\n", skipping=True) == ([b"next"], 10, False)
