"""What is installed on the host: it must run on a bare interpreter, with these modules alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clawkeep
from clawkeep import onhost


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "clawkeep"
    folder.mkdir()
    for module in onhost.MODULES:
        shutil.copy(Path(clawkeep.__file__).parent / f"{module}.py", folder)
    return tmp_path


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); "
        "from clawkeep.onhost import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["supervize"], ["--help"]])
def test_an_unknown_verb_is_a_usage_error(installed: Path, arguments: list[str]) -> None:
    done = run(installed, *arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "usage: clawkeep {supervise} …\n"


@pytest.mark.parametrize(
    "arguments", [["supervise"], ["supervise", "keep"], ["supervise", "keep", "run", "x"]]
)
def test_a_supervisor_without_its_command_is_a_usage_error(
    installed: Path, arguments: list[str]
) -> None:
    done = run(installed, *arguments)
    assert done.returncode == 64
    assert done.stderr == "usage: clawkeep supervise NAME -- COMMAND…\n"
