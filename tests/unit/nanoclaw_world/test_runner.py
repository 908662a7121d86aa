"""The agent-runner by itself: the contract on stdin, stdout and in ipc/input (§1.6, §2.3)."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.services import claude
from tests.unit.nanoclaw_world.program import NOBODY, NODE, Served, unprivileged, wait_for

START, END = "---NANOCLAW_OUTPUT_START---", "---NANOCLAW_OUTPUT_END---"


@dataclass
class Runner:
    """A run of the agent, with /workspace and /home/node moved to a folder."""

    root: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, given: str | dict[str, Any], **options: Any) -> None:
        """Start it with this on stdin."""
        with (self.root / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [str(NODE), str(self.root / "dist/index.js")],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.DEVNULL,
                **(unprivileged() | options),
            )
        assert self.process.stdin
        text = given if isinstance(given, str) else json.dumps({**REQUEST, **given})
        self.process.stdin.write(text.encode())
        self.process.stdin.close()

    def outputs(self) -> list[dict[str, Any]]:
        """Return what it said between markers so far."""
        pieces = (self.root / "out").read_text().split(START)[1:]
        return [json.loads(piece.partition(END)[0]) for piece in pieces if END in piece]

    def results(self, count: int) -> list[str]:
        """Wait for so many answers; return them."""

        def found() -> list[str]:
            return [one["result"] for one in self.outputs() if one["result"]]

        wait_for(f"{count} results", lambda: len(found()) >= count)
        return found()

    def hand(self, name: str, content: str) -> None:
        """Put a file into ipc/input."""
        place = self.root / "ipc/input"
        wait_for("its input folder", place.is_dir)
        (place / f"{name}.tmp").write_text(content)
        (place / f"{name}.tmp").rename(place / name)

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        assert self.process
        return self.process.wait(10)


REQUEST = {"prompt": "hello", "groupFolder": "main", "chatJid": "web:main", "isMain": True}


@pytest.fixture
def api(serve: Callable[..., Served]) -> Served:
    return serve(claude.answer)


@pytest.fixture
def runner(
    scratch: Path, compiled: Callable[[str], Path], api: Served
) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(branch: str = "skill/discord", **environment: str) -> Runner:
        source = compiled(branch) / "container/agent-runner"
        root = Path(tempfile.mkdtemp(dir=scratch))
        root.chmod(0o755)
        for name in ("group", "ipc/input", "home/.claude", "dist"):
            (root / name).mkdir(parents=True)
        for file in (source / "dist").glob("*.js"):
            text = file.read_text().replace("/workspace", str(root))
            (root / "dist" / file.name).write_text(text.replace("/home/node", f"{root}/home"))
        (root / "package.json").write_text('{"type": "module"}')
        (root / "node_modules").symlink_to(source / "node_modules")
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", str(NOBODY), str(root)], check=True)
        base = {"PATH": f"{NODE.parent}:/usr/bin:/bin", "HOME": f"{root}/home",
                "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": claude.KEY}  # fmt: skip
        made.append(Runner(root, base | environment))
        return made[-1]

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.process.kill()


def test_it_answers_in_pairs_stays_and_leaves_when_told(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({})
    one.results(1)
    one.hand("1.json", json.dumps({"type": "message", "text": "more"}))
    one.results(2)
    one.hand("_close", "")

    assert one.ended() == 0
    session = one.outputs()[0]["newSessionId"]
    assert one.outputs() == [
        {"status": "success", "result": "You said: hello (turn 1)", "newSessionId": session},
        {"status": "success", "result": "You said: more (turn 2)", "newSessionId": session},
    ]


def test_v1_1_tells_its_session_once_more_after_each_answer(
    runner: Callable[..., Runner],
) -> None:
    one = runner("v1.1")
    one.start({"secrets": {"ANTHROPIC_API_KEY": claude.KEY}})
    wait_for("the session's pair", lambda: len(one.outputs()) == 2)

    session = one.outputs()[0]["newSessionId"]
    assert one.outputs()[1] == {"status": "success", "result": None, "newSessionId": session}


def test_a_refused_key_is_an_answer_first_and_an_error_at_the_end(
    runner: Callable[..., Runner],
) -> None:
    one = runner(ANTHROPIC_API_KEY="sk-ant-other")
    one.start({})
    assert one.results(1) == ["Invalid API key · Fix external API key"]
    one.hand("_close", "")

    assert one.ended() == 1
    assert [output["status"] for output in one.outputs()] == ["success", "error"]
    assert one.outputs()[1]["error"] == (
        "Claude Code returned an error result: Invalid API key · Fix external API key"
    )


def test_what_cannot_be_parsed_is_an_error_and_1(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start("{no json")

    assert one.ended() == 1
    assert [output["status"] for output in one.outputs()] == ["error"]


def test_closed_in_the_middle_is_an_error_and_1(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({"prompt": "!slow 30\n!bash true"})
    time.sleep(1)
    one.hand("_close", "")

    assert one.ended() == 1
    assert one.outputs()[-1]["error"] == "Claude Code process exited with code 1"


def test_a_session_is_found_by_the_folder_it_ran_in(
    runner: Callable[..., Runner], api: Served
) -> None:
    one = runner()
    one.start({})
    one.results(1)
    session = one.outputs()[0]["newSessionId"]
    one.process.kill()  # type: ignore[union-attr]
    (project,) = (one.root / "home/.claude/projects").iterdir()

    assert project.name == str(one.root / "group").replace("/", "-").replace("_", "-")
    assert (project / f"{session}.jsonl").exists()
    one.start({"sessionId": session})
    assert one.results(1) == ["You said: hello (turn 2)"]
    one.process.kill()  # type: ignore[union-attr]

    # Under another key it is lost without an error: an empty pair, and a new session.
    project.rename(project.with_name("-workspace-group"))
    one.start({"sessionId": session})
    assert one.results(1) == ["You said: hello (turn 1)"]
    assert one.outputs()[0] == {"status": "success", "result": None, "newSessionId": session}
    assert one.outputs()[1]["newSessionId"] != session


def test_a_missing_workdir_is_blamed_on_node(runner: Callable[..., Runner]) -> None:
    one = runner()
    shutil.rmtree(one.root / "group")
    one.start({})

    assert one.ended() == 1
    assert one.outputs()[-1]["error"] == "Failed to spawn Claude Code process: spawn node ENOENT"


def test_a_home_that_cannot_be_written_makes_it_do_nothing(
    runner: Callable[..., Runner],
) -> None:
    one = runner("v1.1")
    (one.root / "home/.claude.json").mkdir()
    one.start({})
    wait_for("an output", one.outputs)
    one.hand("_close", "")

    assert one.ended() == 0
    assert [output["result"] for output in one.outputs()] == [None]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_root_is_refused(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({}, user=0, group=0)

    assert one.ended() == 1


def test_its_commands_are_real_and_run_where_it_runs(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({"prompt": "!bash pwd; echo oops >&2; exit 3"})

    (answer,) = one.results(1)
    assert answer == f"{one.root}/group\noops\n[exit 3]"


def test_its_tools_are_a_process_that_writes_files(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({"prompt": "!say hello there"})
    one.results(1)

    (file,) = (one.root / "ipc/messages").glob("*.json")
    written = json.loads(file.read_text())
    assert {**written, "timestamp": ""} == {
        "type": "message", "chatJid": "web:main", "text": "hello there",
        "groupFolder": "main", "timestamp": "",
    }  # fmt: skip


def test_a_refused_token_is_no_login(runner: Callable[..., Runner]) -> None:
    one = runner(ANTHROPIC_API_KEY="", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-other")
    one.start({})

    assert one.results(1) == ["Not logged in · Please run /login"]


def test_v1_2_takes_no_secrets_from_stdin(runner: Callable[..., Runner]) -> None:
    secrets = {"secrets": {"ANTHROPIC_API_KEY": claude.KEY}}
    newer, older = runner(ANTHROPIC_API_KEY=""), runner("v1.1", ANTHROPIC_API_KEY="")
    newer.start(secrets)
    older.start(secrets)

    assert newer.results(1) == ["Not logged in · Please run /login"]
    assert older.results(1) == ["You said: hello (turn 1)"]


def test_a_script_decides_whether_a_task_wakes_it(runner: Callable[..., Runner]) -> None:
    one = runner()
    one.start({"isScheduledTask": True, "script": "echo '{\"wakeAgent\": false}'"})

    assert one.ended() == 0
    assert one.outputs() == [{"status": "success", "result": None}]
