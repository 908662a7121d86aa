"""The guest's hosts file: our lines, and every byte of everybody else's."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clawkeep.model import Service
from clawkeep.render.hosts import HEADLINE, hosts_block, merge, remove

GATEWAY = IPv4Address("192.168.64.1")
STOCK = (
    "##\n# Host Database\n##\n127.0.0.1\tlocalhost\n255.255.255.255\tbroadcasthost\n::1 localhost\n"
)
BLOCK = f"{HEADLINE}\n192.168.64.1\tvault.lan\t# clawkeep\n"


def service(**changes: Any) -> Service:
    values = {"name": "vault", "port": 18443, "target": "vault.lan:443", "kind": "tls"}
    return Service.model_validate(values | changes)


def test_each_name_leads_to_the_gateway_once() -> None:
    services = [
        service(),
        service(name="again", port=18444),
        service(name="ha", port=18123, target="10.0.30.5:8123", kind="http"),
        service(name="k8s", port=16443, target="10.0.40.100:6443", server_name="kubernetes"),
        service(name="nas", port=18022, target="nas.lan:22", kind="ssh"),
    ]
    assert hosts_block(services, GATEWAY) == (
        "# Names of the keep's services; do not edit these lines # clawkeep\n"
        "192.168.64.1\tvault.lan\t# clawkeep\n"
        "192.168.64.1\tkubernetes\t# clawkeep\n"
    )


def test_without_names_there_is_no_block() -> None:
    assert hosts_block([service(kind="tcp")], GATEWAY) == ""


def test_our_lines_come_first_and_the_rest_stays() -> None:
    assert merge(STOCK, BLOCK) == BLOCK + STOCK


def test_a_changed_block_replaces_the_old_one_wherever_it_is() -> None:
    old = STOCK + BLOCK.replace("vault.lan", "old.lan").replace("\n", "\r\n") + "10.0.0.1 x"
    assert merge(old, BLOCK) == BLOCK + STOCK + "10.0.0.1 x"


def test_an_empty_block_removes_ours() -> None:
    assert merge(BLOCK + STOCK, "") == STOCK


FOREIGN = st.text(st.characters(codec="utf-8"), max_size=80).filter(lambda t: "clawkeep" not in t)


@given(FOREIGN)
def test_any_foreign_text_survives_byte_by_byte(text: str) -> None:
    merged = merge(text, BLOCK)
    assert merged == BLOCK + text
    assert remove(merged) == text


@given(st.lists(st.sampled_from(["a", "\n", "\r\n", "# clawkeep", "#", " "]), max_size=30))
def test_merging_twice_is_merging_once(parts: list[str]) -> None:
    text = "".join(parts)
    once = merge(text, BLOCK)
    assert merge(once, BLOCK) == once
    assert merge(once, "") == remove(text)


def test_our_lines_go_from_a_file_with_dos_line_ends_too() -> None:
    others = "127.0.0.1\tlocalhost\r\n1.2.3.4\tother\r\n"
    assert remove(BLOCK.replace("\n", "\r\n") + others) == others
