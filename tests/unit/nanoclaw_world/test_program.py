"""The host program: what it prints, writes and calls, as nanoclaw.md §1 says of the real one."""

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.services import claude
from tests.unit.nanoclaw_world.program import Program, Served, wait_for

Make = Callable[..., Program]
Serve = Callable[..., Served]
LINE = re.compile(r"^\[\d\d:\d\d:\d\d\.\d{3}\] \x1b\[32mINFO\x1b\[39m \(\d+\): \x1b\[36m", re.M)


@pytest.fixture
def api(serve: Serve) -> Served:
    return serve(claude.answer)


def credentials(api: Served) -> dict[str, str]:
    """What an injecting runtime gives the agent; the stub hands its own environment on."""
    return {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": claude.KEY}


def rows(program: Program, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(program.folder / "store/messages.db") as database:
        return database.execute(query).fetchall()


def register(program: Program, jid: str, folder: str, config: str | None = None) -> None:
    """What the `register` step does: a row, before the program starts."""
    with sqlite3.connect(program.folder / "store/messages.db") as database:
        database.execute(
            "INSERT INTO registered_groups VALUES (?, ?, ?, '@Andy', '2026-01-01', ?, 1, 0)",
            (jid, folder.title(), folder, config),
        )


def test_a_message_is_answered_and_the_conversation_goes_on(program: Make, api: Served) -> None:
    one = program(**credentials(api))
    one.start()
    one.running()

    assert one.say("hello") == "You said: hello (turn 1)"
    assert one.say("again <&>") == "You said: again <&> (turn 2)"
    # The second message went to the agent that still ran, by a file.
    assert len(one.runs()) == 1
    one.process.terminate()  # type: ignore[union-attr]
    assert one.ended() == 0
    assert "containers detached, not killed" in one.log()

    # The next life stops the agent that was left, and resumes the session.
    one.start()
    wait_for("the second banner", lambda: one.log().count("NanoClaw running") == 2)
    assert "Stopped orphaned containers" in one.log()
    assert one.say("and now") == "You said: and now (turn 3)"
    assert len(rows(one, "SELECT * FROM sessions")) == 1


def test_the_log_has_colours_and_no_date(program: Make) -> None:
    one = program()
    one.start()
    one.running()

    assert LINE.search(one.log())
    assert "(default trigger: @Andy)" in one.log()
    assert "Channel installed but credentials missing" in one.log("err")


def test_main_asks_docker_as_v1_2_does(program: Make, api: Served) -> None:
    one = program(**credentials(api))
    one.start()
    one.running()
    one.say("hello")

    folder = one.folder
    (run,) = one.runs()
    assert one.calls()[:2] == [
        ["info"],
        ["ps", "--filter", "name=nanoclaw-", "--format", "{{.Names}}"],
    ]
    assert run[:4] == ["run", "-i", "--rm", "--name"]
    assert re.fullmatch(r"nanoclaw-main-\d{13}", run[4])
    assert run[5:8] == ["-e", "TZ=Europe/Berlin", "--add-host=host.docker.internal:host-gateway"]
    mounts = [mount for flag, mount in itertools.pairwise(run) if flag == "-v"]
    assert mounts == [
        f"{folder}:/workspace/project:ro",
        "/dev/null:/workspace/project/.env:ro",
        f"{folder}/store:/workspace/project/store",
        f"{folder}/groups/main:/workspace/group",
        f"{folder}/groups/global:/workspace/global",
        f"{folder}/data/sessions/main/.claude:/home/node/.claude",
        f"{folder}/data/ipc/main:/workspace/ipc",
        f"{folder}/data/sessions/main/agent-runner-src:/app/src",
    ]
    assert run[-1] == "nanoclaw-agent:latest"
    assert claude.KEY not in json.dumps(one.calls())


def test_v1_1_hands_the_secrets_of_env_over_on_stdin(program: Make, api: Served) -> None:
    one = program("v1.1", ANTHROPIC_BASE_URL=api.url, DISCORD_ONLY="true")
    one.env_file["ANTHROPIC_API_KEY"] = f'"{claude.KEY}"'
    one.start()
    one.running()

    assert one.say("hello") == "You said: hello (turn 1)"
    assert claude.KEY not in one.say("!bash env")
    mounts = [mount for mount in one.runs()[0] if ":/workspace/" in mount]
    assert [mount.partition(":")[2] for mount in mounts] == [
        "/workspace/project:ro", "/workspace/group", "/workspace/ipc",
    ]  # fmt: skip
    assert "NanoClaw running (trigger: @Andy)" in one.log()
    assert one.log("err") == ""


def test_another_group_needs_its_trigger_and_has_its_own_mounts(program: Make, api: Served) -> None:
    one = program(**credentials(api))
    one.start()
    one.running()
    register(one, "web:family", "family")
    one.process.terminate()  # type: ignore[union-attr]
    one.ended()
    one.start()
    wait_for("the second banner", lambda: one.log().count("NanoClaw running") == 2)

    said = "@Andy hello"
    assert one.say(said, group="family") == f"You said: {said} (turn 1)"
    targets = [mount.partition(":")[2] for mount in one.runs()[0] if ":/workspace/" in mount]
    assert targets == ["/workspace/group", "/workspace/global:ro", "/workspace/ipc"]


@pytest.mark.slow
def test_agents_speak_and_plan_by_files(program: Make, api: Served) -> None:
    one = program(SCHEDULER_POLL_INTERVAL="500", **credentials(api))
    one.start()
    one.running()
    plan = {"prompt": "tick", "schedule_type": "interval", "schedule_value": "600000"}

    assert sorted(one.hear(2, "!say from a tool")) == ["Message sent.", "from a tool"]
    assert "requested" in one.say(f"!schedule {json.dumps(plan)}")
    wait_for("the task", lambda: rows(one, "SELECT * FROM scheduled_tasks"))
    assert rows(one, "SELECT prompt, schedule_value, status FROM scheduled_tasks") == [
        ("tick", "600000", "active")
    ]


@pytest.mark.slow
def test_files_that_make_no_sense_are_put_aside(program: Make) -> None:
    one = program()
    one.start()
    one.running()
    folder = one.folder / "data/ipc/main/messages"
    aside = one.folder / "data/ipc/errors/main-x.json"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    folder.parent.chmod(0o777)
    (folder / "x.json").write_text("{no json")

    wait_for("the error", aside.exists)


@pytest.mark.parametrize(
    ("api_says", "answer"),
    [
        ({"keys": ("other",)}, "Invalid API key · Fix external API key"),
        ({"overloaded": True}, "API Error: Repeated 529 Overloaded errors"),
    ],
)
def test_a_refusal_is_given_as_an_answer(
    program: Make, api: Served, api_says: dict[str, object], answer: str
) -> None:
    one = program(**credentials(api))
    claude.configure(api.folder, **api_says)  # type: ignore[arg-type]
    one.start()
    one.running()

    assert one.say("hello") == answer


def test_without_a_credential_the_agent_says_so_and_calls_it_success(
    program: Make, api: Served
) -> None:
    one = program(ANTHROPIC_BASE_URL=api.url)
    one.start()
    one.running()

    assert one.say("hello") == "Not logged in · Please run /login"
    assert not (api.folder / "visits.jsonl").read_text()


def test_without_docker_it_ends_before_there_is_a_database(program: Make) -> None:
    one = program()
    one.start(PATH="/nowhere")

    assert one.ended() == 1
    assert "FATAL: Container runtime failed to start" in one.log("err")
    assert not (one.folder / "store").exists()


def test_v1_2_without_a_channel_ends_and_v1_1_runs_on(program: Make) -> None:
    newer, older = program(), program("v1.1", DISCORD_ONLY="true")
    for one in (newer, older):
        one.env_file.clear()
        one.start()

    assert newer.ended() == 1
    assert "No channels connected" in newer.log("err")
    older.running()


@pytest.mark.slow
def test_an_unpaired_whatsapp_ends_v1_1(program: Make) -> None:
    one = program("v1.1")
    one.start()

    assert one.ended() == 1
    assert "WhatsApp authentication required" in one.log()


def test_a_login_that_fails_is_caught_by_nobody_and_ends_with_0(program: Make) -> None:
    one = program(https_proxy="http://127.0.0.1:9", NODE_USE_ENV_PROXY="1")
    one.env_file = {"DISCORD_BOT_TOKEN": "bogus"}
    one.start()

    assert one.ended() == 0
    assert "Unhandled rejection" in one.log("err")
    assert "NanoClaw running" not in one.log()


def test_mounts_are_refused_unless_the_allowlist_is_whole(program: Make, api: Served) -> None:
    one = program(**credentials(api))
    one.start()
    one.running()
    shared = Path(one.environment["HOME"], "shared")
    shared.mkdir()
    config = json.dumps({"additionalMounts": [{"hostPath": str(shared), "readonly": False}]})
    register(one, "web:family", "family", config)
    allowed = {"allowedRoots": [{"path": str(shared), "allowReadWrite": True}],
               "blockedPatterns": []}  # fmt: skip
    settings = Path(one.environment["HOME"], ".config/nanoclaw/mount-allowlist.json")
    settings.parent.mkdir(parents=True)

    def mounts(content: Mapping[str, object]) -> list[str]:
        settings.write_text(json.dumps(content))
        one.stop()
        count = one.log().count("NanoClaw running")
        one.start()
        wait_for("the banner", lambda: one.log().count("NanoClaw running") > count)
        one.say("@Andy hello", group="family")
        return [mount for mount in one.runs()[-1] if "/workspace/extra/" in mount]

    assert mounts(allowed) == []
    assert mounts({**allowed, "nonMainReadOnly": False}) == [f"{shared}:/workspace/extra/shared"]
    assert mounts({**allowed, "nonMainReadOnly": True}) == [f"{shared}:/workspace/extra/shared:ro"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ASSISTANT_NAME=Bob", "Bob"),
        ("  ASSISTANT_NAME = 'Bob'  ", "Bob"),
        ('ASSISTANT_NAME="Bob"', "Bob"),
        ("ASSISTANT_NAME=Bob # inline", "Bob # inline"),
        ("export ASSISTANT_NAME=Bob", "Andy"),
        ("# ASSISTANT_NAME=Bob", "Andy"),
    ],
)
def test_env_is_read_by_its_own_rules(program: Make, line: str, value: str) -> None:
    one = program()
    one.env_file |= {"X": f"1\n{line}"}
    one.start()
    one.running()

    assert f"(default trigger: @{value})" in one.log()
