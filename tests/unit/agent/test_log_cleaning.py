"""What becomes of one line: its date, its colours, its secrets."""

from __future__ import annotations

import base64
import itertools
import json
import time
import urllib.parse
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.guest_programs import load

logclean: Any = load("logclean")

BERLIN = ZoneInfo("Europe/Berlin")
#: Noon before the night in which Berlin's clocks go back, 2026-10-25 03:00 -> 02:00.
BEFORE_FALL = datetime(2026, 10, 24, 12, tzinfo=BERLIN).timestamp()


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be where a day may have 23 or 25 hours."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    zone_changed()
    yield
    monkeypatch.undo()
    zone_changed()


def zone_changed() -> None:
    time.tzset()
    logclean._minute.cache_clear()


def clock(moment_ms: int) -> tuple[int, int, int, int]:
    """What NanoClaw's stamp says of a moment."""
    local = datetime.fromtimestamp(moment_ms // 1000, BERLIN)
    return local.hour, local.minute, local.second, moment_ms % 1000


def ms(moment: float) -> int:
    return round(moment * 1000)


def after(start_ms: int, gaps: list[int]) -> list[int]:
    """Moments, in milliseconds."""
    return list(itertools.accumulate(gaps, initial=start_ms))


@given(
    start=st.integers(0, 4 * 86400),
    gaps=st.lists(st.integers(0, 40 * 60_000), min_size=1, max_size=40),
)
def test_lines_read_soon_after_they_were_written_get_the_moment_of_their_writing(
    start: int, gaps: list[int]
) -> None:
    moments = after((ms(BEFORE_FALL) // 1000 - 86400 + start) * 1000, gaps)
    seen = moments[0]
    for moment in moments:
        found = logclean.moments([clock(moment)], seen / 1000, moment / 1000)
        assert [ms(each) for each in found] == [moment]
        seen = moment


@given(gaps=st.lists(st.integers(0, 86_400_000 - 120_000), min_size=1, max_size=30))
def test_a_backlog_of_days_is_dated_from_its_end_back_over_every_midnight(gaps: list[int]) -> None:
    moments = after(ms(datetime(2026, 5, 1, 23, 59, tzinfo=BERLIN).timestamp()), gaps)
    found = logclean.moments([clock(each) for each in moments], 0.0, moments[-1] / 1000)
    assert [ms(each) for each in found] == moments


def test_the_hour_that_comes_twice_is_told_apart_by_when_it_was_written() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN).timestamp()
    second = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1).timestamp()
    assert second - first == 3600
    assert logclean.moments([(2, 30, 0, 0)], first - 5, first + 1) == [first]
    assert logclean.moments([(2, 30, 0, 0)], second - 5, second + 1) == [second]
    assert logclean.iso(first) == "2026-10-25T02:30:00.000+0200"
    assert logclean.iso(second) == "2026-10-25T02:30:00.000+0100"


def test_neighbours_out_of_order_by_a_moment_stay_on_their_day() -> None:
    end = datetime(2026, 5, 2, 0, 0, 1, tzinfo=BERLIN).timestamp()
    found = logclean.moments([(0, 0, 0, 500), (0, 0, 0, 100)], end - 10, end)
    assert [logclean.iso(each)[:23] for each in found] == [
        "2026-05-02T00:00:00.500",
        "2026-05-02T00:00:00.100",
    ]


@given(st.integers(0, 2_000_000_000_000))
def test_a_printed_moment_is_read_back_and_has_one_width(value: int) -> None:
    text = logclean.iso(value / 1000)
    assert len(text) == 28
    assert abs(ms(logclean.moment_of(text)) - value) <= 1


def test_colours_go_and_the_rest_of_the_line_stays() -> None:
    line = b"[11:33:58.559] \x1b[32mINFO\x1b[39m (7): \x1b[36mup\x1b[39m \x1b[41m\x1b[37mx\x1b[0m"
    assert logclean.ANSI.sub(b"", line) == b"[11:33:58.559] INFO (7): up x"
    title = b"\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b(B."
    assert logclean.ANSI.sub(b"", title) == b"textlink."


SECRETS = st.text(min_size=8, max_size=60)


@given(secret=SECRETS, before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_a_known_secret_is_gone_however_it_is_spelled(
    secret: str, before: bytes, after: bytes
) -> None:
    redactor = logclean.Redactor([("KEY", secret)])
    raw = secret.encode()
    for spelling in (
        raw,
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        urllib.parse.quote(secret, safe="").encode(),
        base64.b64encode(raw).rstrip(b"="),
    ):
        text = redactor.redact(before + b"<" + spelling + b">" + after)
        assert spelling not in text.replace(b"[redacted KEY]", b"\0")
        assert b"[redacted KEY]" in text


def test_what_is_no_secret_is_left_as_it_is() -> None:
    redactor = logclean.Redactor([("PIN", "1234567"), ("KEY", "correct horse battery")])
    text = b"1234567 is too short to be told from innocent words; corect horse; Bearer of news"
    assert redactor.redact(text) == text


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        ("anthropic", "sk-ant-api03-AbCdEf0123456789_-x"),
        ("anthropic", "sk-ant-oat01-AbCdEf0123456789"),
        ("github", "ghp_" + "a1" * 18),
        ("slack", "xoxb-1234567890-abcdefghij"),
        ("discord", "M" + "Ab1" * 8 + ".Gx1y2z." + "q9" * 19),
        ("telegram", "123456789:" + "A_b-9" * 7),
        ("aws", "AKIA" + "ABCD1234" * 2),
        ("jwt", "eyJhbGciOiJI.eyJzdWIiOiIx.AbCdEfGhIjKl"),
        ("bearer", "Bearer abcdefghijklmnop0123"),
        ("private-key", r"-----BEGIN RSA PRIVATE KEY-----\nb3Blbn\n-----END RSA PRIVATE KEY-----"),
    ],
)  # fmt: skip
def test_a_token_that_stands_in_no_file_is_known_by_its_shape(kind: str, token: str) -> None:
    text = logclean.Redactor().redact(f'{{"token":"{token}"}} end'.encode())
    assert text == f'{{"token":"[redacted {kind}]"}} end'.encode()


def test_env_files_are_read_as_nanoclaw_reads_them() -> None:
    text = (
        "# KEY=comment\nA='quoted value'\nB=\"x\"\nASSISTANT_NAME=Al\n C = spaced out \nno line\n"
    )
    assert logclean.secrets_of_env(text, ["ASSISTANT_NAME"]) == [
        ("A", "quoted value"), ("B", "x"), ("C", "spaced out"),
    ]  # fmt: skip


def test_every_string_of_a_damaged_credentials_file_counts_as_secret() -> None:
    whole = logclean.secrets_of_json('{"ANTHROPIC_API_KEY": "first-secret"}')
    assert whole == [("ANTHROPIC_API_KEY", "first-secret")]
    damaged = logclean.secrets_of_json('{"ANTHROPIC_API_KEY": "first-secret", "OTHER": "second-')
    assert ("credential", "first-secret") in damaged


@given(secret=SECRETS, place=st.integers(0, 80), size=st.integers(1, 60))
def test_a_line_that_is_too_long_is_never_cut_inside_a_secret(
    secret: str, place: int, size: int
) -> None:
    redactor = logclean.Redactor([("KEY", secret)])
    text = b"." * place + secret.encode() + b"." * 60
    cut = redactor.cut(text, size)
    assert 0 < cut <= len(text)
    assert not place < cut < place + len(secret.encode())
