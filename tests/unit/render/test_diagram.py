"""The picture of the keep, and how Mermaid draws it."""

from __future__ import annotations

import re

from hypothesis import given

from clawkeep.model import Keep
from clawkeep.render.diagram import SHOWN, diagram, picture
from tests.unit.explain.keeps import keeps

VAULT = {"name": "vault", "port": 18443, "target": "vault.lan:443", "kind": "tls"}
LABEL = re.compile(r'"([^"]*)"')


def shown(label: str) -> str:
    """A label as Mermaid shows it."""
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)


def test_the_picture_shows_both_walls_doors_targets_and_folders() -> None:
    keep = Keep.model_validate(
        {
            "services": [
                VAULT,
                {"name": "db", "port": 15432, "target": "10.0.30.6:5432", "kind": "tcp"},
            ],
            "guest": {"mounts": ['ipc:~/claw "x" #1', "memory:/srv/memory:ro"]},
        }
    )
    assert diagram(keep) == (
        "flowchart LR\n"
        '    subgraph host["Host: the Mac"]\n'
        '        guest["nanoclaw-vm<br/>4 CPU, 8192 MB, 50 GB<br/>user claw"]\n'
        '        softnet{{"Softnet<br/>gateway only"}}\n'
        '        pf{{"pf<br/>doors, then wall"}}\n'
        '        door0["vault<br/>gateway:18443"]\n'
        '        door1["db<br/>gateway:15432"]\n'
        '        folder0[("~/claw #34;x#34; #35;1")]\n'
        '        folder1[("/srv/memory")]\n'
        "    end\n"
        "    guest --> softnet --> pf\n"
        '    target0["vault.lan:443"]\n'
        '    pf --> door0 -->|"TLS"| target0\n'
        '    target1["10.0.30.6:5432"]\n'
        '    pf --> door1 -->|"tcp"| target1\n'
        '    guest ---|"read and write"| folder0\n'
        '    guest ---|"read-only"| folder1\n'
        '    softnet --x outside["internet, LAN, other guests, IPv6"]\n'
        '    pf --x ports["every other port of the Mac"]\n'
    )


def test_domains_lead_through_the_proxy_and_networks_lead_straight_out() -> None:
    names = [f"n{number}.example.org" for number in range(SHOWN + 2)]
    domains = Keep.model_validate(
        {"egress": {"mode": "domains", "domains": names, "profiles": ["npm"]}}
    )
    text = diagram(domains)
    assert '        door0["proxy<br/>gateway:3128"]\n' in text
    assert '    pf --> door0 -->|"HTTPS"| target0\n' in text
    assert 'n5.example.org<br/>and 3 more"]' in text
    cidrs = Keep.model_validate(
        {"egress": {"mode": "cidrs", "cidrs": ["140.82.112.0/20"], "ports": [22, 443]}}
    )
    text = diagram(cidrs)
    assert '    target0["140.82.112.0/20"]\n    pf -->|"TCP 22, 443"| target0\n' in text
    assert '"Softnet<br/>gateway + networks"' in text
    assert "other internet, LAN" in text


@given(keeps())
def test_no_text_breaks_out_of_its_label(keep: Keep) -> None:
    text = diagram(keep)
    skeleton = LABEL.sub('""', text)
    assert set(skeleton) <= set('abcdefghijklmnopqrstuvwxyzTLR0123456789[](){}<>-| "\n')
    labels = {shown(label) for label in LABEL.findall(text)}
    for mount in keep.guest.mounts:
        assert mount.path in labels
    for service in keep.services:
        assert f"{service.name}<br/>gateway:{service.port}" in labels
        assert str(service.target) in labels
    for label in LABEL.findall(text):
        assert not set(label.replace("<br/>", "")) & set('"<>&`*\\[]{}|')


@given(keeps())
def test_one_way_per_service_and_one_for_the_internet(keep: Keep) -> None:
    ways = picture(keep).ways
    assert [way.gate[0] for way in ways[: len(keep.services)]] == [s.name for s in keep.services]
    assert len(ways) - len(keep.services) == (keep.egress.mode != "none")
