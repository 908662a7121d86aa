"""Updates on a keep: shown, applied, undone when red, and found again when killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.guarding import is_open, wait
from tests.lab.keep import BIN, GUEST, Built

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
    assert kept.mutations(since) == []
    # The window is open to what it needs, and shut again.
    assert "formulae.brew.sh" in {visit.get("host") for visit in kept.lab.visits()[visits:]}
    assert kept.host("/opt/clawkeep/bin/clawkeep window show").stdout.strip() == "closed"


def test_a_major_is_shown_and_refused(kept: Built) -> None:
    release(kept, version="2.0.0")
    assert "not by itself" in rows(kept)[1]["brew:jq"]["apply"]
    done = update(kept, "apply", "brew:jq")
    assert (done.returncode, "--major brew:jq" in done.stderr) == (1, True)
    done = update(kept, "apply", "brew")
    assert (done.returncode, "nothing to apply" in done.stderr) == (0, True)
    assert "jq" in jq(kept)
    assert jq(kept).split()[-1] == "1.8.1"
