"""squid.conf: the order that decides, and what squid itself says to it."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.domains import allows
from clawkeep.link import Link
from clawkeep.onhost.proxy import DOUBT
from clawkeep.policy import Openings
from clawkeep.render.squid import MOST_CONNECTIONS, never, squid_conf

LINK = Link.of("bridge101", "192.168.65.1", "24", "192.168.65.7")
SQUID = shutil.which("squid", path="/usr/sbin:/opt/homebrew/sbin")


def rules(openings: Openings) -> list[str]:
    text = squid_conf(openings, LINK)
    return [line for line in text.splitlines() if line.startswith("http_access")]


def test_it_listens_on_the_gateway_alone_and_serves_the_guest_alone() -> None:
    lines = squid_conf(Openings(domains=("a.example",)), LINK).splitlines()
    assert [line for line in lines if line.split()[0].endswith("_port")] == [
        "http_port 192.168.65.1:3128"
    ]
    assert [line for line in lines if " src " in line] == ["acl guest src 192.168.65.7"]
    assert rules(Openings(domains=("a.example",)))[0] == "http_access deny !guest mark_denied"


def test_names_are_judged_before_they_are_resolved_and_addresses_before_they_pass() -> None:
    assert rules(Openings(domains=("a.example",), window=("b.example",))) == [
        "http_access deny !guest mark_denied",
        "http_access deny manager mark_denied",
        "http_access deny crowd mark_denied",
        "http_access deny literal mark_denied",
        "http_access deny CONNECT !tls_port mark_denied",
        "http_access deny !CONNECT mark_denied",
        "http_access deny !listed !window mark_denied",
        "http_access deny !resolved mark_denied",
        "http_access deny private mark_denied",
        "http_access allow listed mark_allowed",
        "http_access allow CONNECT window mark_window",
        "http_access deny all mark_denied",
    ]


def test_plain_http_is_for_listed_names_on_port_80_and_never_for_the_window() -> None:
    found = rules(Openings(domains=("a.example",), window=("b.example",), http=True))
    assert "http_access deny !CONNECT mark_denied" not in found
    assert found[5:10] == [
        "http_access deny !CONNECT !web_scheme mark_denied",
        "http_access deny !CONNECT !web_port mark_denied",
        "http_access deny !CONNECT !web_method mark_denied",
        "http_access deny !listed !window mark_denied",
        "http_access deny !CONNECT !listed mark_denied",
    ]


def test_report_mode_lets_names_pass_and_still_no_address_and_nothing_private() -> None:
    found = rules(Openings(domains=("a.example",), report=True))
    assert "http_access deny !listed mark_denied" not in found
    assert found[-5:] == [
        "http_access deny !resolved mark_denied",
        "http_access deny private mark_denied",
        "http_access allow listed mark_allowed",
        "http_access allow guest mark_report",
        "http_access deny all mark_denied",
    ]
    assert "http_access deny literal mark_denied" in found


def test_a_list_that_is_empty_lets_nothing_pass() -> None:
    assert "http_access deny all mark_denied" in rules(Openings())[:7]
    assert not [rule for rule in rules(Openings()) if " allow " in rule]


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_that_is_not_global_is_never_reached(bits: int) -> None:
    address = ip_address(bits)
    v4, _ = never()
    refused = any(address in ip_network(network) for network in v4)
    nowhere = any(address in ip_network(network) for network in DOCUMENTATION)
    assert refused or nowhere or (address.is_global and not address.is_multicast)


DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")


@given(st.integers(0, 2**128 - 1))
def test_every_ipv6_address_that_is_not_global_is_never_reached(bits: int) -> None:
    address = ip_address(bits | 1 << 127) if bits < 2**32 else ip_address(bits)
    _, v6 = never()
    refused = any(address in ip_network(network) for network in v6)
    assert refused or (address.is_global and not address.is_multicast)


def test_ipv4_addresses_are_not_in_what_is_refused_of_ipv6() -> None:
    _, v6 = never()
    assert not [n for n in v6 if ip_network(n).overlaps(ip_network("::ffff:0:0/96"))]


@given(st.lists(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "2.3.4.0/24", "2a00:1::/64"])))
def test_no_refused_network_lies_in_another(more: list[str]) -> None:
    for family in never(*more):
        networks = [ip_network(text) for text in family]
        assert not [
            (a, b) for i, a in enumerate(networks) for b in networks[i + 1 :] if a.overlaps(b)
        ]
    assert all(
        any(ip_network(one).subnet_of(ip_network(n)) for n in never(*more)[":" in one])  # type: ignore[arg-type]
        for one in more
    )


label = st.sampled_from(["a", "b", "c"])
name = st.lists(label, min_size=2, max_size=4).map(".".join)
entry = st.builds(lambda dot, text: f"{dot}{text}", st.sampled_from(["", "."]), name)


@given(st.lists(entry, max_size=30), name)
def test_the_names_in_the_text_are_those_that_are_open(entries: list[str], asked: str) -> None:
    text = squid_conf(Openings(domains=tuple(entries), report=True), LINK)
    listed = [
        word
        for line in text.splitlines()
        if line.startswith("acl listed dstdomain -n ")
        for word in line.split()[4:]
    ]
    assert allows(listed, asked) is allows(entries, asked)


@pytest.mark.skipif(SQUID is None, reason="no squid on this machine")
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize("report", [False, True])
@pytest.mark.parametrize("window", [(), ("ghcr.io", ".github.com")])
def test_squid_reads_all_of_it_without_a_doubt(
    tmp_path: Path, http: bool, report: bool, window: tuple[str, ...]
) -> None:
    names = tuple(f"n{number}.example" for number in range(500))
    openings = Openings(domains=names, window=window, http=http, report=report)
    networks = ("10.0.10.0/24", "93.184.215.0/24", "2a00:1:2:3::/64", "fe80::/64")
    conf = tmp_path / "squid.conf"
    conf.write_text(
        squid_conf(openings, LINK, host_networks=networks, log_dir=str(tmp_path)), "utf-8"
    )
    done = subprocess.run(
        [str(SQUID), "-k", "parse", "-f", str(conf)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if DOUBT.search(line)] == []


@pytest.mark.skipif(SQUID is None, reason="no squid on this machine")
@pytest.mark.parametrize(
    "line",
    [
        "acl private dst 10.1.0.0/16",
        "acl literal dstdom_regex [",
        "acl listed dstdomain -n .a.example b.a.example",
        "acl guest src 0.0.0.0/0",
        "no_such_directive on",
        "http_access allow nobody",
    ],
)
def test_what_squid_reads_otherwise_than_it_is_written_is_a_doubt(
    tmp_path: Path, line: str
) -> None:
    """Of most of these squid only drops a part, and exits 0."""
    conf = tmp_path / "squid.conf"
    conf.write_text(squid_conf(Openings(domains=("a.example",)), LINK) + line + "\n", "utf-8")
    done = subprocess.run(
        [str(SQUID), "-k", "parse", "-f", str(conf)], capture_output=True, text=True, check=False
    )
    assert [row for row in done.stderr.splitlines() if DOUBT.search(row)] or done.returncode


def test_connections_are_limited() -> None:
    assert f"acl crowd maxconn {MOST_CONNECTIONS}" in squid_conf(Openings(report=True), LINK)


def test_what_squid_is_told_beside_its_rules() -> None:
    """Each line is one that squid's defaults would answer otherwise."""
    lines = squid_conf(Openings(domains=("a.example",)), LINK, log_dir="/logs").splitlines()
    apart = {"acl", "http_access", "logformat", "#"}
    said = [line for line in lines if line and line.split()[0] not in apart]
    assert said == [
        "http_port 192.168.65.1:3128",
        "visible_hostname clawkeep",
        "httpd_suppress_version_string on",
        "pid_filename none",
        "shutdown_lifetime 0 seconds",
        "cache deny all",
        "cache_mem 8 MB",
        "memory_pools off",
        "hosts_file none",
        "dns_defnames off",
        "url_rewrite_extras %>a",
        "store_id_extras %>a",
        "positive_dns_ttl 1 hours",
        "negative_dns_ttl 10 seconds",
        "forwarded_for delete",
        "max_filedescriptors 4096",
        "request_header_max_size 32 KB",
        "request_body_max_size 64 MB",
        "request_timeout 30 seconds",
        "dns_timeout 10 seconds",
        "connect_timeout 15 seconds",
        "relaxed_header_parser off",
        "access_log stdio:/logs/access.log clawkeep",
        "cache_log /logs/proxy.log",
        "logfile_rotate 0",
    ]


def test_every_list_that_a_rule_names_is_declared() -> None:
    openings = Openings(domains=("a.example",), window=("b.example",), http=True)
    lines = [line.split() for line in squid_conf(openings, LINK).splitlines()]
    declared = {words[1] for words in lines if words[:1] == ["acl"]}
    named = {
        word.lstrip("!") for words in lines if words[:1] == ["http_access"] for word in words[2:]
    }
    assert named - {"all", "manager"} <= declared
    assert "CONNECT" in declared
