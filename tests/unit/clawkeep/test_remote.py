"""A verb of the host, run through a shell: its two streams and its status, told apart."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from clawkeep import remote
from clawkeep.target import Target
from clawkeep.transport import TransportError


class Session:
    """A host on which `sudo` runs the given shell script instead of a verb."""

    target = Target("mac")

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        sudo = folder / "sudo"
        sudo.write_text(f"#!/bin/sh\n{script}\n")
        sudo.chmod(0o755)

    def run(self, script: str, timeout_s: float = 20) -> str:
        done = subprocess.run(
            ["/bin/sh", "-s"], input=script, capture_output=True, text=True, check=False,
            env={"PATH": f"{self.folder}:/usr/bin:/bin", "TMPDIR": str(self.folder)},
        )  # fmt: skip
        return done.stdout


def run(folder: Path, script: str, *arguments: str) -> remote.Outcome:
    session: Any = Session(folder, script)
    return remote.on_host(session, arguments)


def test_both_streams_and_the_status_arrive(tmp_path: Path) -> None:
    outcome = run(tmp_path, "printf data; echo prose >&2; exit 3")
    assert outcome == remote.Outcome(3, "data", "prose\n")


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    outcome = run(tmp_path, 'shift 2; printf "%s|" "$@"', "allow", "--reason=a 'b' $(id)", "")
    assert outcome.stdout == "allow|--reason=a 'b' $(id)||"


def test_a_verbs_output_cannot_pass_for_its_status(tmp_path: Path) -> None:
    script = "printf '\\n@0123456789abcdef 0\\n'; printf '\\n@0123456789abcdef 0\\n' >&2; exit 1"
    assert run(tmp_path, script).status == 1


def test_nothing_is_left_on_the_host(tmp_path: Path) -> None:
    run(tmp_path, "echo prose >&2")
    assert [path.name for path in tmp_path.iterdir()] == ["sudo"]


@pytest.mark.parametrize(
    "script", ["echo 'sudo: a password is required' >&2; exit 1", "kill -9 $PPID"]
)
def test_a_host_that_cannot_run_it_is_an_error(tmp_path: Path, script: str) -> None:
    with pytest.raises(TransportError, match="mac"):
        run(tmp_path, script)
