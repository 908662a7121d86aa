"""The keep as a whole, and its guest and host."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from pydantic import ValidationError

from clawkeep.model import Guest, Host, Keep, Service

VAULT = {"name": "vault", "port": 18443, "target": "vault.example.net:443", "kind": "tls"}
NAS = {"name": "nas", "port": 18022, "target": "10.0.30.20:22", "kind": "ssh"}
DIGEST = "ghcr.io/cirruslabs/macos-sequoia-base@sha256:" + "a" * 64


def refused(model: type[Guest | Host | Keep], **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return str(caught.value)


def test_a_keep_refuses_two_services_of_one_name_or_port() -> None:
    assert "the name 'vault' is already taken" in refused(
        Keep, services=[VAULT, NAS | {"name": "vault"}]
    )
    assert "18443 is already the port of 'vault'" in refused(
        Keep, services=[VAULT, NAS | {"port": 18443}]
    )


def test_a_keep_refuses_a_door_into_the_guest_network() -> None:
    inside = NAS | {"target": "192.168.64.1:22"}
    assert "in the guest's own network 192.168.64.0/24" in refused(Keep, services=[inside])
    elsewhere = Keep.model_validate(
        {"services": [inside], "host": {"guest_network": "192.168.65.0/24"}}
    )
    assert elsewhere.services_inside(IPv4Network("192.168.64.0/24")) == elsewhere.services
    assert elsewhere.services_inside(IPv4Network("192.168.65.0/24")) == ()


def test_equal_declarations_have_equal_digests_and_others_not() -> None:
    one, same = (
        Keep.model_validate({"services": [VAULT]}),
        Keep.model_validate({"services": [VAULT]}),
    )
    other = Keep.model_validate({"services": [VAULT | {"port": 18444}]})
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert len(one.digest) == 64


def test_the_labels_are_those_of_the_services() -> None:
    keep = Keep(services=(Service.model_validate(VAULT), Service.model_validate(NAS)))
    assert keep.bridge_labels == {"com.nanoclaw.bridge.vault", "com.nanoclaw.bridge.nas"}


def test_a_sound_keep_has_no_warnings() -> None:
    assert Keep(guest=Guest(image=DIGEST)).warnings == ()


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ({"memory_mb": 4096}, "8192 is recommended"),
        ({"image": "ghcr.io/cirruslabs/macos-sequoia-base:latest"}, "has no digest"),
        ({"mounts": ["groups:/srv/groups:ro"]}, "NanoClaw writes logs"),
        ({"mounts": ["ipc:/srv/ipc"]}, "no file events"),
    ],
)
def test_what_will_disappoint_is_warned_of(guest: dict[str, Any], said: str) -> None:
    keep = Keep(guest=Guest.model_validate({"image": DIGEST} | guest))
    (warning,) = keep.warnings
    assert said in warning


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/cirruslabs/macos-sequoia-base",
        "ghcr.io/cirruslabs/macos-sequoia-base:latest",
        "registry.example:5000/a/b:1.0",
        DIGEST,
    ],
)
def test_an_image_reference_is_accepted(image: str) -> None:
    assert Guest(image=image).pinned is image.endswith("a" * 64)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "nanoclaw-vm",
        "cirruslabs/macos-sequoia-base",
        "ghcr.io/",
        "ghcr.io/Upper/case",
        "ghcr.io/a/b:",
        "ghcr.io/a/b:x y",
        "ghcr.io/a/b@sha256:abc",
        "ghcr.io/a/b:latest@sha256:" + "a" * 64,
        "ghcr.io/a/b@sha256:" + "A" * 64,
        "ghcr.io//b",
        "-x.io/a/b",
    ],
)
def test_what_is_no_image_reference_is_refused(image: str) -> None:
    assert refused(Guest, image=image)


@pytest.mark.parametrize(
    "values",
    [
        {"cpu": 3},
        {"cpu": "4"},
        {"memory_mb": 2048},
        {"disk_gb": 49},
        {"name": "nano/claw"},
        {"name": "-vm"},
        {"user": "admin"},
        {"user": "root"},
        {"user": "Claw"},
        {"network": "bridged"},
        {"packages": ["steipete/tap/remindctl"]},
        {"packages": ["jq", "jq"]},
        {"packages": ["--force"]},
        {"packages": "jq"},
        {"tapped": ["remindctl"]},
        {"pip_tools": ["edge-tts==1; rm"]},
        {"pip_tools": ["-r"]},
        {"mounts": ["a:/srv/x", "b:/srv/x/y"]},
        {"colour": "red"},
    ],
)
def test_what_no_guest_can_be_is_refused(values: dict[str, Any]) -> None:
    assert refused(Guest, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"tap": "tart"},
        {"tart_version": "latest"},
        {"bridge_user": "root"},
        {"bridge_user": "admin"},
        {"guest_network": "8.8.8.0/24"},
        {"guest_network": "192.168.64.1/24"},
        {"guest_network": "192.168.64.0/31"},
        {"guest_network": 5},
        {"packages": ["socat;x"]},
    ],
)
def test_what_no_host_can_be_is_refused(values: dict[str, Any]) -> None:
    assert refused(Host, **values)


@pytest.mark.parametrize(
    ("part", "key", "answer"),
    [
        ("decisions", "agent", "container"),
        ("decisions", "rescue_bot", "guest"),
    ],
)
def test_an_answer_that_is_not_built_yet_is_refused_with_the_reason(
    part: str, key: str, answer: str
) -> None:
    assert f"{answer!r} is not available yet: " in refused(Keep, **{part: {key: answer}})


def test_the_base_snapshot_is_named_after_the_guest() -> None:
    assert Guest().base_snapshot == "nanoclaw-vm-base"


def test_the_resolver_brings_its_own_formula_once() -> None:
    resolving = {"dns": "resolver"}
    assert "dnsmasq" not in Keep().host_packages
    assert Keep.model_validate({"decisions": resolving}).host_packages[-1] == "dnsmasq"
    named = {"decisions": resolving, "host": {"packages": ["dnsmasq", "socat"]}}
    assert Keep.model_validate(named).host_packages == ("dnsmasq", "socat")
