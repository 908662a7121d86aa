"""NanoClaw's releases and its job, from the operator's side: answers in, commands out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import plistlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from clawkeep.model import Agent, Egress, Guest, Keep
from roles.agent import checkout, job
from tests.operations.harness import PENDING, Machine, described

COMMIT = "b8cf30830b8adc33d75537521b68023d16a51547"
RELEASE, OTHER = "b8cf30830b8a-01234567", "b8cf30830b8a-89abcdef"
NOTHING: dict[str, Any] = {"releases": {}, "active": {}, "folders": [], "node": None, "dirty": []}


def keep_of(**values: Any) -> Keep:
    agent = Agent.model_validate({"secrets": {"ANTHROPIC_API_KEY": "sealed:key"}, **values})
    return Keep(guest=Guest(packages=("node@22",)), agent=agent)


def agent_of(keep: Keep) -> Agent:
    assert keep.agent is not None
    return keep.agent


def said(keep: Keep, *names: str, active: str = "", abi: str = "127", **more: Any) -> str:
    """Return what the guest's program says; the first of `names` is what is declared."""
    digest = checkout.specification(agent_of(keep))["digest"]
    releases = {
        name: {"id": name, "spec": digest if name == names[0] else "?", "node": {"abi": abi},
               "arch": "arm64"}
        for name in names
    }  # fmt: skip
    data = NOTHING | {"releases": releases, "node": {"abi": "127", "arch": "arm64"}}
    return json.dumps(data | {"active": releases.get(active, {})} | more)


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let something that notes what it is opened to stand for the window, and for npm's answer."""
    events: list[str] = []

    @contextlib.contextmanager
    def opened(names: tuple[str, ...]) -> Iterator[SimpleNamespace]:
        events.extend(names)
        yield SimpleNamespace(proxy="http://192.168.64.1:3128")
        events.append("closed")

    monkeypatch.setattr(checkout, "provisioning_window", opened)
    monkeypatch.setattr(checkout, "npm_registry", lambda: "https://npm.example/")
    return events


def built(keep: Keep, answer: str) -> tuple[list[dict[str, Any]], Machine]:
    answers = PENDING if answer == PENDING else {"releases *": answer}
    machine = Machine(answers)
    commands = machine.commands(lambda: checkout.built(name="b", keep=keep, agent=agent_of(keep)))
    return [described(command) for command in commands], machine


def test_a_release_of_what_is_declared_needs_nothing(window: list[str]) -> None:
    keep = keep_of()
    commands, machine = built(keep, said(keep, RELEASE))
    assert (commands, machine.noops) == ([], [f"release {RELEASE} is there"])
    assert window == []


def test_a_build_gets_its_specification_on_stdin_and_a_window_for_its_sources(
    window: list[str],
) -> None:
    keep = keep_of(
        repository="https://git.example.com/claw.git",
        commit="1" * 40,
        skills=[{"branch": "x", "commit": "2" * 40, "repository": "https://other.example/x.git"}],
    )
    commands, machine = built(keep, said(keep_of(), RELEASE))
    (command,) = commands
    spec = json.loads(command.pop("stdin"))
    assert command["sudo"]
    assert command["values"] == ["claw", "build", ""]
    assert (spec["commit"], spec["profile"]) == ("1" * 40, "v1.2")
    assert spec["skills"][0]["commit"] == "2" * 40
    assert (spec["registry"], spec["proxy"]) == ("https://npm.example/", "http://192.168.64.1:3128")
    assert {"github.com", "codeload.github.com", ".githubusercontent.com", "git.example.com",
            "other.example", "npm.example"} <= set(window)  # fmt: skip
    assert window[-1] == "closed"
    assert machine.log == ["NanoClaw: 1.2.52 at 111111111111"]


def test_a_guest_that_is_not_there_yet_is_planned_without_a_window(window: list[str]) -> None:
    commands, _ = built(keep_of(), PENDING)
    assert len(commands) == 1
    assert "npm.example" not in window


