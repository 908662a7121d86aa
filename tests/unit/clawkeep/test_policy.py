"""The policy's own text, and what is open at a moment."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.policy import (
    REPORT_LONGEST_S,
    Door,
    EgressPolicy,
    Openings,
    Policy,
    PolicyError,
    Window,
    grants_text,
    openings,
    parse_grants,
    parse_policy,
    parse_window,
    report_note,
)

text = st.text(max_size=12)
port = st.integers(1024, 65535)
clock = st.floats(0, 1e10)
door = st.builds(
    Door,
    name=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    port=port,
    target_host=text,
    target_port=port,
    ca=st.none() | text,
    idle_s=st.none() | st.integers(0, 9),
    until=st.none() | clock,
    reason=text,
)
egress = st.builds(
    EgressPolicy,
    mode=st.sampled_from(["none", "cidrs", "domains"]),
    cidrs=st.lists(text, max_size=3).map(tuple),
    ports=st.lists(port, max_size=3).map(tuple),
    domains=st.lists(text, max_size=3).map(tuple),
    http=st.booleans(),
    report_until=st.none() | clock,
)
policy = st.builds(
    Policy,
    digest=text,
    guest=text,
    owner=text,
    owner_uid=st.integers(0, 1000),
    owner_home=text,
    bridge_user=text,
    doors=st.lists(door.map(lambda d: replace(d, until=None)), max_size=3).map(tuple),
    egress=egress,
    dns=st.sampled_from(["hosts", "resolver"]),
)
PLAIN = Policy("d", "vm", "me", 501, "/Users/me", "_clawkeep")


@given(policy)
def test_a_policy_reads_back(declared: Policy) -> None:
    assert parse_policy(declared.text()) == declared


@given(st.lists(door, max_size=4).map(tuple))
def test_grants_read_back(grants: tuple[Door, ...]) -> None:
    assert parse_grants(grants_text(grants)) == grants


@given(st.lists(text, max_size=3).map(tuple), clock)
def test_a_window_reads_back(domains: tuple[str, ...], until: float) -> None:
    window = Window(domains, until)
    assert parse_window(window.text()) == window


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"format": 2}, "format"),
        ({"owner_uid": "501"}, "owner_uid"),
        ({"owner_uid": True}, "owner_uid"),
        ({"surprise": 1}, "surprise"),
        ({"doors": {}}, "doors"),
        ({"doors": [{"name": "x"}]}, "door"),
        ({"doors": [7]}, "door"),
        ({"egress": {"domains": [1]}}, "domains"),
        ({"egress": {"report_until": "soon"}}, "report_until"),
        ({"egress": []}, "egress"),
    ],
)
def test_a_damaged_policy_is_refused_by_name(change: dict[str, object], names: str) -> None:
    data = json.loads(PLAIN.text()) | change
    with pytest.raises(PolicyError, match=names):
        parse_policy(json.dumps(data))


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_policy_is_refused(damaged: str) -> None:
    for read in (parse_policy, parse_grants, parse_window):
        with pytest.raises(PolicyError):
            read(damaged)


def test_a_missing_value_is_refused() -> None:
    data = json.loads(PLAIN.text())
    del data["owner"]
    with pytest.raises(PolicyError, match="owner"):
        parse_policy(json.dumps(data))


SERVICE = Door("vault", 18443, "vault.lan", 443)
GRANT = Door("debug", 18500, "10.0.30.99", 80, until=1000.0)


def test_a_grant_is_open_until_its_second() -> None:
    declared = replace(PLAIN, doors=(SERVICE,))
    assert openings(declared, [GRANT], now=999.9).doors == (SERVICE, GRANT)
    assert openings(declared, [GRANT], now=1000.0).doors == (SERVICE,)


@pytest.mark.parametrize("clash", [{"name": "vault"}, {"port": 18443}, {"until": None}])
def test_a_grant_never_overrules_the_allowlist_or_lasts_for_ever(clash: dict[str, object]) -> None:
    declared = replace(PLAIN, doors=(SERVICE,))
    grant = replace(GRANT, **clash)  # type: ignore[arg-type]
    assert openings(declared, [grant], now=0.0).doors == (SERVICE,)


def test_the_window_ends_by_the_clock() -> None:
    window = Window(("github.com",), until=60.0)
    assert openings(PLAIN, window=window, now=59.0).window == ("github.com",)
    assert openings(PLAIN, window=window, now=59.0).proxy
    assert openings(PLAIN, window=window, now=60.0) == Openings()


@given(policy, st.lists(door, max_size=4), clock)
def test_nothing_is_open_that_nobody_declared(
    declared: Policy, grants: list[Door], now: float
) -> None:
    found = openings(declared, grants, now=now)
    for opened in found.doors:
        assert opened in declared.doors or (opened in grants and opened.until is not None)
    mode = declared.egress.mode
    assert mode == "cidrs" or not (found.cidrs or found.ports)
    assert mode == "domains" or not (found.domains or found.http or found.report or found.proxy)


def test_reporting_ends_by_the_clock() -> None:
    declared = replace(PLAIN, egress=EgressPolicy("domains", report_until=10.0))
    assert openings(declared, now=9.0).report
    assert not openings(declared, now=10.0).report


@pytest.mark.parametrize(
    ("until", "counts", "said"),
    [
        (None, False, None),
        (99.0, False, "has ended"),
        (100.0, False, "has ended"),
        (101.0, True, None),
        (100.0 + REPORT_LONGEST_S, True, None),
        (101.0 + REPORT_LONGEST_S, False, "more than 7 days ahead"),
    ],
)
def test_report_mode_counts_until_its_end_and_never_for_long(
    until: float | None, counts: bool, said: str | None
) -> None:
    egress = EgressPolicy(mode="domains", domains=("a.example",), report_until=until)
    shut = Policy("", "keep", "me", 501, "/Users/me", "nobody", egress=egress)
    assert openings(shut, now=100.0).report is counts
    note = report_note(egress, 100.0)
    assert (note is None) is (said is None)
    assert said is None or said in str(note)
