"""What egress may be declared, and what is refused with its reason."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clawkeep.model import Egress
from clawkeep.model.egress import NOT_PUBLIC, SHORTEST_PREFIX


def made(**values: Any) -> Egress:
    return Egress.model_validate(values)


def refused(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        made(**values)
    return str(caught.value)


def test_nothing_is_open_unless_declared() -> None:
    assert made() == Egress(mode="none", cidrs=(), ports=(443,), domains=(), http=False)


def test_networks_are_written_as_pf_prints_them() -> None:
    egress = made(mode="cidrs", cidrs=["1.1.1.1/32", "8.8.8.8", "140.82.112.0/20"], ports=[443, 22])
    assert egress.cidrs == ("1.1.1.1", "8.8.8.8", "140.82.112.0/20")
    assert egress.ports == (443, 22)


@pytest.mark.parametrize("network", [*NOT_PUBLIC, "10.0.30.99", "192.168.64.1/32", "8.0.0.0/7"])
def test_a_network_that_is_not_the_internet_is_refused(network: str) -> None:
    reason = refused(mode="cidrs", cidrs=[network])
    assert "is not the internet" in reason or "is wider than /8" in reason


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_no_network_that_is_taken_holds_an_address_of_a_special_range(
    bits: int, length: int
) -> None:
    network = IPv4Network((bits, length), strict=False)
    special = any(network.overlaps(IPv4Network(other)) for other in NOT_PUBLIC)
    if special or length < SHORTEST_PREFIX:
        assert refused(mode="cidrs", cidrs=[str(network)])
    else:
        assert IPv4Network(made(mode="cidrs", cidrs=[str(network)]).cidrs[0]) == network


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("0.0.0.0/0", "wider than /8"),
        ("140.82.112.1/20", "no IPv4 network"),
        ("github.com", "no IPv4 network"),
        ("2606:4700::/32", "is IPv6"),
        ("", "no IPv4 network"),
    ],
)
def test_what_is_no_network_is_refused_with_its_reason(network: str, reason: str) -> None:
    assert reason in refused(mode="cidrs", cidrs=[network])


def test_networks_that_overlap_are_refused() -> None:
    assert "overlap; keep the wider" in refused(mode="cidrs", cidrs=["1.1.1.0/24", "1.1.1.1"])


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    assert "no TCP port" in refused(mode="cidrs", cidrs=["1.1.1.1"], ports=[port])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".com", "top-level"),
        ("com", "top-level"),
        ("*.example.com", "wildcard"),
        ("https://example.com", "bare name"),
        ("example.com:443", "bare name"),
        ("1.2.3.4", "address"),
        ("0x7f.1", "address"),
        ("nas.local", "door in the allowlist"),
        ("a.localhost", "door in the allowlist"),
        ("bücher.example", "xn--"),
        ("a..example", "no host name"),
        ("..example.com", "no host name"),
        ("", "empty"),
        (".", "empty"),
        ("ex ample.com", "no host name"),
        ("example.com\nhttp_access allow all", "no host name"),
    ],
)
def test_what_is_no_domain_is_refused_with_its_reason(name: str, reason: str) -> None:
    assert reason in refused(mode="domains", domains=[name])


def test_domains_are_kept_in_lower_case() -> None:
    assert made(mode="domains", domains=[".Example.COM"]).domains == (".example.com",)


@pytest.mark.parametrize(
    "names",
    [
        [".x.example", "a.x.example"],
        ["a.x.example", ".x.example"],
        ["x.example", ".x.example"],
        [".a.x.example", ".x.example"],
        ["x.example", "X.example"],
    ],
)
def test_a_domain_that_another_covers_is_refused(names: list[str]) -> None:
    assert "covered" in refused(mode="domains", domains=names)


def test_a_profile_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    reason = refused(mode="domains", profiles=["gihtub"])
    assert "known are agent, github, homebrew, npm, pip; did you mean 'github'?" in reason


@pytest.mark.parametrize(
    ("mode", "values"),
    [
        ("none", {"cidrs": ["1.1.1.1"]}),
        ("none", {"domains": ["a.example"]}),
        ("none", {"profiles": ["agent"]}),
        ("none", {"http": True}),
        ("none", {"ports": [80]}),
        ("none", {"report_until": "2026-11-22T12:00Z"}),
        ("cidrs", {"cidrs": ["1.1.1.1"], "domains": ["a.example"]}),
        ("domains", {"domains": ["a.example"], "cidrs": ["1.1.1.1"]}),
        ("domains", {"domains": ["a.example"], "ports": [8443]}),
    ],
)
def test_what_another_mode_would_read_is_refused(mode: str, values: dict[str, Any]) -> None:
    assert "counts in mode" in refused(mode=mode, **values)


@pytest.mark.parametrize("mode", ["cidrs", "domains"])
def test_a_mode_that_opens_nothing_is_refused(mode: str) -> None:
    assert "opens nothing" in refused(mode=mode)


def test_report_mode_may_begin_with_no_name_at_all() -> None:
    egress = made(mode="domains", report_until="2026-11-22T13:00+01:00")
    assert (
        egress.report_until_s
        == made(mode="domains", report_until="2026-11-22T12:00Z").report_until_s
    )
    assert egress.report_until_s == 1795348800.0


@pytest.mark.parametrize(
    "time",
    ["2026-11-22T12:00", "2026-11-22", "tomorrow", "2026-13-22T12:00Z", "2026-11-22T25:00Z", ""],
)
def test_a_report_time_needs_its_zone_and_a_day_that_exists(time: str) -> None:
    assert "is no time" in refused(mode="domains", domains=["a.example"], report_until=time)
