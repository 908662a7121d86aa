"""`clawkeep vm`: the exact commands that it would run, and what becomes of tart's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawkeep import cli, tart

TART = "/opt/homebrew/bin/tart"
RUNNING = TART + """ get nanoclaw-vm --format json | grep -q '"State" *: *"running"'"""

pytestmark = pytest.mark.usefixtures("project")


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
