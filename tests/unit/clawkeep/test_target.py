"""Which Mac is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep.target import NoTargetError, Target, target

FACTS = {"ssh_port": 40022, "user": "operator", "key": "/l/key", "known_hosts": "/l/known"}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("me@mini.local", Target("mini.local", "mini.local", 22, "me")),
        ("me@mini.local:2222", Target("mini.local:2222", "mini.local", 2222, "me")),
        ("mini", Target("mini", "mini", 22, None)),
        ("me@10.0.10.2", Target("10.0.10.2", "10.0.10.2", 22, "me")),
    ],
)
def test_a_mac_can_be_named(named: str, expected: Target) -> None:
    assert target({"CLAWKEEP_HOST": named}, system="Linux") == expected
    assert target({"CLAWKEEP_HOST": named}, system="Darwin") == expected


@pytest.mark.parametrize("named", ["me@", "me@:22", "me@mini:ssh", "me@mini:22:22", "@"])
def test_a_name_that_is_none_is_an_error_that_shows_the_form(named: str) -> None:
    with pytest.raises(NoTargetError, match="expected user@mac or user@mac:port"):
        target({"CLAWKEEP_HOST": named}, system="Linux")


def test_a_mac_without_a_name_is_itself() -> None:
    assert target({}, system="Darwin") == Target("@local")
    assert target({"CLAWKEEP_HOST": ""}, system="Darwin").local


def test_this_machine_can_be_named_anywhere() -> None:
    here = target({"CLAWKEEP_HOST": "@local"}, system="Linux")
    assert here.local
    assert here.pyinfra_data() == {}


def lab(folder: Path, name: str, text: str) -> dict[str, str]:
    (folder / name).mkdir()
    (folder / name / "lab.json").write_text(text)
    return {"CLAWKEEP_LAB_ROOT": str(folder), "CLAWKEEP_LAB": name}


def test_elsewhere_it_is_the_lab(tmp_path: Path) -> None:
    environment = lab(tmp_path, "t1", json.dumps(FACTS))
    assert target(environment, system="Linux") == Target(
        "lab-t1",
        "127.0.0.1",
        40022,
        "operator",
        "/l/key",
        "/l/known",
        state=f"{tmp_path}/t1/operator/state",
    )


def test_the_lab_is_entered_with_its_own_key_and_known_hosts_alone(tmp_path: Path) -> None:
    environment = lab(tmp_path, "t1", json.dumps(FACTS))
    assert target(environment, system="Linux").pyinfra_data() == {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": 40022,
        "ssh_user": "operator",
        "ssh_key": "/l/key",
        "ssh_config_file": "/dev/null",
        "ssh_known_hosts_file": "/l/known",
        "ssh_strict_host_key_checking": "yes",
    }


def test_no_lab_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoTargetError) as caught:
        target({"CLAWKEEP_LAB_ROOT": str(tmp_path)}, system="Linux")
    assert str(caught.value) == (
        "no Mac is named and the lab 'default' is not up; set CLAWKEEP_HOST=user@mac, or start "
        "the lab: make up"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"ssh_port": "x", "user": "o"}', "null"])
def test_a_half_written_lab_is_an_error_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoTargetError, match=r"lab.json is no description of a lab .*lab down"):
        target(lab(tmp_path, "t1", text), system="Linux")
