"""Updates on a keep: shown, applied, undone when red, and found again when killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clawkeep.remote import operator
from roles.base.runtime import PYTHON
from tests.lab.guarding import wait
from tests.lab.keep import BIN, Built
from tests.recording import Faults

pytestmark = pytest.mark.lab

RELEASED = "/private/var/db/lab-formulas.json"
JOURNAL = "/opt/clawkeep/var/update.json"
GOOD = {"version": "1.8.2"}
BROKEN = {"version": "1.8.2", "files": {"bin/jq": "script:#!/bin/sh\nexit 134\n"}}
LIST = ["/opt/homebrew/bin/tart", "list", "--source", "local", "--format", "json"]


def update(keep: Built, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "clawkeep"), "update", *words],
        cwd=keep.project,
        env=keep.variables(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def rows(keep: Built) -> tuple[int, dict[str, dict[str, Any]], list[str]]:
    done = update(keep, "plan", "--json")
    assert done.stdout, done.stderr
    data = json.loads(done.stdout)
    found = {f"{row['kind']}:{row['name']}": row for row in data["updates"]}
    return done.returncode, found, data["unknown"]


def release(keep: Built, **jq: Any) -> None:
    """Have a jq released; without any, none since."""
    text = json.dumps({"homebrew/core": {"jq": jq}}) if jq else "{}"
    keep.guest(f"cat > {RELEASED} <<'END'\n{text}\nEND")


def jq(keep: Built) -> str:
    return keep.guest("/opt/homebrew/bin/jq --version; ls /opt/homebrew/Cellar/jq").stdout


@pytest.fixture
def kept(keep: Built) -> Iterator[Built]:
    """The keep, with nothing released since and nothing under way."""
    release(keep)
    yield keep
    assert keep.host(f"ls {JOURNAL}").returncode != 0


def test_the_plan_shows_what_is_newer_and_changes_nothing(kept: Built) -> None:
    status, before, unknown = rows(kept)
    assert (status, before, unknown) == (0, {}, [])
    release(kept, **GOOD)
    kept.host("echo 'Sequoia 15.7.2 24G325' > /private/var/db/lab-installers")
    since, visits = len(kept.lab.calls()), len(kept.lab.visits())
    status, found, unknown = rows(kept)
    assert (status, unknown) == (2, [])
    assert set(found) == {"brew:jq", "macos:macOS"}
    row = found["brew:jq"]
    assert [row[k] for k in ("installed", "available", "major")] == ["1.8.1", "1.8.2", False]
    assert found["macos:macOS"]["available"] == "15.7.2"
    assert "by hand" in found["macos:macOS"]["apply"]
    # What opens and shuts the window is all that was changed anywhere.
    changed = {os.path.basename(argv[0]) for argv in kept.mutations(since)}
    assert changed <= {"pfctl", "launchctl"}
    assert (
        kept.guest("ls -d /tmp/clawkeep-update-* /var/folders/*/*/T/clawkeep-update-*").stdout == ""
    )
    # The window is open to what it needs, and shut again.
    assert "formulae.brew.sh" in {visit.get("host") for visit in kept.lab.visits()[visits:]}
    assert kept.host("/opt/clawkeep/bin/clawkeep window show").stdout.strip() == "closed"


@pytest.mark.slow
def test_a_major_is_shown_and_refused(kept: Built) -> None:
    release(kept, version="2.0.0")
    assert "not by itself" in rows(kept)[1]["brew:jq"]["apply"]
    done = update(kept, "apply", "brew:jq")
    assert (done.returncode, "--major brew:jq" in done.stderr) == (1, True)
    assert jq(kept).split()[-1] == "1.8.1"


def snapshots(keep: Built) -> list[dict[str, Any]]:
    done = keep.clawkeep("snapshot", "list", "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["snapshots"]
    return found


def events(keep: Built) -> str:
    return keep.host("grep update /opt/clawkeep/var/events.jsonl").stdout


@pytest.mark.slow
def test_an_update_is_applied_and_all_stays_well(kept: Built) -> None:
    release(kept, **GOOD)
    done = update(kept, "apply")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "brew:jq 1.8.1 -> 1.8.2\n"
    assert jq(kept).split()[-1] == "1.8.2"
    assert kept.status()["verdict"] == "well"
    (made,) = [row for row in snapshots(kept) if "before: update to jq" in row["reason"]]
    assert "done, and all is well" in events(kept)
    assert update(kept, "status").stdout == "nothing is under way\n"
    # What was there before can be had again.
    assert kept.clawkeep("snapshot", "list").returncode == 0
    assert made["kind"] == "by hand"
    release(kept, version="1.8.2")
    assert rows(kept)[0] in {0, 2}
    assert "brew:jq" not in rows(kept)[1]


@pytest.mark.slow
def test_a_broken_update_is_undone(kept: Built, faults: Faults) -> None:
    was = jq(kept).split()[-1]
    release(kept, **BROKEN | {"version": "1.8.3"})
    began = time.monotonic()
    done = update(kept, "apply", "brew:jq")
    mended = time.monotonic() - began
    assert done.returncode == 1, done.stdout
    assert "no longer runs: opt/jq/bin/jq" in done.stderr
    assert "rolled back to" in done.stderr
    assert jq(kept).split()[-1] == was
    assert kept.status()["verdict"] == "well"
    assert "rolled back to" in events(kept)
    says = "which program no longer runs, and to which snapshot it went back"
    faults.show("update", "a formula is broken", says, "the same run", mended_s=mended, lost=0)


@pytest.mark.slow
def test_not_all_well_nothing_is_begun(kept: Built) -> None:
    release(kept, **GOOD | {"version": "1.8.4"})
    before = [row["name"] for row in snapshots(kept)]
    kept.host("launchctl bootout system/com.nanoclaw.guard")
    try:
        done = update(kept, "apply", "brew:jq")
        assert done.returncode == 1
        assert "not all is well" in done.stderr
        assert "guard" in done.stderr
    finally:
        kept.host("launchctl bootstrap system /Library/LaunchDaemons/com.nanoclaw.guard.plist")
        wait("the guard", lambda: kept.status()["verdict"] == "well", 90)
    assert [row["name"] for row in snapshots(kept)] == before


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["applying", "applied", "rolling back"])
def test_killed_in_the_middle_the_next_run_ends_it(kept: Built, stage: str, faults: Faults) -> None:
    was = jq(kept).split()[-1]
    number = {"applying": 5, "applied": 6, "rolling back": 7}[stage]
    release(kept, **(BROKEN if stage == "rolling back" else GOOD) | {"version": f"1.8.{number}"})
    command = [str(BIN / "clawkeep"), "update", "apply", "brew:jq"]
    running = subprocess.Popen(
        command, cwd=kept.project, env=kept.variables(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        wait(stage, lambda: f'"stage": "{stage}"' in kept.host(f"cat {JOURNAL}").stdout, 120)
        assert running.poll() is None
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        said = running.communicate()[0]
    assert update(kept, "status").returncode == 1, said
    refused = update(kept, "apply", "brew:jq")
    assert (refused.returncode, "update resume" in refused.stderr) == (1, True)
    if stage == "applying":
        # Somebody is told of it; not while the killed run's snapshot is still at work.
        wait("it is told", lambda: "'interrupted'" in left_behind(kept), 30)
        assert f"begun by {operator()}" in left_behind(kept)
    # What the killed run had begun on the host goes on there.
    wait("the host is free", lambda: not restoring(kept), 120)
    done = update(kept, "resume")
    finished = stage == "applied"
    assert done.returncode == (0 if finished else 1), done.stderr
    assert ("it was finished" if finished else "rolled back to") in done.stderr
    assert jq(kept).split()[-1] == (f"1.8.{number}" if finished else was)
    assert kept.status()["verdict"] == "well"
    replaced = [r for r in snapshots(kept) if f"before: update to jq 1.8.{number}" in r["reason"]]
    assert len(replaced) == 1
    assert left_behind(kept) == "()"
    says = "`update status`, and an alert: who began it, and `update resume`"
    faults.show("update", f"it is killed while {stage}", says, "the operator: `update resume`")


LEFT = """
import sys
sys.path.insert(0, "/opt/clawkeep/lib")
from clawkeep.onhost import update
update.LEFT_S = 0
print(update.problems())
"""


def left_behind(keep: Built) -> str:
    """Return what the host would alert of updates a minute later."""
    return keep.lab.exec("host", [PYTHON, "-I", "-c", LEFT]).stdout.strip()


@pytest.mark.slow
def test_two_operators_at_once(kept: Built) -> None:
    release(kept, **GOOD | {"version": "1.8.8"})
    before = len(snapshots(kept))
    command = [str(BIN / "clawkeep"), "update", "apply", "brew:jq"]
    with subprocess.Popen(
        command, cwd=kept.project, env=kept.variables(), stdout=subprocess.DEVNULL
    ) as first:
        turn = "head -n 1 /private/var/run/clawkeep/turn.lock"
        wait("it has the turn", lambda: "clawkeep update apply" in kept.host(turn).stdout, 60)
        refused = kept.clawkeep("snapshot", "create", "--wait=0")
        assert refused.returncode == 75
        assert f"clawkeep update apply, by {operator()} (pid " in refused.stderr
        # launchd's own work comes again.
        assert kept.host("/opt/clawkeep/bin/clawkeep snapshot tick").returncode == 0
        second = update(kept, "apply")
    assert first.returncode == 0
    assert jq(kept).split()[-1] == "1.8.8"
    # It waited, and then there was nothing left; or it says who is at work.
    said = {0: "nothing to apply", 75: "clawkeep update apply, by "}
    assert said.get(second.returncode, "no such status") in second.stderr, second.stderr
    assert len(snapshots(kept)) == before + 1


def restoring(keep: Built) -> bool:
    status = json.loads(keep.clawkeep("snapshot", "status", "--json").stdout)
    return status["task"] is not None


@pytest.mark.slow
def test_what_the_declaration_pins_is_said_with_its_line(kept: Built) -> None:
    file = kept.project / "group_data" / "all.py"
    was = file.read_text()
    file.write_text(f'{was}\nguest["pip_tools"] = ["edge-tts==0.0.1", "no-such-tool==1.0"]\n')
    try:
        status, found, unknown = rows(kept)
    finally:
        file.write_text(was)
    assert status == 2
    row = found["pip:edge-tts"]
    assert (row["installed"], row["major"]) == ("0.0.1", True)
    assert f'"edge-tts=={row["available"]}" in group_data/all.py' in row["apply"]
    assert [text.partition(":")[0] for text in unknown] == ["pip"]
    assert "no-such-tool" in unknown[0]


@pytest.mark.slow
def test_by_hand_between_begin_and_finish(kept: Built) -> None:
    assert update(kept, "begin", "--reason", "to try something").returncode == 0
    kept.guest("mv /opt/homebrew/opt/jq/bin/jq /opt/homebrew/opt/jq/bin/jq.gone")
    assert update(kept, "resume").returncode == 1
    done = update(kept, "finish")
    assert (done.returncode, "no longer runs: opt/jq/bin/jq" in done.stderr) == (1, True)
    assert kept.guest("/opt/homebrew/bin/jq --version").returncode == 0
