"""A converge on a terminal: what it changed, what failed, and nothing else."""

from __future__ import annotations

import io
import os
import pty
import sys
from pathlib import Path

import pytest
from rich.console import Console

from clawkeep import cli
from clawkeep.cli import apply, progress

SAID = """\
--> Loading config...
--> Connecting to hosts...
    [mini]              Connected
    [@tart/nanoclaw-vm] Connected

--> Beginning operation run...
--> Starting operation: Host | user _clawkeep
    [mini]              No changes
    [@tart/nanoclaw-vm] Skipped

--> Starting operation: Host | policy with the declared doors
    [@tart/nanoclaw-vm] Skipped
    [mini]                  + vaultwarden :18443 -> vault.example:443 tls
    [mini]              Success

--> Starting operation: All | the guest is back
    [mini]              \x1b[36mNo changes\x1b[0m
    [@tart/nanoclaw-vm] No changes

"""
FAILED = """\
--> Starting operation: Host | bridges are listening
    [@tart/nanoclaw-vm] Skipped
    [mini]              nothing listens on 192.168.64.1:18443 after 15 s
    [mini]              Error: executed 0 commands

--> Disconnecting from hosts...
--> pyinfra error: Over 0% of hosts failed (50%)
"""


def shown(text: str) -> tuple[str, progress.Told, str]:
    """Return what is shown of a run, what was understood, and what is kept."""
    console = Console(file=io.StringIO(), width=200)
    log = io.StringIO()
    told = progress.follow(text.splitlines(keepends=True), log, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), told, log.getvalue()


def test_what_changed_is_shown_and_what_did_not_is_counted() -> None:
    text, told, kept = shown(SAID)
    assert text.splitlines()[:2] == [
        "~ Host | policy with the declared doors  (mini)",
        "    + vaultwarden :18443 -> vault.example:443 tls",
    ]
    assert text.splitlines()[2].startswith("3 operations in 0 s, 1 changed something")
    assert (told.done, told.changed, told.troubled) == (3, 1, False)
    assert kept == SAID


def test_what_failed_is_shown_with_all_that_was_said_of_it() -> None:
    text, told, _ = shown(SAID + FAILED)
    assert told.troubled
    assert text.splitlines()[2:5] == [
        "! Host | bridges are listening  (mini)",
        "    nothing listens on 192.168.64.1:18443 after 15 s",
        "    Error: executed 0 commands",
    ]
    assert "pyinfra error: Over 0% of hosts failed" in text


def test_what_ends_a_run_before_it_began_is_shown() -> None:
    text, told, _ = shown(
        "--> Loading inventory...\n--> An error occurred in: inventory.py\n  why\n"
    )
    assert told.troubled
    assert "  why" in text.splitlines()


def test_what_a_machine_says_moves_no_cursor() -> None:
    text, *_ = shown(SAID.replace("+ vaultwarden", "\x1b]0;x\x07\x1b[2Jvault"))
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.usefixtures("project")
def test_on_a_terminal_apply_shows_the_short_form_and_keeps_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mini")
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path / "state"))
    said = tmp_path / "said"
    said.write_text(SAID + FAILED)
    monkeypatch.setattr(apply, "command", lambda _: ["/bin/sh", "-c", f"cat {said}; exit 1"])
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert cli.main(["apply"]) == 1
    seen = os.read(leader, 65536).decode()
    os.close(leader)
    assert "~ Host | policy with the declared doors" in seen
    assert "user _clawkeep  (" not in seen
    (log,) = (tmp_path / "state").rglob("apply.log")
    assert log.read_text() == SAID + FAILED
    assert log.stat().st_mode & 0o777 == 0o600
    assert str(log) in seen.replace("\r\n", "")
