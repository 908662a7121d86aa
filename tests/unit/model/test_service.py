"""Services: what one door may be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clawkeep.model import Service


def service(**changes: Any) -> Service:
    values = {"name": "vault", "port": 18443, "target": "vault.example.net:443", "kind": "tls"}
    return Service.model_validate(values | changes)


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        service(**changes)
    return str(caught.value)


def test_the_label_is_the_prefix_and_the_name() -> None:
    assert service(name="home-assistant").label == "com.nanoclaw.bridge.home-assistant"


@pytest.mark.parametrize("name", ["a", "a1", "home-assistant", "a" * 40])
def test_a_launchd_label_part_is_a_name(name: str) -> None:
    assert service(name=name).name == name


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a b", "a/b", "a\n", "ä", "a" * 41]
)
def test_what_no_launchd_label_can_hold_is_no_name(name: str) -> None:
    assert "cannot name a service" in refused(name=name)


@pytest.mark.parametrize("port", [1024, 8080, 18443, 65535])
def test_an_unprivileged_port_is_accepted(port: int) -> None:
    assert service(port=port).port == port


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        (443, "443 is below 1024, which only root may open"),
        (0, "no TCP port"),
        (-1, "no TCP port"),
        (65536, "no TCP port"),
        (3128, "egress proxy"),
        (5900, "Screen Sharing"),
        (7000, "AirPlay"),
        (True, "valid integer"),
        ("18443", "valid integer"),
    ],
)
def test_other_ports_are_refused_with_the_reason(port: object, reason: str) -> None:
    assert reason in refused(port=port)


def test_the_certificate_must_name_the_target_unless_said_otherwise() -> None:
    assert service().tls_name == "vault.example.net"
    assert service(target="10.0.40.100:6443").tls_name == "10.0.40.100"
    assert service(target="10.0.40.100:6443", server_name="Kubernetes").tls_name == "kubernetes"


@pytest.mark.parametrize("key", ["server_name", "ca"])
def test_only_tls_has_certificate_settings(key: str) -> None:
    assert "only a service of kind tls" in refused(kind="http", **{key: "x"})


@pytest.mark.parametrize("path", ["/etc/ca.pem", "../ca.pem", "~/ca.pem", "a/../../x", "", "a\nb"])
def test_a_ca_lies_beside_the_allowlist(path: str) -> None:
    assert refused(ca=path)


def test_idle_connections_end_after_an_hour_but_ssh_never() -> None:
    assert service().idle_s == 3600
    assert service(kind="ssh").idle_s is None
    assert service(kind="ssh", idle_timeout_s=60).idle_s == 60
    assert service(idle_timeout_s=0).idle_s is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "vault.example.net"),
        ({"server_name": "other.example"}, "other.example"),
        ({"target": "10.0.30.5:443"}, None),
        ({"target": "10.0.30.5:443", "server_name": "kubernetes"}, "kubernetes"),
        ({"kind": "http", "target": "ha.example:8123"}, "ha.example"),
        ({"kind": "ssh", "target": "nas.example:22"}, None),
        ({"kind": "tcp", "target": "nas.example:22"}, None),
    ],
)
def test_the_guest_needs_the_name_that_the_far_end_answers_to(
    changes: dict[str, Any], name: str | None
) -> None:
    assert service(**changes).guest_name == name


@pytest.mark.parametrize(
    "changes",
    [
        {"max_connections": 0},
        {"max_connections": 1025},
        {"idle_timeout_s": -1},
        {"idle_timeout_s": 604_801},
        {"note": "x" * 201},
        {"note": "two\nlines"},
        {"note": "right to \u202eleft"},
        {"kind": "udp"},
        {"bind": "0.0.0.0"},
    ],
)
def test_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    assert refused(**changes)


def test_a_service_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        service().port = 1
