"""`clawkeep secrets`, as it is typed and as it is piped."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clawkeep import cli
from tests.recording import Faults

COMMAND = str(Path(sys.executable).with_name("clawkeep"))
PLANTED = "hunter2-planted ü"


class Operator:
    """Somebody with a project and a shell."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.key = folder / "config" / "clawkeep" / "sealing.key"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CLAWKEEP_")}
        self.environment |= {
            "CLAWKEEP_PROJECT": str(self.project),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def run(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        done = subprocess.run(
            [COMMAND, "secrets", *words],
            input=stdin,
            capture_output=True,
            env=self.environment,
            cwd=self.project,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr.decode()

    def type(self, *words: str, lines: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run it on a terminal, type a line at each prompt, return what the screen shows."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.project)
            os.execve(COMMAND, [COMMAND, "secrets", *words], self.environment)
        screen, typed, end = b"", list(lines), time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                break
            screen += chunk
            if chunk.endswith(b": ") and typed:
                time.sleep(0.1)
                os.write(terminal, typed.pop(0).encode() + b"\n")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        return status, screen.decode()


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_what_is_piped_in_comes_out_of_a_pipe_as_it_was(operator: Operator) -> None:
    status, out, said = operator.run("seal", "a", stdin=PLANTED.encode() + b"\n")
    assert (status, out) == (0, b"")
    assert f"made the sealing key, {operator.key}; keep a copy of it elsewhere" in said
    assert 'sealed; its reference is "sealed:a"' in said
    assert PLANTED not in said
    assert operator.run("unseal", "a") == (0, PLANTED.encode(), "")


def test_only_the_line_break_at_the_end_is_not_part_of_it(operator: Operator) -> None:
    operator.run("seal", "a", stdin=b" one\ntwo \n\n")
    assert operator.run("unseal", "a")[1] == b" one\ntwo \n"


def test_a_second_of_the_same_name_replaces_the_first_and_makes_no_key(operator: Operator) -> None:
    operator.run("seal", "a", stdin=b"1")
    status, _, said = operator.run("seal", "a", stdin=b"2")
    assert (status, said) == (0, 'replaced; its reference is "sealed:a"\n')
    assert operator.run("unseal", "a")[1] == b"2"


def test_a_prompt_asks_twice_and_shows_nothing(operator: Operator) -> None:
    status, screen = operator.type("seal", "a", lines=(PLANTED, PLANTED))
    assert status == 0, screen
    assert "a: " in screen
    assert "a, once more: " in screen
    assert PLANTED not in screen
    assert operator.run("unseal", "a")[1] == PLANTED.encode()


def test_two_different_texts_seal_nothing(operator: Operator) -> None:
    status, screen = operator.type("seal", "a", lines=(PLANTED, "other"))
    assert status == 1
    assert "two different texts; nothing was sealed" in screen
    assert not list(operator.project.iterdir())


def test_a_terminal_shows_a_secret_only_when_asked_to(operator: Operator) -> None:
    operator.run("seal", "a", stdin=PLANTED.encode())
    status, screen = operator.type("unseal", "a")
    assert status == 1
    assert "pipe it on, or say --show" in screen
    assert PLANTED not in screen
    status, screen = operator.type("unseal", "a", "--show")
    assert (status, screen) == (0, f"{PLANTED}\r\n")


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "nothing to seal"),
        (b"\n", "nothing to seal"),
        (b"planted\xff", "no UTF-8 text"),
        (b"planted" * 10_000, "more than 64 KB"),
    ],
)
def test_what_cannot_be_a_secret_seals_nothing_and_makes_no_key(
    operator: Operator, stdin: bytes, said: str, faults: Faults
) -> None:
    status, out, err = operator.run("seal", "a", stdin=stdin)
    assert (status, out) == (1, b"")
    assert said in err
    assert "planted" not in err
    assert not operator.key.exists()
    what = "nothing" if not stdin.strip() else "no text" if b"\xff" in stdin else "70 KB"
    says = f"exit 1: {said}; nothing is sealed, shown or left on disk"
    faults.show("secrets", f"`clawkeep secrets seal` gets {what}", says, "the operator")


def test_a_name_that_cannot_be_referred_to_is_refused(operator: Operator) -> None:
    status, _, said = operator.run("seal", "a b", stdin=b"x")
    assert status == 1
    assert "1 to 64 letters" in said


def test_the_list_has_names_and_times_and_no_values(operator: Operator) -> None:
    assert operator.run("list") == (
        0, b"", f"nothing is sealed in {operator.project}/secrets.sealed\n",
    )  # fmt: skip
    for name in ("bb", "a"):
        operator.run("seal", name, stdin=PLANTED.encode())
    status, out, _ = operator.run("list")
    lines = out.decode().splitlines()
    assert (status, [line.split()[0] for line in lines]) == (0, ["a", "bb"])
    status, out, _ = operator.run("list", "--json")
    data = json.loads(out)
    assert data["file"] == f"{operator.project}/secrets.sealed"
    assert [sorted(row) for row in data["secrets"]] == [["name", "sealed_at"]] * 2
    assert PLANTED not in out.decode()
    operator.run("remove", "a")
    assert [row["name"] for row in json.loads(operator.run("list", "--json")[1])["secrets"]] == [
        "bb"
    ]


def test_a_rotation_changes_key_and_file_and_keeps_the_secrets(operator: Operator) -> None:
    operator.run("seal", "a", stdin=PLANTED.encode())
    before = operator.key.read_text(), (operator.project / "secrets.sealed").read_text()
    status, out, said = operator.run("rotate")
    assert (status, out) == (0, b""), said
    assert "is gone" in said
    after = operator.key.read_text(), (operator.project / "secrets.sealed").read_text()
    assert before[0] != after[0]
    assert before[1].splitlines()[0] != after[1].splitlines()[0]
    assert operator.run("unseal", "a")[1] == PLANTED.encode()
    assert before[0].strip().removeprefix("clawkeep-key-") not in said


def test_a_spoilt_file_is_1_with_the_reason(operator: Operator) -> None:
    operator.run("seal", "a", stdin=b"x")
    file = operator.project / "secrets.sealed"
    file.write_bytes(file.read_bytes()[:-3])
    status, out, said = operator.run("unseal", "a")
    assert (status, out) == (1, b"")
    assert "secrets.sealed was cut or altered since it was sealed" in said
    assert "Traceback" not in said


def test_the_guides_commands_are_commands() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs/how-to/secrets.md").read_text()
    typed = re.findall(r"^    clawkeep (secrets [^|\n]*)", guide, re.MULTILINE)
    typed += re.findall(r"`clawkeep (secrets [^`]*)`", guide)
    assert len(typed) >= 6
    for line in typed:
        assert cli.parser()[0].parse_args(line.split()).verb == "secrets"