def test_another_node_is_a_reason_to_build_again() -> None:
    keep = keep_of()
    commands, machine = built(keep, said(keep, RELEASE, abi="131"))
    assert len(commands) == 1
    assert machine.log == ["NanoClaw: Node or machine changed since it was built"]


def test_a_release_that_somebody_changed_ends_the_run() -> None:
    keep = keep_of()
    answer = said(keep, RELEASE, active=RELEASE, dirty=[" M src/index.ts"])
    ((command,), _) = built(keep, answer)
    assert command["script"] == 'echo "$1" >&2; exit 1'
    assert (
        f"release {RELEASE} was changed since it was built:  M src/index.ts"
        in (command["values"][0])
    )


@pytest.mark.parametrize(
    "answer",
    ["", "no JSON", "[]", '{"releases": {}}', json.dumps(NOTHING | {"active": None})],
)
def test_an_answer_that_is_none_is_not_taken_for_a_release(answer: str) -> None:
    commands, _ = built(keep_of(), answer)
    assert [command["values"][1] for command in commands] == ["build"]


def test_a_name_that_the_guest_made_up_is_none() -> None:
    keep = keep_of()
    answer = said(keep, "../../etc; reboot")
    commands, _ = built(keep, answer)
    assert [command["values"][1] for command in commands] == ["build"]


def test_what_only_passes_through_makes_no_other_release() -> None:
    same = checkout.specification(agent_of(keep_of()))
    assert same == checkout.specification(agent_of(keep_of(env={"LOG_LEVEL": "debug"}, users=2)))
    assert same["digest"] != checkout.specification(agent_of(keep_of(commit="1" * 40)))["digest"]


# --- the job

INPUTS = "none /opt/nanoclaw/state/.env\nnone /opt/nanoclaw/state/credentials"


def running(
    keep: Keep, releases: str, seen: dict[str, str] | None = None
) -> tuple[list[dict[str, Any]], Machine]:
    parts = {"gateway": "192.168.64.1", "mark": "", "plist": "", "inputs": INPUTS, "job": ""}
    parts |= seen or {}
    machine = Machine(
        {"releases *": releases, "agent job *": "\n@@\n".join(parts.values())}
        if releases != PENDING
        else PENDING
    )
    commands = machine.commands(lambda: job.running(name="r", keep=keep, agent=agent_of(keep)))
    return [described(command) for command in commands], machine


def as_it_runs(keep: Keep, release: str = RELEASE, inputs: str = INPUTS) -> dict[str, str]:
    """Return what is seen of a job that was started with `release` and `inputs`."""
    plist = job.job(keep, agent_of(keep), release, {})
    return {
        "plist": f"{hashlib.sha256(plist).hexdigest()}  -",
        "mark": hashlib.sha256(b"\0".join([plist, inputs.encode()])).hexdigest(),
        "job": "\tstate = running\n\truns = 1\n\tpid = 812",
    }


def test_the_first_release_becomes_active_and_is_started() -> None:
    keep = keep_of()
    commands, machine = running(keep, said(keep, RELEASE))
    start, activate = commands
    assert activate["values"] == ["claw", "activate", RELEASE]
    assert start["script"] == job.START
    assert start["values"][:2] == ["claw", "com.nanoclaw"]
    assert start["values"][4] == f"/opt/nanoclaw/releases/{RELEASE}"
    plist = plistlib.loads(start["stdin"].encode())
    assert plist["ProgramArguments"][1] == f"/opt/nanoclaw/releases/{RELEASE}/dist/index.js"
    assert machine.log == [
        "com.nanoclaw: its plist is missing or differs",
        f"release {RELEASE}: active instead of none",
    ]


