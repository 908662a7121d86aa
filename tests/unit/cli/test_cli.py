"""The `clawkeep` command line: help, exit statuses, and the exact commands it would run."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from clawkeep import cli, declared, tart
from clawkeep.cli import apply, vm
from clawkeep.status import Door, GuardState, GuestState, Report

CHECKOUT = Path(__file__).resolve().parents[3]
TART = "/opt/homebrew/bin/tart"
RUNNING = TART + """ get nanoclaw-vm --format json | grep -q '"State" *: *"running"'"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of the shipped declaration, and no machine at all."""
    (tmp_path / "group_data").mkdir()
    shutil.copy(CHECKOUT / "allowlist.yml", tmp_path)
    shutil.copy(CHECKOUT / "group_data" / "all.py", tmp_path / "group_data")
    for name in ("CLAWKEEP_HOST", "CLAWKEEP_LAB", "CLAWKEEP_ALLOWLIST", "CLAWKEEP_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLAWKEEP_PROJECT", str(tmp_path))
    monkeypatch.setenv("CLAWKEEP_LAB_ROOT", str(tmp_path / "labs"))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.chdir(tmp_path)
    declared.keep.cache_clear()
    yield tmp_path
    declared.keep.cache_clear()


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


# --- apply


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Note what `apply` starts, and let a shell stand for it."""
    ran: list[list[str]] = []
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mini")
    real = apply.command

    def command(options: argparse.Namespace) -> list[str]:
        ran.append(real(options)[1:])
        return ["/bin/sh", "-c", "exit 5"]

    monkeypatch.setattr(apply, "command", command)
    return ran


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], ["-y"]),
        (["--dry"], ["--dry"]),
        (["network"], ["-y", "--data", "phase=network"]),
        (["base", "network"], ["-y", "--data", "phase=base,network"]),
        (["--limit", "guests"], ["-y", "--limit", "guests"]),
        (["--limit", "mini", "--limit", "@tart/nanoclaw-vm"],
         ["-y", "--limit", "mini", "--limit", "@tart/nanoclaw-vm"]),
    ],
)  # fmt: skip
def test_apply_runs_pyinfra_and_passes_on_its_status(
    ran: list[list[str]], arguments: list[str], line: list[str]
) -> None:
    assert cli.main(["apply", *arguments]) == 5
    assert ran == [["inventory.py", "deploy.py", *line]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["netwrok"],
            "unknown phase netwrok; known phases: base, network, agent - did you mean network?",
        ),
        (["--limit", "gests"], ("--limit gests: matches nothing; known: "
         "@tart/nanoclaw-vm, guests, hosts, mini")),
        (["--limit", "hosts", "--limit", ""], "--limit : matches nothing"),
    ],
)  # fmt: skip
def test_apply_refuses_what_pyinfra_would_take_for_nothing_to_do(
    ran: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert cli.main(["apply", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert ran == []


def test_apply_interrupted_is_130_though_pyinfra_exits_0(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Process:
        signals: ClassVar[list[int]] = []
        waits = 0

        def __init__(self, *_: object, **__: object) -> None:
            pass

        def wait(self) -> int:
            Process.waits += 1
            if Process.waits == 1:
                raise KeyboardInterrupt
            return 0

        def send_signal(self, number: int) -> None:
            Process.signals.append(number)

    monkeypatch.setattr("clawkeep.cli.apply.subprocess.Popen", Process)
    assert cli.main(["apply"]) == 130
    assert (Process.signals, Process.waits) == ([2], 2)
    assert "run again to finish" in capsys.readouterr().err


# --- status


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


# --- vm


@pytest.mark.parametrize(
    ("arguments", "script"),
    [
        (["list"], f"{TART} list --source local --format json"),
        (["get"], f"{TART} get nanoclaw-vm --format json"),
        (["ip"],
         (f"if ! {RUNNING}; then echo 'nanoclaw-vm is not running: it has no address'; exit 1; fi; "
         f'if ip=$({TART} ip nanoclaw-vm --resolver=agent 2>/dev/null); then echo "$ip agent"; '
         f'elif ip=$({TART} ip nanoclaw-vm --resolver=dhcp 2>/dev/null); then '
         'echo "$ip dhcp"; fi')),
        (["clone"],
         (f"if {TART} get nanoclaw-vm --format json >/dev/null 2>&1; then "
         "echo 'nanoclaw-vm exists; nothing was done'; exit 1; fi; "
         f"{TART} clone ghcr.io/cirruslabs/macos-sequoia-base nanoclaw-vm")),
        (["set"],
         (f"if {RUNNING}; then echo 'nanoclaw-vm is running: its files must not change under it; "
         "stop it'; exit 1; fi; "
         f"{TART} set nanoclaw-vm --disk-size 50 --cpu 4 --memory 8192")),
        (["run"],
         (f'PATH="/opt/clawkeep/libexec:$PATH" {TART} run --no-graphics --no-audio --no-clipboard '
         "--net-softnet-block=0.0.0.0/0 "
         "--net-softnet-allow=@host --dir=old-groups:/Users/me/nanoclaw/workspace/groups:ro "
         "--dir=ipc:/Users/me/nanoclaw/data/ipc --dir=memory:/Users/me/nanoclaw/memory/shared "
         "nanoclaw-vm")),
        (["stop"],
         ("if launchctl print gui/$(id -u)/com.nanoclaw.vm >/dev/null 2>&1; then "
         "launchctl bootout gui/$(id -u)/com.nanoclaw.vm; "
         "while launchctl print gui/$(id -u)/com.nanoclaw.vm >/dev/null 2>&1; do sleep 0.2; done; "
         f"else {TART} exec nanoclaw-vm /usr/bin/sudo -n /sbin/shutdown -h now; fi")),
        (["delete", "old"], f"{TART} delete old"),
        (["delete", "nanoclaw-vm"],
         ("echo 'nanoclaw-vm is the declared guest, and nothing brings its data back; to delete "
         f"it: {TART} delete nanoclaw-vm'; exit 1")),
        (["snapshot", "before-update"],
         (f"if {TART} get nanoclaw-vm --format json | grep -q '\"State\" *: *\"running\"'; then "
         "echo 'nanoclaw-vm is running: a clone of it would be torn; stop it'; exit 1; fi; "
         f"if {TART} get before-update --format json >/dev/null 2>&1; then "
         "echo 'before-update exists; nothing was done'; exit 1; fi; "
         f"{TART} clone nanoclaw-vm before-update")),
    ],
)  # fmt: skip
def test_a_dry_run_prints_the_exact_command_and_needs_no_machine(
    capsys: pytest.CaptureFixture[str], arguments: list[str], script: str
) -> None:
    assert cli.main(["vm", *arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{script}\n"


def test_folders_are_in_the_home_of_the_hosts_user(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWKEEP_HOST", "ann@mini")
    assert cli.main(["vm", "run", "--dry-run"]) == 0
    assert "--dir=ipc:/Users/ann/nanoclaw/data/ipc " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "status", "output"),
    [
        ("echo '[]'", 0, "[]\n"),
        ("echo gone >&2; exit 3", 3, "gone\n"),
        ("exit 0", 0, ""),
        ("printf 'no newline'", 0, "no newline\n"),
        ("printf '1\\n'; kill -9 $$", 137, None),
    ],
)
def test_the_status_and_words_of_tart_are_passed_on(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    status: int,
    output: str | None,
) -> None:
    fake = project / "tart"
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(tart, "TART", str(fake))
    monkeypatch.setenv("CLAWKEEP_HOST", "@local")
    assert cli.main(["vm", "list"]) == status
    if output is not None:
        assert capsys.readouterr().out == output


EXISTING = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
[ "$1" != get ] || echo '{"State": "running"}'
"""


@pytest.mark.parametrize("arguments", [["clone"], ["snapshot", "copy"]])
def test_nothing_is_cloned_over_or_from_what_runs(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    fake = project / "tart"
    fake.write_text(EXISTING)
    fake.chmod(0o755)
    monkeypatch.setattr(tart, "TART", str(fake))
    monkeypatch.setenv("CLAWKEEP_HOST", "@local")
    assert cli.main(["vm", *arguments]) == 1
    assert capsys.readouterr().out.startswith("nanoclaw-vm ")
    assert "clone" not in (project / "calls").read_text()
