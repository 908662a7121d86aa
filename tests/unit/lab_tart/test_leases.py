import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.mac.tart.addresses import newest_lease
from lab.mac.tart.errors import OtherError
from lab.mac.virtualization.leases import (
    Lease,
    LeaseFile,
    PoolExhaustedError,
    full_mac,
    grant,
    parse,
)

SUBNET = ipaddress.IPv4Interface("192.168.64.1/24")
MAC = "7e:06:2a:11:c0:01"
BLOCK = """\
{
	name=guest
	ip_address=192.168.64.2
	hw_address=1,7e:6:2a:11:c0:1
	identifier=1,7e:6:2a:11:c0:1
	lease=0x64
}
"""


def test_a_lease_is_written_as_bootpd_does() -> None:
    assert Lease(MAC, "192.168.64.2", 100, "guest").block() == BLOCK


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = LeaseFile(str(tmp_path / "dhcpd_leases"))
    assert file.read() == []
    leases = [Lease(MAC, "192.168.64.2", 100, "guest")]
    file.write(leases)
    assert file.read() == leases


def test_a_new_guest_gets_the_lowest_free_address() -> None:
    leases = [Lease("02:00:00:00:00:01", "192.168.64.2", 200)]
    assert grant(leases, MAC, SUBNET, 100, 600) == Lease(MAC, "192.168.64.3", 700)


def test_a_guest_that_comes_back_keeps_its_address_after_expiry() -> None:
    leases = [Lease(MAC, "192.168.64.9", 50)]
    assert grant(leases, MAC, SUBNET, 100, 600).address == "192.168.64.9"


def test_an_expired_address_goes_to_the_next_guest_and_leaves_the_old_one() -> None:
    leases = [Lease("02:00:00:00:00:01", "192.168.64.2", 50)]
    assert grant(leases, MAC, SUBNET, 100, 600).address == "192.168.64.2"
    assert [one.mac for one in leases] == [MAC]


def test_a_lease_of_another_subnet_is_not_kept() -> None:
    leases = [Lease(MAC, "192.168.65.2", 5000)]
    assert grant(leases, MAC, SUBNET, 100, 600).address == "192.168.64.2"


def test_a_day_of_new_guests_exhausts_the_pool() -> None:
    leases: list[Lease] = []
    for number in range(253):
        grant(leases, f"02:00:00:00:00:{number:02x}", SUBNET, 100, 86_400)
    with pytest.raises(PoolExhaustedError):
        grant(leases, MAC, SUBNET, 101, 86_400)


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 500))
def test_no_two_live_leases_share_an_address(macs: list[int], lease_s: int) -> None:
    leases: list[Lease] = []
    for now, mac in enumerate(macs):
        grant(leases, f"02:00:00:00:00:{mac:02x}", SUBNET, now, lease_s)
        assert len({one.address for one in leases}) == len(leases)
        assert len({one.mac for one in leases}) == len(leases)


# tart's own LeasesTests.swift, and its parser's strictness.
def test_an_expired_lease_is_no_answer() -> None:
    expired = BLOCK.replace("0x64", "0x1").replace("64.2", "64.66")
    assert newest_lease(expired + BLOCK + expired, MAC, 99) == "192.168.64.2"
    assert newest_lease(BLOCK, MAC, 100) is None


def test_of_two_leases_the_newer_answers() -> None:
    newer = BLOCK.replace("0x64", "0xc8").replace("64.2", "64.5")
    assert newest_lease(newer + BLOCK, MAC, 0) == "192.168.64.5"
    assert newest_lease(BLOCK + newer, MAC, 0) == "192.168.64.5"


@pytest.mark.parametrize("text", [BLOCK[:-2], BLOCK[:10], "{\n{\n", "}\n", "{\n\tname\n}\n"])
def test_a_half_written_file_is_an_error(text: str) -> None:
    with pytest.raises(OtherError):
        newest_lease(text, MAC, 0)


def test_hardware_addresses_are_compared_in_full() -> None:
    assert full_mac("7E:6:2a:11:c0:1") == MAC
    assert [one.mac for one in parse(BLOCK)] == [MAC]
