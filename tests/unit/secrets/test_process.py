"""Core dumps are off, and a program's words stay inside."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from clawkeep.secrets import SecretError
from clawkeep.secrets.process import run
from tests.recording import Faults

LOOK = """
import ctypes, resource, sys
from clawkeep.secrets.process import no_core_dumps
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
soft = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
if "off" in sys.argv:
    no_core_dumps()
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else None
print(soft, resource.getrlimit(resource.RLIMIT_CORE), dumpable)
"""


def look(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_with_secrets_leaves_no_core_dump(faults: Faults) -> None:
    before, after = look(), look("off")
    # Where the machine itself allows no dump, the limit is 0 before too: prctl(2) still tells.
    soft = before.split()[0]
    assert before.startswith(f"{soft} ({soft}, ")
    assert before.endswith(" 1")
    assert after == f"{soft} (0, 0) 0"
    faults.show("secrets", "a process that holds one crashes", "it leaves no core dump")


def program(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_what_a_program_printed_is_had_and_does_not_show_itself(tmp_path: Path) -> None:
    ran = run([program(tmp_path, "echo planted; echo aside >&2; exit 3")], timeout_s=10)
    assert (ran.status, ran.out, ran.err) == (3, "planted\n", "aside\n")
    assert "planted" not in repr(ran)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo planted; sleep 20", "did not answer within 1 s"),
        (r"printf 'planted\377'", "no UTF-8"),
    ],
)
def test_no_error_carries_what_a_program_printed(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SecretError, match=said) as caught:
        run([program(tmp_path, text)], timeout_s=1)
    assert "planted" not in "".join(traceback.format_exception(caught.value))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"/none cannot be run: No such file"):
        run([str(tmp_path / "none")], timeout_s=1)


def test_it_gets_neither_a_terminal_nor_input(tmp_path: Path) -> None:
    assert run([program(tmp_path, "cat; [ -t 0 ] || echo none")], timeout_s=10).out == "none\n"
