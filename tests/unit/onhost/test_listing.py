"""`clawkeep bridges`: who listens at each door, also when it is not its bridge."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clawkeep.link import Link
from clawkeep.onhost import listing, paths, world
from tests.unit.onhost.conftest import POLICY, Host

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
NOBODY = 65534


@pytest.fixture
def mac(host: Host, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The answers of lsof: `ours` for the bridge user's sockets, `ports` for the doors' ports."""
    said = {
        "ours": "p70\nf6\nn192.168.64.1:18443\nTST=LISTEN\np71\nf6\nn192.168.64.1:18022\n"
        "TST=LISTEN\n",
        "ports": f"p70\ncsocat\nu{NOBODY}\nf6\nn192.168.64.1:18443\np71\ncsocat\nu{NOBODY}\nf6\n"
        "n192.168.64.1:18022\n",
    }
    run = world.run

    def lsof(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if not command[0].endswith("lsof"):
            return run(command, **options)
        return host._done(command, 0, said["ours" if "-u" in command else "ports"])

    monkeypatch.setattr(world, "run", lsof)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("clawkeep.onhost.holders.pwd.getpwnam", _nobody)
    monkeypatch.setattr(paths, "LOGS", Path("/nonexistent"))
    paths.LINK.write_text(world.link_text(LINK))
    for door in POLICY.doors:
        host.loaded[door.label] = b""
    return said


def _nobody(_: str) -> Any:
    class Account:
        pw_uid = NOBODY

    return Account()


def test_bridges_that_are_ours_are_well(
    mac: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert listing.main(["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["bridges"]
    assert {row["name"]: row["held_by"] for row in rows} == {"vault": None, "nas": None}


def test_somebody_else_at_a_doors_port_is_named_and_is_a_failure(
    mac: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    mac["ours"] = mac["ours"].partition("p71")[0]
    mac["ports"] = mac["ports"].partition("p71")[0] + "p99\ncno\x1b[2Jde\nu0\nf3\nn*:18022\n"
    assert listing.main([]) == 1
    text = capsys.readouterr().out
    assert "    shut: its port is held by no?[2Jde (pid 99, user root)" in text
    assert "\x1b" not in text
    assert listing.main(["--json"]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["bridges"]}
    assert rows["vault"]["held_by"] is None
    assert (rows["nas"]["held_by"]["pid"], rows["nas"]["listening"]) == (99, None)


def test_somebody_else_beside_a_bridge_is_a_failure_too(
    mac: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    mac["ports"] += "p99\ncnode\nu0\nf3\nn192.168.64.1:18022\n"
    assert listing.main([]) == 1
    assert "nas: 192.168.64.1:18022 -> " in capsys.readouterr().out


def test_what_lsof_does_not_say_is_not_taken_for_well(
    mac: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        return subprocess.CompletedProcess([], 2, "", "lsof: \x1b[31mno\n")

    monkeypatch.setattr(world, "run", broken)
    assert listing.main([]) == 2
    assert "\x1b" not in capsys.readouterr().err
