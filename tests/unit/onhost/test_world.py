"""How programs are run on the host: as whom, in what surroundings, and never for ever."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from clawkeep.link import Link
from clawkeep.onhost import paths, world
from clawkeep.policy import Policy

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
OWNER = Policy("", "keep", "me", 4711, "/Users/me", "_clawkeep")


def test_a_program_gets_a_bare_environment_and_no_terminal() -> None:
    done = world.run(["/usr/bin/env"])
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == world.ENVIRONMENT
    assert world.run(["/bin/cat"]).stdout == ""
    assert world.run(["/bin/cat"], text="hello").stdout == "hello"


def test_one_that_hangs_is_ended_and_does_not_wait_for_its_children() -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        world.run(["/bin/sh", "-c", "sleep 8 & sleep 8"], timeout_s=0.3)
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_owners_programs_are_run_as_the_owner_and_nobody_else() -> None:
    done = world.as_owner(OWNER, ["/bin/sh", "-c", "id -u; id -g; id -G; pwd; echo $HOME $USER"])
    assert done.stdout.split() == ["4711", "20", "20", "/", "/Users/me", "me"]


def test_whoever_is_not_root_stays_what_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert world.as_user(4711, 20) == {"cwd": "/", "start_new_session": True}


def test_a_link_is_read_back_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "LINK", tmp_path / "link.json")
    assert world.link() is None
    paths.LINK.write_text(world.link_text(LINK))
    assert world.link() == LINK
    for text in ("", "{", "[]", "{}", "null", '{"bridge": 1}', '"x"', "5"):
        paths.LINK.write_text(text)
        assert world.link() is None, text
