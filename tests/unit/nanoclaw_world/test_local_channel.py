"""The operator's channel, compiled into the stand-in: real Node, real database, real socket."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clawkeep.agent.say import Reply, reply
from clawkeep.agent.speak import main as speak
from lab.services import claude
from tests.unit.agent.guest_programs import FOLDER
from tests.unit.nanoclaw_world.conftest import checkout
from tests.unit.nanoclaw_world.program import Npm, Program, Served, wait_for

CHANNEL = [sys.executable, "-I", str(FOLDER / "channel.py")]


@pytest.fixture(scope="session")
def compiled(scratch: Path, npm: Npm, built: Any, modules: Path) -> Callable[[str], Path]:
    """As the other tests' `compiled`, with our channel put in before the build."""

    def compile_it(branch: str) -> Path:
        folder = scratch / f"local-{branch}"
        if not folder.exists():
            checkout(built, branch, folder)
            profile = "v1.1" if branch == "v1.1" else "v1.2"
            source = ["--source", str(FOLDER.parent / "channel")]
            subprocess.run([*CHANNEL, str(folder), profile, *source], check=True)
            for place in (".", "container/agent-runner"):
                (folder / place / "node_modules").symlink_to(modules / place / "node_modules")
                done = npm(folder / place, "run", "build")
                assert done.returncode == 0, done.stdout
        return folder

    return compile_it


@pytest.fixture(params=["main", "v1.1"])
def nanoclaw(
    request: pytest.FixtureRequest, program: Callable[..., Program], serve: Callable[..., Served]
) -> Program:
    """A running one, whose agents answer; its state is where ours has it."""
    api = serve(claude.answer)
    one = program(
        request.param, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=claude.KEY, DISCORD_ONLY="true"
    )
    one.env_file = {"ANTHROPIC_API_KEY": claude.KEY}
    one.start()
    wait_for("the banner", lambda: "NanoClaw running" in one.log())
    return one


def said(nanoclaw: Program, text: str, capsys: pytest.CaptureFixture[str], **more: Any) -> Reply:
    # `store` is no link here, so the socket lies in the checkout itself.
    state = nanoclaw.folder / "state"
    if not state.is_symlink():
        state.symlink_to(nanoclaw.folder)
    question = {"root": str(nanoclaw.folder), "text": text, "timeout_s": 20, "socket": True,
                "web": False, "group": None, "create": False} | more  # fmt: skip
    speak(json.dumps(question))  # type: ignore[no-untyped-call]
    return reply(json.loads(capsys.readouterr().out))


def groups(nanoclaw: Program) -> set[tuple[str, str]]:
    with sqlite3.connect(nanoclaw.folder / "store/messages.db") as database:
        return set(database.execute("SELECT jid, folder FROM registered_groups"))


def test_a_message_is_answered_word_for_word(
    nanoclaw: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    hard = "$(id) `id` 'a' \"b\" \n\r\n \0 \u2028 \U0001f980 &lt;"
    first = said(nanoclaw, hard, capsys)
    assert (first.ok, first.group, first.via) == (True, "main", "socket")
    assert first.texts[0].startswith("You said: $(id) `id` 'a' \"b\"")
    assert "\U0001f980" in first.texts[0]
    big = said(nanoclaw, "x" * 1_000_000, capsys)
    assert big.ok, big
    assert big.cut


def test_another_group_is_made_once_and_only_when_asked(
    nanoclaw: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = said(nanoclaw, "hello", capsys, group="family")
    assert (refused.ok, refused.reason) == (False, "refused")
    assert refused.detail == 'there is no group "family"; this channel has main'
    for bad in ("Family", "global", "../main", "operator", "a_b", ""):
        if bad:
            assert said(nanoclaw, "hello", capsys, group=bad, create=True).reason == "refused", bad
    assert groups(nanoclaw) == {("local:operator", "main")}
    made = said(nanoclaw, "hello", capsys, group="family", create=True)
    assert (made.ok, made.group, made.texts) == (True, "family", ("You said: hello (turn 1)",))
    again = said(nanoclaw, "again", capsys, group="family")
    assert again.texts == ("You said: again (turn 2)",)
    assert said(nanoclaw, "hello", capsys).texts == ("You said: hello (turn 1)",)
    assert groups(nanoclaw) == {("local:operator", "main"), ("local:family", "family")}


@pytest.mark.slow
def test_a_group_of_another_channel_is_not_taken_from_it(
    nanoclaw: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    nanoclaw.stop()
    with sqlite3.connect(nanoclaw.folder / "store/messages.db") as database:
        database.execute(
            "INSERT INTO registered_groups (jid, name, folder, trigger_pattern, added_at)"
            " VALUES ('dc:7', 'Friends', 'Friends', '@Andy', '2026-01-01')"
        )
    nanoclaw.start()
    wait_for("the second banner", lambda: nanoclaw.log().count("NanoClaw running") == 2)
    refused = said(nanoclaw, "hello", capsys, group="friends", create=True)
    assert refused.detail == 'group "friends" is of dc:7, where its answers go'
    assert ("dc:7", "Friends") in groups(nanoclaw)


@contextmanager
def listening(nanoclaw: Program) -> Iterator[Any]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(nanoclaw.folder / "local.sock"))
        yield sock.makefile("rw")


@pytest.mark.slow
@pytest.mark.parametrize("nanoclaw", ["main"], indirect=True)
def test_an_answer_goes_to_those_who_spoke_to_its_group(
    nanoclaw: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(nanoclaw) as other:
        assert json.loads(other.readline())["type"] == "hello"
        assert said(nanoclaw, "hello", capsys, group="family", create=True).ok
        other.write('{"type":"ping"}\n')
        other.flush()
        assert json.loads(other.readline()) == {"type": "pong"}
    # What is said with nobody there is kept, for the same group.
    with listening(nanoclaw) as one:
        one.write('{"type":"message","id":"1","text":"!slow 1"}\n')
        one.flush()
        frames = [json.loads(one.readline()) for _ in range(2)]
        assert frames[1] == {"type": "accepted", "id": "1", "group": "main", "waiting": 0}
    assert said(nanoclaw, "hello", capsys, group="family").missed == ()
    later = said(nanoclaw, "and now", capsys)
    assert "slow" in (*later.missed, *later.texts)[0]
