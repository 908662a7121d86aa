"""Answers are found however the agent's output is cut, and whatever stands around them."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.contract.markers import END, START, Markers, Output

NOISE = st.binary(max_size=80).filter(lambda data: START not in data)
# Two noises side by side, or a noise and a newline, must not make a marker between them.
SAFE_NOISE = NOISE.map(lambda data: data.replace(b"-", b"+"))
TEXT = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
OUTPUT = st.builds(
    Output, st.sampled_from(["success", "error"]), result=TEXT, session_id=TEXT, error=TEXT
)


def pair(output: Output, *, ascii_only: bool = True) -> bytes:
    """Write an output as the agent-runner does: three lines."""
    value = {"status": output.status, "result": output.result}
    if output.session_id is not None:
        value["newSessionId"] = output.session_id
    if output.error is not None:
        value["error"] = output.error
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    return START + b"\n" + text + b"\n" + END + b"\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    st.lists(st.tuples(SAFE_NOISE, OUTPUT, st.booleans())),
    SAFE_NOISE,
    st.lists(st.integers(min_value=0)),
)
def test_every_output_is_found_once_wherever_the_stream_is_cut(
    told: list[tuple[bytes, Output, bool]], after: bytes, cuts: list[int]
) -> None:
    data = b"".join(noise + pair(output, ascii_only=flag) for noise, output, flag in told) + after
    markers = Markers()
    found = [output for piece in pieces(data, cuts) for output in markers.feed(piece)]
    assert found == [output for _, output, _ in told]
    assert not markers.unfinished


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0)))
def test_cuts_never_change_what_any_bytes_mean(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"S", START).replace(b"E", END)
    whole = Markers(limit=40)
    cut = Markers(limit=40)
    assert [o for piece in pieces(data, cuts) for o in cut.feed(piece)] == whole.feed(data)
    assert cut.unfinished == whole.unfinished


def test_markers_inside_a_result_are_text_only_when_they_are_escaped() -> None:
    # JSON does not escape them: NanoClaw ends the output there too, and so must we.
    broken = pair(Output("success", result="see " + END.decode()))
    (first,) = Markers().feed(broken)
    assert first.status == "malformed"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"[]", "no object with a status"),
        (b'{"status":"done"}', "no object with a status"),
        (b'{"status":"success","result":7}', "must be texts"),
        (b'{"status":"success","result":"\xff"}', "utf-8"),
        (b"[" * 100_000, ""),
    ],
)
def test_what_is_no_output_is_said_and_the_next_one_is_found(text: bytes, why: str) -> None:
    good = Output("success", result="4")
    bad, found = Markers().feed(START + text + END + pair(good))
    assert (bad.status, found) == ("malformed", good)
    assert why in (bad.error or "")


def test_an_answer_of_the_limit_is_read_and_a_longer_one_is_not() -> None:
    body = json.dumps({"status": "success", "result": "x" * 5000}).encode()
    assert Markers(limit=len(body)).feed(START + body + END)[0].result == "x" * 5000
    (longer,) = Markers(limit=len(body) - 1).feed(START + body + END)
    assert longer.status == "malformed"
    assert str(len(body)) in (longer.error or "")


@pytest.mark.parametrize("start", [b"", START], ids=["noise", "an answer without end"])
def test_endless_output_does_not_fill_the_memory(start: bytes) -> None:
    markers = Markers(limit=100_000)
    markers.feed(start)
    tracemalloc.start()
    for _ in range(400):
        markers.feed(b"y" * 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    found = markers.feed(END + pair(Output("success", result="still here")))
    assert found[-1] == Output("success", result="still here")
    assert len(found) == (2 if start else 1)


def test_a_start_without_an_end_is_told() -> None:
    markers = Markers()
    assert markers.feed(START + b'{"status":') == []
    assert markers.unfinished
