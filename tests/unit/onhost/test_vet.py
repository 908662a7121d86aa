"""What the host lets be a door: no less strict than the allowlist, and strict about itself."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from clawkeep.declaration import door_of
from clawkeep.link import Link
from clawkeep.model import Service
from clawkeep.model.ports import RESERVED
from clawkeep.onhost import vet
from clawkeep.policy import Door

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
TARGETS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,9}(\.[a-z0-9-]{1,9}){0,3}", fullmatch=True),
    st.text(max_size=20),
)
NUMBERS = st.one_of(st.integers(-1, 70000), st.sampled_from([1023, 1024, 65535, *RESERVED]))


@given(
    name=st.one_of(st.from_regex(r"[a-z0-9-]{1,42}", fullmatch=True), st.text(max_size=5)),
    port=NUMBERS,
    target=st.builds(lambda host, port: f"{host}:{port}", TARGETS, NUMBERS),
    kind=st.sampled_from(["tcp", "tls", "http", "ssh", "udp"]),
    server_name=st.none() | TARGETS,
)
@example("nas", 18022, "10.0.30.20:22", "ssh", None)
@example("nas", 18022, "0x7f000001:22", "tcp", None)
@example("nas\n", 18022, "10.0.30.20:22", "tcp", None)
@example("nas", 18022, "10.0.30.20,fork:22", "tcp", None)
@example("nas", 18022, "localhost:22", "tcp", None)
@example("v", 18443, "v.example:443", "tls", "10.0.0.1")
@example("v", 18443, "v.example:443", "tls", "127.0.0.1")
@example("v", 18443, "v.example:443", "tls", "localhost")
@example("v", 18443, "v.example:443", "tcp", "")
@example("v", 18443, "v.example:443", "tls", "")
def test_the_host_takes_what_the_allowlist_takes_and_nothing_else(
    name: str, port: int, target: str, kind: str, server_name: str | None
) -> None:
    values = {"name": name, "port": port, "target": target, "kind": kind}
    try:
        declared = door_of(Service.model_validate({**values, "server_name": server_name}))
    except ValidationError:
        declared = None
    try:
        host, number = vet.target(target)
        default = host if kind == "tls" else None
        wanted = server_name.lower() if server_name is not None else default
        granted = vet.door(Door(name, port, host, number, kind=kind, server_name=wanted))
    except vet.UnfitError:
        granted = None
    assert (granted is None) == (declared is None)
    if granted and declared:
        assert (granted.target, granted.server_name) == (declared.target, declared.server_name)


def test_the_reserved_ports_are_those_of_the_allowlist() -> None:
    assert vet.RESERVED == RESERVED


@given(st.integers(5, 604_800))
def test_any_time_up_to_a_week_can_be_written_in_seconds(span: int) -> None:
    assert vet.seconds(f"{span}s") == span


@pytest.mark.parametrize(
    ("text", "span"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("7d", 604_800)]
)
def test_a_time_is_a_number_and_a_unit(text: str, span: int) -> None:
    assert vet.seconds(text) == span


@given(st.text(max_size=8))
@example("")
@example("2")
@example("0s")
@example("4s")
@example("8d")
@example("169h")
@example("-1h")
@example("1.5h")
@example("2h\n")
@example("२h")
@example("1h30m")
@example("99999999999999999999d")
def test_any_other_time_is_refused_with_the_form(text: str) -> None:
    if re.fullmatch(r"[1-9][0-9]*[smhd]", text, re.ASCII) and text not in {"4s", "8d", "169h"}:
        assume(len(text) > 9)
    with pytest.raises(vet.UnfitError, match="write 90s, 15m, 2h or 1d"):
        vet.seconds(text)


@pytest.mark.parametrize("reason", ["", "   ", "a\nb", "\x1b[2J", "x" * 201, "a\u202eb"])
def test_a_reason_is_one_visible_line(reason: str) -> None:
    with pytest.raises(vet.UnfitError, match="visible"):
        vet.line(reason, "reason")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("0.0.0.0", "wildcard"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.251", "multicast"),
        ("255.255.255.255", "reserved"),
        ("192.168.64.1", "guest's own network"),
        ("192.168.64.77", "guest's own network"),
    ],
)
def test_no_bridge_leads_back(address: str, why: str) -> None:
    assert why in str(vet.leads_back(IPv4Address(address), LINK))


def test_a_bridge_may_lead_to_another_machine() -> None:
    # TEST-NET-1: no machine has it.
    assert vet.leads_back(IPv4Address("192.0.2.1"), LINK) is None


def test_an_address_of_this_machine_is_its_own() -> None:
    assert vet.own(IPv4Address("127.0.0.1"))
    assert not vet.own(IPv4Address("192.0.2.1"))


def test_a_name_is_astray_when_one_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {IPv4Address("192.0.2.1")}
    monkeypatch.setattr(vet, "addresses", lambda _: frozenset(answer))
    assert vet.astray("v.example", LINK) is None
    answer.add(IPv4Address("127.0.0.1"))
    assert vet.astray("v.example", LINK) == (
        "target v.example is 127.0.0.1, the host's own loopback"
    )


def test_a_listener_is_seen_and_a_mere_connection_is_none() -> None:
    here = IPv4Address("127.0.0.1")
    with socket.create_server((str(here), 0)) as server:
        number = server.getsockname()[1]
        assert vet.taken(here, number)
        client = socket.create_connection((str(here), number))
        served, _ = server.accept()
    with client, served:
        assert not vet.taken(here, number)