def test_what_runs_as_declared_is_left_alone() -> None:
    keep = keep_of()
    commands, machine = running(keep, said(keep, RELEASE, active=RELEASE), as_it_runs(keep))
    assert (commands, machine.noops) == ([], [f"com.nanoclaw runs release {RELEASE}"])


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"job": ""}, "not loaded"),
        ({"job": "\tstate = waiting\n\truns = 0"}, "loaded, and never started"),
        ({"plist": "ab  -"}, "its plist is missing or differs"),
        ({"mark": "ab"}, "what it reads has changed since it was started"),
        ({"inputs": "12ab  /opt/nanoclaw/state/.env"}, "what it reads has changed"),
    ],
)
def test_it_is_started_anew_only_for_a_reason(seen: dict[str, str], why: str) -> None:
    keep = keep_of()
    commands, machine = running(keep, said(keep, RELEASE, active=RELEASE), as_it_runs(keep) | seen)
    assert [command["script"] for command in commands] == [job.START]
    assert why in machine.log[0]


def test_another_release_is_made_active_when_it_is_up() -> None:
    keep = keep_of()
    answer = said(keep, RELEASE, OTHER, active=OTHER)
    commands, _ = running(keep, answer, as_it_runs(keep, OTHER))
    assert [command["values"][1] for command in commands] == ["com.nanoclaw", "activate"]


def test_a_run_that_was_killed_before_activation_is_finished() -> None:
    keep = keep_of()
    answer = said(keep, RELEASE, OTHER, active=OTHER)
    commands, _ = running(keep, answer, as_it_runs(keep, RELEASE))
    assert [command["values"][1] for command in commands] == ["activate"]


def test_without_a_release_nothing_is_started() -> None:
    ((command,), _) = running(keep_of(), json.dumps(NOTHING))
    assert command["script"] == 'echo "$1" >&2; exit 1'
    assert "there is no release of what is declared" in command["values"][0]


def test_a_guest_that_is_not_there_yet_is_planned() -> None:
    commands, _ = running(keep_of(), PENDING)
    assert [command["values"][1] for command in commands] == ["com.nanoclaw", "activate"]


def test_what_nanoclaw_reads_from_its_environment_alone_is_in_the_job() -> None:
    env = {"ASSISTANT_NAME": "Andy", "IDLE_TIMEOUT": 60000, "LOG_LEVEL": "debug", "TZ": "UTC"}
    keep = keep_of(env=env)
    commands, _ = running(keep, said(keep, RELEASE, active=RELEASE))
    variables = plistlib.loads(commands[0]["stdin"].encode())["EnvironmentVariables"]
    assert variables.keys() == {"PATH", "HOME", "IDLE_TIMEOUT", "LOG_LEVEL"}
    assert variables["IDLE_TIMEOUT"] == "60000"


def test_the_proxy_is_in_the_job_where_egress_goes_by_name() -> None:
    egress = Egress(mode="domains", profiles=("agent",))
    keep = keep_of().model_copy(update={"egress": egress})
    commands, _ = running(keep, said(keep, RELEASE, active=RELEASE))
    variables = plistlib.loads(commands[0]["stdin"].encode())["EnvironmentVariables"]
    assert variables["https_proxy"] == "http://192.168.64.1:3128"
    assert variables["NODE_USE_ENV_PROXY"] == "1"
    ((command,), _) = running(keep, said(keep, RELEASE, active=RELEASE), {"gateway": ""})
    assert "no default route" in command["values"][0]


def test_another_job_of_the_session_is_loaded_and_left_alone() -> None:
    plist = plistlib.dumps({"Label": "com.nanoclaw.logs"})
    machine = Machine({"agent job *": "\n@@\n" * 4, "agent state": ""})
    commands = machine.commands(lambda: job.session_job(name="l", user="claw", plist=plist))
    ((start),) = [described(command) for command in commands]
    assert start["values"][:2] == ["claw", "com.nanoclaw.logs"]
    assert start["values"][-1] == ""
    seen = ["", hashlib.sha256(plist + b"\0").hexdigest(),
            f"{hashlib.sha256(plist).hexdigest()}  -", "", "\truns = 3"]  # fmt: skip
    machine = Machine({"agent job *": "\n@@\n".join(seen), "agent state": ""})
    assert machine.commands(lambda: job.session_job(name="l", user="claw", plist=plist)) == []
    assert machine.noops == ["com.nanoclaw.logs is loaded as declared"]
