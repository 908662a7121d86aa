"""What root reads on the host, and what follows from it when parts of it are missing or damaged."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from clawkeep.policy import Door, Policy, Window, grants_text
from clawkeep.survey import MARK, NEVER, PARTS, SCRIPT, Survey, parse

NOW = 1_700_000_000
SERVICE = Door("vault", 18443, "vault.lan", 443)
POLICY = Policy("d", "vm", "me", 501, "/Users/me", "_clawkeep", doors=(SERVICE,))
GRANT = Door("debug", 18500, "10.0.30.99", 80, until=NOW + 60.0)


def said(**parts: str) -> Survey:
    texts = dict.fromkeys(PARTS, "") | {"info": "Status: Enabled", "now": f"{NOW}\n"} | parts
    return parse("".join(f"{MARK} {name}\n{text}\n" for name, text in texts.items()))


def test_the_script_is_sound_shell_and_prints_every_part() -> None:
    """Where there is no pf: all parts are there, and what they say is not taken for an answer."""
    done = subprocess.run(
        ["/bin/sh", "-s"], input=SCRIPT, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = parse(done.stdout)
    assert found.parts.keys() == PARTS.keys()
    assert not found.asked
    assert found.now > NOW


def test_a_mark_in_the_middle_of_a_line_is_text() -> None:
    found = said(events=f'{{"text": "the guest said {MARK} main"}}')
    assert found.asked
    assert found.values("events") == {"text": f"the guest said {MARK} main"}


@pytest.mark.parametrize("clock", ["", "{", "[]", '{"t": "x"}', '{"t": 5}', '{"t": NaN}'])
def test_without_a_later_time_on_record_the_wall_clock_counts(clock: str) -> None:
    assert said(clock=clock).now == NOW


def test_the_clock_never_runs_backwards() -> None:
    assert said(clock=f'{{"t": {NOW + 60.5}}}').now == NOW + 60.5


def test_grants_and_the_window_are_open_while_they_last() -> None:
    window = Window(("github.com",), until=NOW + 60.0).text()
    found = said(grants=grants_text([GRANT, replace(GRANT, name="over", until=NOW)]), window=window)
    opened = found.openings(POLICY)
    assert (opened.doors, opened.window) == ((SERVICE, GRANT), ("github.com",))
    assert found.damage == ()


def test_without_a_clock_nothing_that_ends_is_open() -> None:
    found = said(grants=grants_text([GRANT]), now="")
    assert found.now == NEVER
    assert found.openings(POLICY).doors == (SERVICE,)


def test_damaged_files_open_nothing_and_are_told() -> None:
    found = said(grants="{", window='{"format": 7}')
    assert found.openings(POLICY).doors == (SERVICE,)
    assert [text.partition(":")[0] for text in found.damage] == ["grants", "window"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"why": "10.0.30.99:22 answered"}', "10.0.30.99:22 answered"),
        ("{", "no reason on record"),
        ("[]", "no reason on record"),
    ],
)
def test_a_cut_stands_even_when_its_file_is_damaged(text: str, why: str) -> None:
    found = said(cut=text)
    assert found.cut_off == f"the guard has cut the guest off: {why}"
    assert found.wrong(POLICY, None) == (found.cut_off,)
    assert said().cut_off is None
