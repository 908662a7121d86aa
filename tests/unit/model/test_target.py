"""Targets: host:port and nothing that could be read as anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.model import Target


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("bitwarden.cstrube.de:443", "bitwarden.cstrube.de", 443),
        ("10.0.30.5:8123", "10.0.30.5", 8123),
        ("Vault.Example.NET:1", "vault.example.net", 1),
        ("nas:65535", "nas", 65535),
    ],
)
def test_a_host_and_a_port_are_read(text: str, host: str, port: int) -> None:
    assert Target.parse(text) == Target(host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.30.5", "has no port"),
        (":443", "has no host"),
        ("nas:", "no valid port"),
        ("nas:0", "no valid port"),
        ("nas:022", "no valid port"),
        ("nas:65536", "does not exist"),
        ("nas:4 43", "no valid port"),
        ("nas:٤٤٣", "no valid port"),
        ("https://nas:443", "is a URL"),
        ("nas:443/x", "is a URL"),
        ("[fe80::1]:22", "looks like IPv6"),
        ("fe80::1", "looks like IPv6"),
        ("10.0.30.999:22", "neither a host name nor an IPv4"),
        ("10.1:22", "neither a host name nor an IPv4"),
        ("0x7f000001:22", "neither a host name nor an IPv4"),
        ("2130706433:22", "neither a host name nor an IPv4"),
        ("010.0.0.1:22", "neither a host name nor an IPv4"),
        ("my nas:22", "no host name"),
        ("nas.:22", "no host name"),
        ("-nas:22", "no host name"),
        ("na_s:22", "no host name"),
        ("nas,fork:22", "no host name"),
        ("nas\n:22", "no host name"),
        ("bücher.example:22", "not ASCII"),
        (f"{'a.' * 130}de:1", "longer than 253"),
        ("localhost:22", "the host itself"),
        ("x.localhost:22", "the host itself"),
        ("127.0.0.1:22", "loopback"),
        ("0.0.0.0:22", "wildcard"),
        ("169.254.1.1:22", "link-local"),
        ("224.0.0.251:5353", "multicast"),
        ("255.255.255.255:22", "reserved"),
        ("0.1.2.3:22", "reserved"),
    ],
)
def test_what_is_no_target_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Target.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_value_error(text: str) -> None:
    try:
        target = Target.parse(text)
    except ValueError:
        return
    assert Target.parse(str(target)) == target
    assert 1 <= target.port <= 65535
    assert set(target.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
