"""What the roles leave is what is expected: all of it, and of nothing that is not declared."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from clawkeep import declared
from clawkeep.audit.check import Check, Machine
from clawkeep.audit.looks import LOOKS
from clawkeep.audit.run import SKILL, chosen
from clawkeep.audit.scene import Scene
from clawkeep.link import EXAMPLE, Link
from roles.audit import checks

CHECKOUT = Path(__file__).resolve().parents[3]
SCENE = Scene("mac", "me", 501, "/Users/me", EXAMPLE, guest_address="192.168.64.2")

EVERYTHING = """
egress = {"mode": "domains", "profiles": ["agent", "github"]}
decisions["dns"] = "resolver"
agent = {"profile": "v1.2", "env": {"TZ": "Europe/Berlin"},
         "secrets": {"ANTHROPIC_API_KEY": "sealed:key"}}
alerts = [{"hook": "ntfy", "url": "sealed:ntfy"}]
backup = {"key": "sealed:backup", "folder": "/Volumes/Backup/clawkeep"}
skills = {"say": {}, "gh": {"user": "bot", "token": "sealed:github"},
          "host_whisper": {"model": "~/models/a.bin", "sha256": "%s"}}
""" % ("a" * 64)


@pytest.fixture
def expected(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """The checks of a keep that declares everything there is."""
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    data = project / "group_data" / "all.py"
    data.write_text(data.read_text() + EVERYTHING)
    text = (project / "allowlist.yml").read_text()
    whisper = "  - {name: whisper, port: 18178, target: 127.0.0.1:8178, kind: http}\n"
    (project / "allowlist.yml").write_text(text.rstrip("\n") + "\n" + whisper)
    declared.keep.cache_clear()
    return checks(declared.keep(), SCENE)


def names(found: list[Check]) -> list[str]:
    return [check.name for check in found]


def test_each_check_has_a_name_of_its_own_and_a_look(expected: list[Check]) -> None:
    assert len(set(names(expected))) == len(expected)
    assert {c.kind for c in expected} <= {*LOOKS, SKILL, "policy"}
    assert {c.kind for c in expected} >= set(LOOKS)


def test_every_job_that_the_product_names_is_expected(expected: list[Check]) -> None:
    """A new job is in the source of a role or a renderer: this fails until it is audited."""
    text = "".join(
        path.read_text()
        for folder in ("roles", "clawkeep/render", "clawkeep/nanoclaw")
        for path in (CHECKOUT / folder).rglob("*.py")
        if "audit" not in path.parts
    )
    labels = set(re.findall(r'"(com\.nanoclaw(?:\.[a-z]+)*)"', text))
    audited = {check.target for check in expected if check.kind == "job"}
    assert labels - audited == set()
    assert {"com.nanoclaw.proxy", "com.nanoclaw.resolver", "com.nanoclaw.host.whisper"} <= audited


def test_a_service_is_in_every_kind_that_concerns_it_and_gone_with_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    keep = declared.keep()
    with_it = names(checks(keep, SCENE))
    name = "truenas-ssh"
    concerned = {one.split("/")[1] for one in with_it if name in one}
    assert concerned == {"file", "job", "listener", "process", "prints"}
    others = tuple(s for s in keep.services if s.name != name)
    less = keep.model_copy(update={"services": others})
    assert not [one for one in names(checks(less, SCENE)) if name in one]


def test_names_do_not_change_with_what_nobody_declares(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or results could not be compared: a home, a gateway, a guest's address."""
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    keep = declared.keep()
    link = Link.of("bridge101", "10.1.1.1", "24", "10.1.1.9")
    other = Scene("mac", "you", 502, "/Users/you", link)
    assert names(checks(keep, SCENE)) == names(checks(keep, other))


def test_without_a_link_what_depends_on_it_is_unknown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    stopped = replace(SCENE, link=None, why_no_link="vm is stopped")
    found = {check.name: check for check in checks(declared.keep(), stopped)}
    for name in ("host/listener/vaultwarden", "host/rules/all rules", "guest/reach/internet"):
        assert found[name].unknown == "vm is stopped"
    assert not found["host/rules/pf"].unknown


def test_the_five_promises_each_rest_on_something(expected: list[Check]) -> None:
    promises = {check.target: check for check in expected if check.machine is Machine.KEEP}
    assert promises.keys() == {"internet", "bridges", "secrets", "operator", "rollback"}
    known = set(names(expected))
    for check in promises.values():
        assert set(check.expected["on"]) <= known
        assert check.expected["on"]
    secrets = promises["secrets"].expected
    assert secrets["knows"][0] == ("passed", "4 secrets are declared, all by reference")
    on = {name.rpartition("/")[2] for name in secrets["on"]}
    assert on >= {"hooks.json", "backup.key", ".env", "kcpassword"}


def test_no_secret_and_no_hash_of_one_is_in_a_check(expected: list[Check]) -> None:
    for check in expected:
        if check.kind == "secret":
            assert "sha256" not in check.expected


def test_a_choice_of_checks(expected: list[Check]) -> None:
    assert chosen(expected, None) == expected
    assert {c.kind for c in chosen(expected, "host/job/*")} == {"job"}
    assert names(chosen(expected, "policy/rollback")) == ["keep/policy/rollback"]
    assert chosen(expected, "nothing of the kind") == []
