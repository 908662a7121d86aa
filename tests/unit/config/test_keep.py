"""group_data and allowlist together, and the declaration that ships."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from clawkeep.config import ConfigError, load_keep, load_services
from clawkeep.model import Keep, Target
from clawkeep.schema import COMMITTED, schema

ROOT = Path(__file__).parents[3]
GROUP_DATA = ROOT / "group_data"


@pytest.fixture
def values() -> dict[str, Any]:
    return runpy.run_path(str(GROUP_DATA / "all.py"))


def shipped(values: dict[str, Any], **changes: Any) -> Keep:
    parts = {key: values[key] for key in ("host", "guest", "egress", "decisions")} | changes
    return load_keep(
        ROOT / "allowlist.yml",
        parts["host"],
        parts["guest"],
        egress=parts["egress"],
        decisions=parts["decisions"],
        group_data=GROUP_DATA,
    )


def test_the_shipped_allowlist_has_the_four_services() -> None:
    services = load_services(ROOT / "allowlist.yml")
    assert [(s.name, s.port, s.target, s.kind) for s in services] == [
        ("vaultwarden", 18443, Target("bitwarden.cstrube.de", 443), "tls"),
        ("home-assistant", 18123, Target("10.0.30.5", 8123), "http"),
        ("kubernetes", 16443, Target("10.0.40.100", 6443), "tls"),
        ("truenas-ssh", 18022, Target("10.0.30.20", 22), "ssh"),
    ]


def test_the_first_line_of_the_allowlist_tells_editors_the_schema() -> None:
    first = (ROOT / "allowlist.yml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/reference/allowlist.schema.json"
    assert COMMITTED == ROOT / "docs/reference/allowlist.schema.json"


def test_the_committed_schema_is_that_of_the_model() -> None:
    assert COMMITTED.read_text() == schema()


def test_the_shipped_values_are_those_of_the_migration_plan(values: dict[str, Any]) -> None:
    keep = shipped(values)
    guest = keep.guest
    assert (guest.name, guest.image) == ("nanoclaw-vm", "ghcr.io/cirruslabs/macos-sequoia-base")
    assert (guest.cpu, guest.memory_mb, guest.disk_gb, guest.user) == (4, 8192, 50, "claw")
    assert [(m.path.rpartition("nanoclaw/")[2], m.read_only) for m in guest.mounts] == [
        ("workspace/groups", True),
        ("data/ipc", False),
        ("memory/shared", False),
    ]
    assert guest.tapped == ("steipete/tap/remindctl",)
    assert guest.pip_tools == ("edge-tts",)
    assert keep.host.tap == "openai/tools"
    assert keep.egress.mode == "none"
    assert (keep.decisions.agent, keep.decisions.dns, keep.decisions.rescue_bot) == (
        "direct",
        "hosts",
        "host",
    )


def test_every_open_decision_is_marked_with_its_default() -> None:
    text = (GROUP_DATA / "all.py").read_text()
    marked = [
        line.split("DECISION ")[1].split(" (")[0]
        for line in text.splitlines()
        if "DECISION " in line and "(" in line
    ]
    assert marked == ["RAM", "disk", "internet", "agent", "DNS", "rescue bot"]


def test_group_data_holds_plain_values_only(values: dict[str, Any]) -> None:
    public = {key for key in values if not key.startswith("_")}
    assert public == {
        "host", "guest", "egress", "decisions", "agent", "skills", "alerts", "backup", "snapshots"
    }  # fmt: skip


def test_problems_of_file_and_values_come_together_with_their_places(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowlist.yml"
    allowlist.write_text("services:\n- {}\n")
    (tmp_path / "all.py").write_text(
        'guest = {\n    "cpu": 2,\n    "memroy_mb": 8192,\n'
        '    "mounts": [{"name": "a", "path": "x"}],\n}\nhost: dict = {"tap": "x"}\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_keep(
            allowlist,
            {"tap": "x"},
            {"cpu": 2, "memroy_mb": 8192, "mounts": [{"name": "a", "path": "x"}]},
            decisions={"dns": "hots"},
            group_data=tmp_path,
        )
    place = str(tmp_path)
    found = str(caught.value).replace(place + "/", "").splitlines()
    assert found[:4] == [
        "all.py:2:12: guest.cpu: 2 does not fit; it must be at least 4",
        "all.py:3:18: guest: unknown key 'memroy_mb'; did you mean 'memory_mb'?",
        "all.py:4:38: guest.mounts[0].path: 'x' must begin with / or ~/",
        "all.py:6:22: host.tap: 'x' is no tap; write user/tap",
    ]
    assert found[4].startswith("allowlist.yml:2:3: key `kind` is missing")
    assert found[-1] == (
        "group_data: decisions.dns: 'hots' is not one of 'hosts' or 'resolver'; "
        "did you mean 'hosts'?"
    )


def test_the_declared_guest_network_is_what_no_target_may_be_in(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowlist.yml"
    allowlist.write_text("services: [{name: x, port: 2000, target: '192.168.65.1:1', kind: tcp}]")
    assert load_keep(allowlist, {}, {}).services[0].port == 2000
    with pytest.raises(ConfigError, match="in the guest's own network"):
        load_keep(allowlist, {"guest_network": "192.168.65.0/24"}, {})


@pytest.mark.parametrize("wrong", [None, [], "x", 5])
def test_values_that_are_no_mapping_are_a_problem(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="guest: a mapping is expected here"):
        load_keep(ROOT / "allowlist.yml", {}, wrong)


def test_group_data_that_cannot_be_parsed_costs_the_position_only(tmp_path: Path) -> None:
    (tmp_path / "all.py").write_text("guest = {")
    with pytest.raises(ConfigError) as caught:
        load_keep(ROOT / "allowlist.yml", {}, {"cpu": 1}, group_data=tmp_path)
    assert str(caught.value) == "group_data: guest.cpu: 1 does not fit; it must be at least 4"


def test_a_wrong_egress_is_reported_with_its_line(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowlist.yml"
    allowlist.write_text("services: []\n")
    text = (
        'egress = {\n    "mode": "domains",\n    "domains": [\n        "a.example",\n'
        '        "1.2.3.4",\n    ],\n    "profiles": ["gihtub"],\n    "ports": [80],\n'
        '    "report_untill": 1,\n}\n'
    )
    (tmp_path / "all.py").write_text(text)
    values = runpy.run_path(str(tmp_path / "all.py"))
    with pytest.raises(ConfigError) as caught:
        load_keep(allowlist, {}, {}, egress=values["egress"], group_data=tmp_path)
    found = [(p.mark.line if p.mark else 0, p.message) for p in caught.value.problems]
    assert [line for line, _ in found] == [5, 7, 8, 9]
    assert found[0][1].startswith("egress.domains[1]: '1.2.3.4' is an address")
    assert "did you mean 'github'?" in found[1][1]
    assert found[2][1].startswith("egress.ports: counts in mode 'cidrs' only")
    assert found[3][1].startswith("egress: unknown key 'report_untill'; did you mean")
