"""Packets by which a guest's root tries to leave: which layer holds each, and that both hold all.

The same packets, from the same code, are sent by four guests (attacks/stands.py). From one that is
behind nothing every attack must come through, or that it was held proves nothing. What came
through is counted at the far end, below all servers, so that an answer is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clawkeep.model import Egress
from clawkeep.render.softnet import softnet_flags
from lab.lab import Lab
from tests.lab.attacks import stands
from tests.lab.attacks.stands import Stand
from tests.lab.attacks.table import AS_THE_KEEP, ATTACKS, DOORS, OVER_IPV6, Attack, over_ipv6
from tests.lab.conftest import unique_name
from tests.lab.keep import CHECKOUT, GUEST, Built

pytestmark = pytest.mark.lab

Results = dict[str, int]
ALL = [*(attack.name for attack in ATTACKS), *OVER_IPV6, AS_THE_KEEP.name]
BY_NAME = {attack.name: attack for attack in (*ATTACKS, *over_ipv6("fe80::1"), AS_THE_KEEP)}


def attacked(stand: Stand, passes: Callable[[Attack], bool]) -> Results:
    """Attack from this stand; return how much of each attack came through."""
    with stands.careless(stand.lab):
        attacks = (*ATTACKS, *over_ipv6(stands.gateway6(stand.lab)), AS_THE_KEEP)
        return stand.arrived(attacks, {attack.name for attack in attacks if passes(attack)})


@pytest.fixture(scope="module")
def control() -> Iterator[tuple[Stand, Stand]]:
    lab = Lab.up(unique_name("open"))
    try:
        yield stands.unguarded(lab)
    finally:
        lab.down()


@pytest.fixture(scope="module")
def behind_nothing(control: tuple[Stand, Stand]) -> Results:
    return attacked(control[0], lambda attack: True)


@pytest.fixture(scope="module")
def behind_softnet(control: tuple[Stand, Stand]) -> Results:
    return attacked(control[1], lambda attack: not attack.by_softnet)


@pytest.fixture(scope="module")
def behind_pf(keep: Built) -> Results:
    neighbour = stands.run_guest(keep.lab, f"{GUEST}-base", "neighbour")
    return attacked(neighbour, lambda attack: not attack.by_pf)


@pytest.fixture(scope="module")
def behind_both(keep: Built) -> Results:
    return attacked(Stand(keep.lab, GUEST), lambda attack: attack == AS_THE_KEEP)


@pytest.mark.parametrize("name", ALL)
def test_nothing_holds_it_but_a_layer(behind_nothing: Results, name: str) -> None:
    assert behind_nothing[name] >= BY_NAME[name].least


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_softnet_alone(behind_softnet: Results, name: str) -> None:
    """Holds all but what goes to the gateway, where it knows no ports (reference/tart.md §2.3)."""
    if BY_NAME[name].by_softnet:
        assert behind_softnet[name] == 0
    else:
        assert behind_softnet[name] >= BY_NAME[name].least


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_pf_alone(behind_pf: Results, name: str) -> None:
    """Holds all but the one lie that it cannot see through: whose address a packet carries."""
    if BY_NAME[name].by_pf:
        assert behind_pf[name] == 0
    else:
        assert behind_pf[name] >= BY_NAME[name].least


@pytest.mark.parametrize("name", ALL)
def test_the_keep_holds_it(behind_both: Results, name: str) -> None:
    if name == AS_THE_KEEP.name:
        assert behind_both[name] >= 1  # Its own address, at a declared door: the control.
    else:
        assert behind_both[name] == 0


def test_the_keep_is_none_the_worse_for_it(keep: Built, behind_both: Results) -> None:
    """The attacker changed its addresses and swept all ports; its doors are as declared."""
    stands.host(keep.lab, "/opt/clawkeep/bin/clawkeep enforce")
    report = keep.status()
    assert [door["verdict"] for door in report["doors"]] == ["well"] * 4
    assert stands.host(keep.lab, "ls /opt/clawkeep/var").stdout.count("cut.json") == 0


def test_the_table_is_about_this_checkout() -> None:
    """Every attack of the guest's program is in it; the flags and the doors are the keep's."""
    source = Path(stands.__file__).with_name("guest.py").read_text()
    attacks = source.split("# The attacks.")[1].split("def main")[0]
    written = {line.split("(")[0][4:] for line in attacks.splitlines() if line.startswith("def ")}
    assert written - {"knock"} == {attack.sends for attack in BY_NAME.values()}
    declared = (CHECKOUT / "allowlist.yml").read_text()
    assert sorted(DOORS.split(", ")) == sorted(
        line.split(":")[1].strip() for line in declared.splitlines() if "    port:" in line
    )
    assert len(BY_NAME) == len(ALL)
    assert stands.SOFTNET.split() == list(softnet_flags(Egress()))
