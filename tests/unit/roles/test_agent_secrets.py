"""The program that has the secrets in the guest, run by a real Python on real files."""

from __future__ import annotations

import hmac
import json
import os
import stat
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from clawkeep.nanoclaw.env import Placement
from clawkeep.secrets import Secret
from roles.agent.secrets import BOOTSTRAP, STATE, SecretFile, agent_files

PLANTED = "hunter2-planted"
KEY = bytes(32)
PROGRAM = (resources.files("roles.agent") / "guest" / "secrets.py").read_text()


def run(task: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", BOOTSTRAP],
        input=f"{len(PROGRAM.encode())}\n{PROGRAM}{task}",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(task: dict[str, Any]) -> dict[str, str]:
    done = run(json.dumps(task) + "\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, str] = json.loads(done.stdout)
    return found


def differences(*files: tuple[Path, str | None]) -> dict[str, str]:
    asked = [
        [str(p), None if c is None else hmac.new(KEY, c.encode(), "sha256").hexdigest()]
        for p, c in files
    ]
    return answer({"step": "compare", "key": KEY.hex(), "files": asked})


def place(*files: tuple[Path, str | None]) -> None:
    assert answer({"step": "place", "files": [[str(p), c] for p, c in files]}) == {}


def test_what_is_placed_is_whole_0600_and_as_it_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert differences((file, PLANTED)) == {str(file): "missing"}
    place((file, f"{PLANTED}\nü\n"))
    assert file.read_text() == f"{PLANTED}\nü\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [".env"]
    assert differences((file, f"{PLANTED}\nü\n")) == {}


def test_another_content_is_told_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    place((file, "old"))
    assert differences((file, "new")) == {str(file): "content"}
    place((file, "new"))
    assert file.read_text() == "new"


def test_an_empty_content_is_a_content(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    place((file, ""))
    assert file.read_bytes() == b""
    assert differences((file, "")) == {}


def test_every_other_difference_is_told_and_mended(tmp_path: Path) -> None:
    wide, linked, link, folder = (tmp_path / n for n in ("wide", "linked", "link", "folder"))
    place((wide, "x"), (linked, "x"))
    wide.chmod(0o644)
    os.link(linked, tmp_path / "other-name")
    link.symlink_to(wide)
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    found = differences(*((tmp_path / n, "x") for n in ("wide", "linked", "link", "pipe")))
    assert found == {
        str(wide): "mode 644 -> 600",
        str(linked): "has another name, too",
        str(link): "too many levels of symbolic links",
        str(tmp_path / "pipe"): "no regular file",
    }
    place(*((tmp_path / n, "x") for n in ("wide", "linked", "link", "pipe")))
    assert differences(*((tmp_path / n, "x") for n in ("wide", "linked", "link", "pipe"))) == {}
    assert differences((folder, "x")) == {str(folder): "no regular file"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    place((file, "x"))
    os.chown(file, 12345, -1)
    assert differences((file, "x")) == {str(file): "owner"}
    place((file, "x"))
    assert file.stat().st_uid == os.geteuid()


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / ".env"
    victim.write_text("precious")
    file.symlink_to(victim)
    place((file, PLANTED))
    assert victim.read_text() == "precious"
    assert not file.is_symlink()


def test_a_file_that_must_not_be_there_goes(tmp_path: Path) -> None:
    file, victim = tmp_path / "env", tmp_path / "victim"
    victim.write_text("precious")
    assert differences((file, None)) == {}
    for make in (lambda: file.write_text("x"), lambda: file.symlink_to(victim)):
        make()
        assert differences((file, None)) == {str(file): "must not be there"}
        place((file, None))
        assert not os.path.lexists(file)
    assert victim.read_text() == "precious"
    place((tmp_path / "no-such-folder" / "env", None))


def test_what_a_killed_run_left_beside_a_file_is_told_and_goes(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    place((file, "x"))
    for wanted in ("x", None):
        (tmp_path / "..env.clawkeep~").write_text(PLANTED)
        assert differences((file, wanted)) == {str(file): "an unfinished copy is beside it"}
        place((file, wanted))
        assert PLANTED.encode() not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_a_place_that_is_not_there_is_said_with_its_path_alone(tmp_path: Path) -> None:
    path = tmp_path / "none" / ".env"
    done = run(json.dumps({"step": "place", "files": [[str(path), PLANTED]]}))
    assert done.returncode == 1
    assert done.stderr == f"{path}: No such file or directory\n"


def test_a_folder_in_the_place_of_a_file_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.mkdir()
    done = run(json.dumps({"step": "place", "files": [[str(path), PLANTED]]}))
    assert done.returncode == 1
    assert PLANTED not in done.stdout + done.stderr
    assert os.listdir(tmp_path) == [".env"]


TASK = json.dumps({"step": "place", "files": [["/nowhere/x", PLANTED]]})


@pytest.mark.parametrize("length", range(0, len(TASK), 7))
def test_a_question_that_was_cut_does_nothing_and_is_not_shown(length: int) -> None:
    done = run(TASK[:length])
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "the question came in cut or is none; nothing was done\n"


@pytest.mark.parametrize(
    "task",
    [
        {"step": "fly"},
        {"step": "place"},
        {"step": "place", "files": [["/nowhere/x", 7]]},
        {"step": "place", "files": [[PLANTED]]},
        {"step": "place", "files": [], "more": PLANTED},
        {"step": "compare", "key": PLANTED, "files": [["/x", "y"]]},
        [PLANTED],
    ],
)
def test_what_is_no_question_is_refused_and_not_shown(task: object) -> None:
    done = run(json.dumps(task))
    assert done.returncode == 1
    assert PLANTED not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_unpaired_surrogate_cannot_be_written_and_nothing_is_left(tmp_path: Path) -> None:
    done = run(json.dumps({"step": "place", "files": [[str(tmp_path / "x"), "planted\ud800"]]}))
    assert done.returncode == 1
    assert "planted" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_answer_to_one_key_says_nothing_about_another(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    place((file, "x"))
    mac = hmac.new(KEY, b"x", "sha256").hexdigest()
    asked = {"step": "compare", "key": bytes(range(32)).hex(), "files": [[str(file), mac]]}
    assert answer(asked) == {str(file): "content"}


def test_the_agents_files_are_the_env_the_credentials_and_no_second_copy() -> None:
    token = Secret(PLANTED)
    files = agent_files(
        Placement(dotenv={"ASSISTANT_NAME": "Andy", "T": token}, credentials={"KEY": token})
    )
    assert [(f.path, f.content and f.content.reveal()) for f in files] == [
        (f"{STATE}/.env", f"ASSISTANT_NAME=Andy\nT={PLANTED}\n"),
        (f"{STATE}/credentials", f'{{"KEY": "{PLANTED}"}}\n'),
        (f"{STATE}/data/env/env", None),
    ]
    assert PLANTED not in repr(files)


def test_without_credentials_to_inject_there_is_no_file_of_them() -> None:
    [_, credentials, _] = agent_files(Placement(dotenv={"A": "b"}))
    assert credentials == SecretFile(f"{STATE}/credentials", None)
