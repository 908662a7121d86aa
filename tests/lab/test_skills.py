"""Skills in a real guest: through the real doors, with real gh, kubectl and ssh."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.keep import Built
from tests.lab.skilled import EGRESS, Skilled

pytestmark = pytest.mark.lab

TOKENS = {
    "GH_LAB": "ghp_lab_babybot",
    "KUBE_LAB": "lab-agent-7d01",
    "HA_LAB": "ha-planted-5521",
}
SKILLS = {
    "gh": {"user": "babybot", "token": "env:GH_LAB"},
    "kubectl": {"token": "env:KUBE_LAB"},
    "ha_api": {"token": "env:HA_LAB"},
    "truenas": {"user": "root", "key": "env:NAS_LAB"},
}


@pytest.fixture(scope="module")
def skilled(keep: Built) -> Iterator[Skilled]:
    key = (keep.lab.state.folder / "certificates" / "truenas_ssh.client").read_text()
    made = Skilled(keep, {**TOKENS, "NAS_LAB": key})
    made.declare(SKILLS, EGRESS)
    made.said = made.apply("network,skills")
    yield made


def test_every_skill_is_installed_configured_and_proved(skilled: Skilled) -> None:
    status, rows = skilled.matrix()
    assert {name: (r["proof"], r["verdict"]) for name, r in rows.items()} == {
        name: ("ok", "well") for name in SKILLS
    }, json.dumps(rows, indent=2)
    assert status == 0
    assert rows["gh"]["evidence"] == "logged in to github.com as babybot"
    assert rows["kubectl"]["evidence"] == (
        "Kubernetes v1.34.1 as kubernetes, the token is no administrator's"
    )
    assert rows["ha_api"]["evidence"] == "2 states, services of 1 domains"
    assert rows["truenas"]["evidence"].startswith("truenas-ssh, host key as pinned: truenas-ssh:")
