"""What is installed on the host: it must run on a bare interpreter, with these modules alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clawkeep
from clawkeep import onhost
from roles.base.runtime import sources


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "clawkeep"
    folder.mkdir()
    source = Path(clawkeep.__file__).parent
    for module in onhost.MODULES:
        for file in sources(source, module):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, folder / file)
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
    assert done.stderr == f"usage: clawkeep {{{','.join(onhost.VERBS)}}} …\n"


@pytest.mark.parametrize("verb", sorted(onhost.VERBS))
def test_every_verb_runs_on_a_bare_interpreter(installed: Path, verb: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import importlib; "
        f"print(importlib.import_module({onhost.VERBS[verb]!r}).main.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "main\n", "")


@pytest.mark.parametrize(
    "arguments", [["supervise"], ["supervise", "keep"], ["supervise", "keep", "run", "x"]]
)
def test_a_supervisor_without_its_command_is_a_usage_error(
    installed: Path, arguments: list[str]
) -> None:
    done = run(installed, *arguments)
    assert done.returncode == 64
    assert done.stderr == "usage: clawkeep supervise NAME -- COMMAND…\n"
