"""Snapshots on a keep: made, tried by booting them, brought back, killed, and made each day."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.lab.guarding import is_open, wait
from tests.lab.keep import BIN, GUEST, Built

pytestmark = pytest.mark.lab

FOLDER = "/opt/clawkeep/var/snapshots"
VMS = "sudo -u me /opt/homebrew/bin/tart list --source local --format json"
NOTE = "/Users/Shared/note"


@pytest.fixture(scope="module")
def snapped(keep: Built) -> Built:
    """A keep as this checkout lays it out, its guest with a note."""
    keep.converge("--data", "phase=operations")
    write(keep, "one")
    return keep


def snapshot(keep: Built, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "clawkeep"), "snapshot", *words],
        cwd=keep.project,
        env=keep.variables(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def data(keep: Built, *words: str, status: int = 0) -> dict[str, Any]:
    done = snapshot(keep, *words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def vms(keep: Built) -> dict[str, str]:
    said = keep.host(VMS)
    return {vm["Name"]: vm["State"] for vm in json.loads(said.stdout)}


def write(keep: Built, text: str) -> None:
    keep.guest(f"echo {text} > {NOTE}")


def note(keep: Built) -> str:
    return keep.guest(f"cat {NOTE}").stdout.strip()


def well(keep: Built) -> None:
    """The guest runs in its keep, and nothing is half there."""
    wait("the guest", lambda: vms(keep).get(GUEST) == "running", 90)
    wait("the doors", lambda: is_open(keep), 90)
    assert not [name for name in vms(keep) if "." in name]
    assert keep.host(f"ls {FOLDER}/task.json").returncode != 0


def test_a_snapshot_is_made_listed_and_brought_back(snapped: Built) -> None:
    made = data(snapped, "create", "--reason=before a try")
    assert made["facts"]["macos"]
    assert made["pause_s"] > 0
    well(snapped)
    write(snapped, "two")
    listed = data(snapped, "list")["snapshots"]
    assert [(r["name"], r["reason"]) for r in listed] == [
        (f"{GUEST}-base", "when first complete"),
        (made["name"], "before a try"),
    ]
    back = data(snapped, "restore", made["name"])
    well(snapped)
    assert note(snapped) == "one"
    assert vms(snapped)[back["replaced"]] == "stopped"
    # The new guest has another address, and is the keep's all the same.
    status = snapped.status()
    assert all(service["state"] == "ok" for service in status["services"]), status
