"""The proxy's lines, as squid 5.7 wrote them in our format, become rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.traffic.formats import SQUID_LOGFORMAT
from clawkeep.traffic.squid import FIELDS, row

LINES = (Path(__file__).parent / "samples" / "squid.txt").read_text().splitlines()


def test_the_format_has_as_many_fields_as_are_read() -> None:
    assert len(SQUID_LOGFORMAT.split(" ")) == FIELDS


def test_real_lines() -> None:
    rows = [row(line) for line in LINES]
    assert None not in rows
    assert [(found.target, found.verdict) for found in rows if found] == [
        ("localhost:29101", "allowed"),
        ("127.0.0.1:29101", "report"),
        ("evil.test:443", "denied"),
        ("error:invalid-request", "failed"),
        ("localhost:29199", "failed"),
        ("no.example.com:443", "failed"),
        ("error:invalid-request", "failed"),
        ("localhost:29101", "allowed"),
    ]


def test_a_tunnel_has_its_start_duration_and_bytes() -> None:
    found = row(LINES[0])
    assert found is not None
    # Logged at .469, after 501 ms; 5000 bytes went out and 100 000 came back, with headers.
    assert (found.time, found.duration_ms) == (1795247180.968, 501)
    assert (found.bytes_out, found.bytes_in) == (5059, 100077)
    assert found.peer == "127.0.0.1:42542"


def line(**changed: str) -> str:
    fields = {
        "time": "1795247181.971", "took": "0", "client": "192.168.64.2", "port": "4000",
        "method": "CONNECT", "url": "a.example:443", "status": "200", "result": "TCP_TUNNEL",
        "sent": "1", "received": "2", "server": "10.0.0.1", "note": "allowed", "error": "-",
    } | changed  # fmt: skip
    return " ".join(fields.values())


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "allowed"),
        ({"note": "window"}, "allowed"),
        ({"note": "-"}, "allowed"),
        ({"note": "report"}, "report"),
        ({"note": "denied", "status": "403", "result": "TCP_DENIED"}, "denied"),
        ({"note": "allowed,denied"}, "denied"),
        ({"note": "-", "status": "407", "result": "TCP_DENIED"}, "denied"),
        ({"note": "allowed", "status": "503", "result": "NONE_NONE"}, "failed"),
        ({"note": "-", "status": "400", "result": "TCP_MISS"}, "failed"),
        ({"note": "allowed", "status": "404", "result": "TCP_MISS"}, "allowed"),
    ],
)
def test_verdicts(changed: dict[str, str], verdict: str) -> None:
    found = row(line(**changed))
    assert found is not None
    assert found.verdict == verdict


def test_a_plain_url_keeps_neither_path_nor_user() -> None:
    found = row(line(method="GET", url="http://me:secret@a.example:8080/token?x=secret"))
    assert found is not None
    assert found.target == "a.example:8080"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        line() + " more",
        line(time="now"),
        line(time="99999999999.000"),
        line(took="-1"),
        line(status="2x"),
        line(time="1795247181.9\u0661\u0661"),
    ],
)
def test_another_format_is_no_row(bad: str) -> None:
    assert row(bad) is None


@given(st.lists(st.text(st.characters(exclude_characters=" ")), min_size=6, max_size=6))
def test_hostile_fields_stay_short_and_printable(words: list[str]) -> None:
    client, url, sent, received, note, error = words
    for method in ("CONNECT", "GET"):
        found = row(line(client=client, url=url, sent=sent, received=received, note=note,
                         error=error, method=method))  # fmt: skip
        assert found is not None
        for text in (found.peer, found.target or "", found.detail):
            assert text.isascii()
            assert text.isprintable() or not text
            assert len(text) <= 256
