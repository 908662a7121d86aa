"""The command that runs the guest, and its softnet flags."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.model import Egress, Guest
from clawkeep.render.softnet import softnet_flags
from clawkeep.render.tart_run import mount_flags, tart_run

GUEST = Guest.model_validate(
    {"mounts": ["groups:~/claw/My Groups:ro", "ipc:/srv/ipc", "memory:~/claw/memory"]}
)


def test_the_guest_runs_headless_closed_and_with_its_mounts() -> None:
    assert tart_run(GUEST, Egress(), home="/Users/operator") == (
        "tart",
        "run",
        "--no-graphics",
        "--no-audio",
        "--no-clipboard",
        "--net-softnet-block=0.0.0.0/0",
        "--net-softnet-allow=@host",
        "--dir=groups:/Users/operator/claw/My Groups:ro",
        "--dir=ipc:/srv/ipc",
        "--dir=memory:/Users/operator/claw/memory",
        "nanoclaw-vm",
    )


def test_an_older_softnet_is_given_the_gateway_itself() -> None:
    assert softnet_flags(Egress(), gateway=IPv4Address("192.168.64.1")) == (
        "--net-softnet-block=0.0.0.0/0",
        "--net-softnet-allow=192.168.64.1/32",
    )


def test_declared_networks_are_allowed_beside_the_gateway_each_with_its_length() -> None:
    egress = Egress.model_validate({"mode": "cidrs", "cidrs": ["1.1.1.1", "140.82.112.0/20"]})
    assert softnet_flags(egress) == (
        "--net-softnet-block=0.0.0.0/0",
        "--net-softnet-allow=@host,1.1.1.1/32,140.82.112.0/20",
    )


def test_names_are_reached_through_the_gateway_alone() -> None:
    egress = Egress.model_validate({"mode": "domains", "profiles": ["agent"]})
    assert softnet_flags(egress) == softnet_flags(Egress())


def test_mounts_that_meet_under_the_real_home_are_refused() -> None:
    guest = Guest.model_validate({"mounts": ["a:~/x", "b:/Users/operator/x/y"]})
    with pytest.raises(ValueError, match="'a' and 'b' overlap"):
        tart_run(guest, Egress(), home="/Users/operator")


@pytest.mark.parametrize("home", ["/Users/a:b", "Users/a", "~", ""])
def test_a_home_that_tart_would_misread_is_refused(home: str) -> None:
    with pytest.raises(ValueError, match="absolute path without a colon"):
        mount_flags((), home)


@given(st.lists(st.from_regex(r"/srv/[a-z ]{1,9}[a-z]", fullmatch=True), max_size=4, unique=True))
def test_each_mount_is_one_argument_that_tart_splits_as_meant(paths: list[str]) -> None:
    guest = Guest.model_validate(
        {"mounts": [{"name": f"m{n}", "path": path} for n, path in enumerate(paths)]}
    )
    flags = mount_flags(guest.mounts, "/Users/operator")
    split = [flag.removeprefix("--dir=").split(":") for flag in flags]
    assert split == [[f"m{n}", path, "ro"] for n, path in enumerate(paths)]
