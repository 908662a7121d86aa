"""`clawkeep apply`: the command that it runs, and the exit status that pyinfra does not give."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ClassVar

import pytest

from clawkeep import cli
from clawkeep.cli import apply

pytestmark = pytest.mark.usefixtures("project")


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
        (["netwrok"], ("unknown phase netwrok; known phases: base, network, agent, skills, "
         "operations - did you mean network?")),
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
        stdout = None
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
