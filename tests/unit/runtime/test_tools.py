"""Calls of tools: arguments by type, one fixed program, and only for those who may."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clawkeep.skills.agents import ARGUMENTS, RESULT, Argument, Verb
from roles.agent.guest.runtime import tools
from roles.agent.guest.runtime.settings import Limits, Settings
from roles.agent.guest.runtime.toolcalls import BadCallError, perform, values

ME = pwd.getpwuid(os.getuid()).pw_name
ADD = Verb(
    ("/bin/cat",), "",
    (Argument("where", "fixed", "Home"), Argument("title", "line", high=20),
     Argument("start", "time"), Argument("minutes", "integer", 60, 1, 90)),
    script=ARGUMENTS,
).as_json()  # fmt: skip


def given(*words: str) -> dict[str, Any]:
    return values(ADD["arguments"], list(words))


def test_arguments_have_their_types_and_what_is_fixed_stays() -> None:
    assert given("Dentist", "2026-11-24T09:00Z") == {
        "where": "Home", "title": "Dentist", "start": "2026-11-24T09:00:00+00:00", "minutes": 60
    }  # fmt: skip
    assert given("Dentist", "2026-11-24", "5")["minutes"] == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "title is missing"),
        (("Dentist",), "start is missing"),
        (("x" * 21, "2026-11-24"), "title: a text of at most 20 characters"),
        ((" ", "2026-11-24"), "title: a text of at most 20"),
        (("a\nb", "2026-11-24"), "title: a text without control characters"),
        (("a\u2028b", "2026-11-24"), "title: a text without control characters"),
        (("a", "tomorrow"), "start: a time such as"),
        (("a", "2026-11-24", "0"), "minutes: a whole number from 1 to 90"),
        (("a", "2026-11-24", "5; rm"), "minutes: a whole number"),
        (("a", "2026-11-24", "\u0665"), "minutes: a whole number"),
        (("a", "2026-11-24", "5", "Work"), "1 arguments more"),
    ],
)
def test_an_argument_of_another_type_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadCallError, match=said):
        given(*words)


@pytest.mark.parametrize("word", ["-v", "", "a b", '"', "../x\n", "x" * 201])
def test_an_id_is_a_word(word: str) -> None:
    spec = [{"name": "id", "kind": "id", "default": None, "low": 0, "high": 0}]
    with pytest.raises(BadCallError):
        values(spec, [word])
    assert values(spec, ["x-apple-reminder://0A-1"]) == {"id": "x-apple-reminder://0A-1"}


@pytest.mark.parametrize("title", ['"); app.quit(); ("', "\\", "`${x}`", "</script>", "häß 🦀"])
def test_no_text_ends_the_literal_that_it_is_in(title: str) -> None:
    asked = given(title, "2026-11-24")
    # cat answers with the script: what a program would be sent.
    assert perform(ADD, asked, "", "/", ME) == asked


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    verb = {**ADD, "argv": ["/bin/sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"]}
    began = time.monotonic()
    with pytest.raises(BadCallError, match=r"did not end in 0\.5 s; macOS probably asks"):
        perform({**verb, "timeout_s": 0.5}, given("a", "2026-11-24"), "", "/", ME)
    assert time.monotonic() - began < 10
    pid = int((tmp_path / "pid").read_text())
    assert (
        not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_a_program_that_is_not_allowed_says_who_can_allow_it() -> None:
    verb = {**ADD, "argv": ["/bin/sh", "-c", "echo 'not authorized (-1743)' >&2; exit 1"]}
    with pytest.raises(BadCallError, match="allow it once at the guest's screen"):
        perform(verb, given("a", "2026-11-24"), "", "/", ME)


class World:
    """A run of an agent (here: ourselves), and the server that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runs" / "nanoclaw-main-1"
        self.tools = self.folder / "ipc" / "tools"
        self.tools.mkdir(parents=True)
        (folder / "state" / "logs").mkdir(parents=True)
        self.journal = folder / "state" / "logs" / "runtime.jsonl"
        settings = Settings(
            str(folder), "/bin/true", ME, (ME,), Limits(None, None, None, None),
            frozenset(), inject=False, enabled=True, denied=frozenset(), sandbox=True,
        )  # fmt: skip
        speak = Verb(
            (sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())",
             RESULT), "", (Argument("text", "text"),), speaks="text", result="aiff",
        )  # fmt: skip
        self.list = folder / "skills.json"
        self.grant("calendar", "say")
        self.record(["calendar", "say"])
        self.verbs = {"calendar": {"add": ADD}, "say": {"speak": speak.as_json()}}
        self.grant("calendar", "say")
        self.server = tools.Server(settings, str(self.list), os.getuid())

    def grant(self, *names: str) -> None:
        skills = {
            name: {"folder": name, "texts": {}, "files": [], "verbs": verbs}
            for name, verbs in getattr(self, "verbs", {}).items()
        }
        value = {"groups": {"main": list(names)}, "release": None, "skills": skills}
        self.list.write_text(json.dumps(value))

    def record(self, skills: list[str], **facts: Any) -> None:
        known = {"agent": ME, "group": "main", "main": True, "skills": skills}
        (self.folder / "run.json").write_text(json.dumps(known | facts))

    def asks(self, skill: str, verb: str, *args: str) -> dict[str, Any]:
        return self.sends(json.dumps({"skill": skill, "verb": verb, "args": args}).encode())

    def sends(self, data: bytes, name: str = "a1") -> dict[str, Any]:
        (self.tools / f"{name}.json").write_bytes(data)
        return self.answer(name)

    def answer(self, name: str = "a1") -> dict[str, Any]:
        self.server.tick()
        self.server.wait()
        path = self.tools / f"{name}.answer.json"
        found: dict[str, Any] = json.loads(path.read_text())
        path.unlink()
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_call_is_answered_and_noted_without_its_contents(world: World) -> None:
    answer = world.asks("calendar", "add", "Dentist", "2026-11-24")
    assert (answer["ok"], answer["result"]["title"]) == (True, "Dentist")
    (line,) = world.journal.read_text().splitlines()
    assert json.loads(line).items() >= {
        "event": "tool", "group": "main", "skill": "calendar", "verb": "add", "ok": True
    }.items()  # fmt: skip
    assert "Dentist" not in line
    assert sorted(os.listdir(world.tools)) == []


