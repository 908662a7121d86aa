"""The `clawkeep` command line: help, exit statuses, and what `check` and `status` say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clawkeep import cli, declared
from clawkeep.cli import vm
from clawkeep.status import Door, GuardState, GuestState, Report

pytestmark = pytest.mark.usefixtures("project")


def broken(project: Path) -> None:
    text = "services:\n  - name: nas\n    prot: 18022\n    target: 10.0.30.20:22\n    kind: ssh\n"
    (project / "allowlist.yml").write_text(text)


@pytest.mark.parametrize(
    "arguments", [[], *([verb] for verb in cli.VERBS), *(["vm", a] for a in vm.SCRIPTS)]
)
def test_every_verb_explains_itself_with_an_example_or_its_actions(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert output.startswith(f"usage: clawkeep {' '.join(arguments)}".rstrip())
    if len(arguments) < 2:
        assert "example: clawkeep " in output


@pytest.mark.parametrize("arguments", [[], ["fly"], ["vm"], ["vm", "fly"], ["status", "--jsn"]])
def test_a_mistyped_command_exits_2_with_the_usage_on_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:15]) == ("", "usage: clawkeep")


def test_the_installed_command_is_the_same() -> None:
    command = Path(sys.executable).with_name("clawkeep")
    done = subprocess.run([command, "check"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("4 services, guest nanoclaw-vm, digest ")


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(declared, "keep", interrupted)
        assert cli.main(["check"]) == 130


def test_check_reads_what_is_accepted_too(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "audit.yml").write_text("accepted:\n  - check: host/rules/pf\n")
    assert cli.main(["check"]) == 1
    assert "audit.yml:2:5: key `until` is missing" in capsys.readouterr().err
    (project / "audit.yml").write_text("accepted: []\n")
    assert cli.main(["check"]) == 0


def test_check_prints_the_declaration_as_json_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["check", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [service["port"] for service in data["services"]] == [18443, 18123, 16443, 18022]
    assert data["guest"]["name"] == "nanoclaw-vm"


def test_check_says_what_will_probably_go_wrong_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["check"]) == 0
    assert "warning: guest.image ghcr.io/cirruslabs/macos-sequoia-base has no digest" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["check"], 1),
        (["apply"], 2),
        (["apply", "--dry"], 2),
        (["status"], 2),
        (["status", "--json"], 2),
        (["vm", "list", "--dry-run"], 2),
    ],
)
def test_a_mistake_in_the_declaration_is_said_with_its_place(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    broken(project)
    assert cli.main(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "allowlist.yml:3:5: " in captured.err
    assert "did you mean" in captured.err


@pytest.mark.parametrize("arguments", [["apply"], ["status"], ["vm", "list"], ["vm", "stop"]])
def test_without_a_mac_or_a_lab_nothing_is_tried(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert cli.main(arguments) == 2
    assert "set CLAWKEEP_HOST=user@mac, or start the lab: make up" in (capsys.readouterr().err)


@pytest.mark.parametrize(
    ("probe", "status", "prose"),
    [(True, 0, "all is well"), (False, 1, "something is not well"), (None, 2, "cannot tell")],
)
def test_status_exits_with_its_verdict_data_on_stdout_and_prose_on_stderr(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    probe: bool | None,
    status: int,
    prose: str,
) -> None:
    door = Door("nas", ":18022", "10.0.0.9:22", "running", listening=True, probe=probe)
    guest = GuestState("keep", "running", ssh_ms=1)
    report = Report("mini", guest, (door,), anchor="in force", guard=GuardState("open"))
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mini")
    monkeypatch.setattr("clawkeep.cli.status.gather", lambda *_: report)
    assert cli.main(["status"]) == status
    captured = capsys.readouterr()
    assert captured.err == f"{prose}\n"
    assert captured.out.count("\n") == 5
    assert cli.main(["status", "--json"]) == status
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["doors"][0]["probe"] is probe