def test_a_file_that_a_verb_wrote_comes_back(world: World) -> None:
    answer = world.asks("say", "speak", "Good\nmorning")
    assert answer == {"ok": True, "result": None, "file": "a1.aiff"}
    assert (world.tools / "a1.aiff").read_text() == "Good\nmorning"
    assert [name for name in os.listdir(world.folder) if name.startswith(".")] == []


def test_what_was_not_granted_at_the_start_is_refused(world: World) -> None:
    world.record(["say"])
    assert "may not use" in world.asks("calendar", "add", "x", "2026-11-24")["error"]
    world.record(["calendar"], main=False)
    assert "may not use" in world.asks("calendar", "add", "x", "2026-11-24")["error"]


def test_what_was_withdrawn_since_is_refused_at_once(world: World) -> None:
    assert world.asks("calendar", "add", "x", "2026-11-24")["ok"]
    world.grant("say")
    assert "may not use" in world.asks("calendar", "add", "x", "2026-11-24")["error"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "is no request"),
        (b"[]", "is no request"),
        (b'{"skill": ["say"], "verb": "speak", "args": []}', "is no request"),
        (b'{"skill": "gh", "verb": "speak", "args": []}', "may not use"),
        (b'{"skill": "say", "verb": "shout", "args": []}', "say has speak"),
        (b'{"skill": "say", "verb": "../x y", "args": []}', "is no request"),
        (b'{"skill": "say", "verb": "speak", "args": [1]}', "args must be a list of texts"),
        (b'{"skill": "say", "verb": "speak", "args": ["' + b"x" * 70_000 + b'"]}', "no request"),
    ],
)
def test_a_request_that_is_none_is_answered_and_goes(world: World, data: bytes, said: str) -> None:
    answer = world.sends(data)
    assert answer["ok"] is False
    assert said in answer["error"]
    assert os.listdir(world.tools) == []


def test_a_link_and_a_second_name_are_no_requests(world: World, tmp_path: Path) -> None:
    asked = {"skill": "calendar", "verb": "add", "args": ["x", "2026-11-24"]}
    (tmp_path / "theirs.json").write_text(json.dumps(asked))
    (world.tools / "a1.json").symlink_to(tmp_path / "theirs.json")
    assert "is no request" in world.answer()["error"]
    os.link(tmp_path / "theirs.json", world.tools / "a1.json")
    assert "is no request" in world.answer()["error"]
    assert (tmp_path / "theirs.json").exists()


def test_an_answer_replaces_a_link_and_is_not_written_through(world: World, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (world.tools / "a1.answer.json").symlink_to(tmp_path / "precious")
    assert world.asks("calendar", "add", "x", "2026-11-24")["ok"]
    assert (tmp_path / "precious").read_text() == "precious"


def test_calls_have_a_rate(world: World) -> None:
    for _ in range(tools.PER_MINUTE):
        assert world.asks("nothing", "x")["error"].startswith("this group may not")
    assert "too many calls" in world.asks("calendar", "add", "x", "2026-11-24")["error"]


def test_a_run_that_is_not_the_runtimes_is_not_served(world: World) -> None:
    world.record(["calendar"], agent="root2")
    (world.tools / "a1.json").write_text("{}")
    world.server.tick()
    world.server.wait()
    assert os.listdir(world.tools) == ["a1.json"]
