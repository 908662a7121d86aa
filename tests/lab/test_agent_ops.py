"""What the operator sees of the agent: a bad state is planted, and the status must say so."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.lab import Lab
from lab.services import claude, discord
from tests.lab.agent_keep import JOB, ROOT, SECRETS, AgentKeep
from tests.lab.guarding import wait
from tests.lab.keep import BIN
from tests.nanoclaw.repository import Repository

pytestmark = pytest.mark.lab

STATE = f"{ROOT}/state"
GUI = "gui/$(id -u claw)"
PLIST, LOGS = (f"/Users/claw/Library/LaunchAgents/com.nanoclaw{x}.plist" for x in ("", ".logs"))
OTHER = "/tmp/other/dist"
HUNDRED_YEARS = "setInterval(() => {}, 1e9)"


def look(agent: AgentKeep) -> dict[str, str]:
    """Return the verdict of each row; the exit status must be that of them all."""
    done = agent.built.clawkeep("agent", "status", "--json")
    report = json.loads(done.stdout)
    assert not report["error"], report
    rows = {row["name"]: row["verdict"] for row in report["rows"]}
    worst = next((word for word in ("ill", "unknown") if word in rows.values()), "well")
    assert report["verdict"] == worst
    assert done.returncode == {"well": 0, "ill": 1, "unknown": 2}[worst]
    return rows


def not_well(agent: AgentKeep) -> dict[str, str]:
    return {name: verdict for name, verdict in look(agent).items() if verdict != "well"}


def all_well(agent: AgentKeep) -> bool:
    """Tell whether all is well, but for a process that has just been started."""
    return not_well(agent) in ({}, {"process": "unknown"})


def piped(agent: AgentKeep, text: str, *options: str) -> dict[str, Any]:
    """Say a text that came on stdin; return what came back."""
    done = subprocess.run(
        [str(BIN / "clawkeep"), "agent", "say", "--json", *options, "-"],
        cwd=agent.built.project,
        env=agent.built.variables(),
        input=text.encode(),
        capture_output=True,
        timeout=90,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


@pytest.fixture(scope="module")
def agent(agent: AgentKeep) -> AgentKeep:
    """Have it answer once: before that nobody can tell whether its credential is taken."""
    assert agent.answer("hello") == "You said: hello (turn 1)"
    return agent


def test_where_all_is_well_every_row_says_so(agent: AgentKeep) -> None:
    wait("a status that is well", lambda: all_well(agent), 60)
    rows = look(agent)
    assert {"release", "banner", "loop", "credential", "database", "runtime", "orphans"} <= set(
        rows
    )
    seen = {row["name"]: row for row in agent.built.status()["agent"]["rows"]}
    assert seen.keys() == rows.keys()
    # The watcher looks every 30 s, and this keep has one: nobody tries the loop twice.
    assert (seen["loop"]["verdict"], seen["loop"]["evidence"]) == ("well", "as the watcher saw")


def hung(agent: AgentKeep) -> str:
    return f"kill -STOP {agent.pid()}"


def goes_on(agent: AgentKeep) -> str:
    return f"kill -CONT {agent.pid()}"


def second(agent: AgentKeep) -> str:
    agent.guest(f"mkdir -p {OTHER}; echo '{HUNDRED_YEARS}' > {OTHER}/index.js")
    return f"cd {OTHER}/..; sudo -u claw -H zsh -c 'node dist/index.js >/dev/null 2>&1 &'"


def from_the_sources(agent: AgentKeep) -> str:
    program = f'require("fs").openSync("{STATE}/store/messages.db"); {HUNDRED_YEARS}'
    agent.guest(f"mkdir -p {OTHER}; echo '{program}' > {OTHER}/sources.js")
    return f"sudo -u claw -H zsh -c 'node {OTHER}/sources.js >/dev/null 2>&1 &'"


def unsupervised(agent: AgentKeep) -> str:
    """An agent whose runtime was killed: it is there until somebody asks the runtime."""
    agent.answer("hello")
    pids = " ".join(agent.processes()["supervisor"])
    # At once: the one that sees the other die ends the agent.
    return f"kill -STOP {pids}; kill -9 {pids}"


def uncollected(agent: AgentKeep) -> str:
    """Since long, by the collector's own note."""
    long_ago = 's/"checked": [0-9.]+/"checked": 1000.0/'
    noted = f"{STATE}/logs/clean/bookmark.json"
    return f"launchctl bootout {GUI}/com.nanoclaw.logs; sed -i.bak -E '{long_ago}' {noted}"


Script = str | Callable[[AgentKeep], str]
#: What is done, what undoes it, and the rows that must turn ill by it.
PLANTED: dict[str, tuple[Script, Script, set[str]]] = {
    "stopped, with its banner in the log": (
        f"launchctl bootout {JOB}",
        f"launchctl bootstrap {GUI} {PLIST}",
        {"job", "process", "instance", "banner", "loop", "channel local"},
    ),
    "its loop hangs": (hung, goes_on, {"loop", "channel local"}),
    "a second one": (second, "kill $(pgrep -u claw -f ' dist/index.js')", {"instance"}),
    "one from the sources": (from_the_sources, "kill $(pgrep -u claw -f sources.js)", {"instance"}),
    "the channel's socket is gone": (
        f"mv {STATE}/local.sock {STATE}/away",
        f"mv {STATE}/away {STATE}/local.sock",
        {"channel local"},
    ),
    "the database cannot be opened": (
        f"chmod 0 {STATE}/store/messages.db",
        f"chmod 600 {STATE}/store/messages.db",
        {"database"},
    ),
    "the runtime is gone": (
        "mv /usr/local/clawkeep/bin/docker /tmp/docker",
        "mv /tmp/docker /usr/local/clawkeep/bin/docker",
        {"runtime"},
    ),
    "an agent without its runtime": (unsupervised, "true", {"orphans"}),
    "the logs are not collected": (uncollected, f"launchctl bootstrap {GUI} {LOGS}", {"logs"}),
}
FAST = {"stopped, with its banner in the log"}


@pytest.mark.parametrize(
    "state",
    [pytest.param(s, marks=() if s in FAST else (pytest.mark.slow,)) for s in PLANTED],
)
def test_a_state_that_is_not_well_turns_its_own_rows(agent: AgentKeep, state: str) -> None:
    plant, undo, ill = PLANTED[state]
    agent.guest(plant if isinstance(plant, str) else plant(agent))
    seen = not_well(agent)
    undone = agent.built.guest(undo if isinstance(undo, str) else undo(agent))
    assert undone.returncode == 0, undone.stderr
    assert {name for name, verdict in seen.items() if verdict == "ill"} == ill
    wait("a status that is well", lambda: all_well(agent), 60)


@pytest.mark.slow
def test_a_credential_that_is_refused_is_told_and_an_answer_takes_it_back(
    agent: AgentKeep,
) -> None:
    folder = agent.built.lab.state.folder
    claude.configure(folder, keys=("another",))
    refused = agent.say("hello")
    claude.configure(folder)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "no answer (credential): Invalid API key" in refused.stderr
    assert not_well(agent)["credential"] == "ill"
    wait("an answer", lambda: agent.say("hello").returncode == 0, 60)
    assert "credential" not in not_well(agent)


def test_a_message_arrives_as_it_is_and_no_shell_sees_it(agent: AgentKeep) -> None:
    text = "$(touch /tmp/seen) `touch /tmp/seen` 'a' \"b\" \\ \n\0\r\n \u2028 end"
    found = piped(agent, text)
    assert found["texts"][0].startswith("You said: $(touch /tmp/seen) `touch /tmp/seen` 'a' \"b\"")
    assert "end" in found["texts"][0]
    assert agent.guest("ls /tmp/seen") == ""
    big = piped(agent, "x" * 1_000_000)
    assert (big["ok"], big["cut"]) == (True, True)


@pytest.mark.slow
def test_another_group_is_another_agent(agent: AgentKeep) -> None:
    refused = piped(agent, "hello", "--group", "family")
    assert (refused["ok"], refused["reason"]) == (False, "refused")
    found = piped(agent, "!bash id -un; pwd", "--group", "family", "--create")
    assert found["group"] == "family"
    user, folder = found["texts"][0].split()
    assert (user, folder) == ("claw-agent-1", f"{STATE}/groups/family")


def test_the_log_is_dated_plain_and_without_secrets(agent: AgentKeep) -> None:
    raw = f"{STATE}/logs/nanoclaw.log"
    line = f"[$(date +%H:%M:%S).000] \033[32mINFO\033[39m (1): key {claude.KEY} of planted"
    follow = subprocess.Popen(
        [str(BIN / "clawkeep"), "logs", "agent", "--follow", "--json"],
        cwd=agent.built.project, env=agent.built.variables(), text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        until(follow, "NanoClaw running")
        agent.guest(f'printf "{line}\n" >> {raw}')
        said = until(follow, "of planted")
    finally:
        follow.terminate()
        follow.wait()
    assert said["text"] == "INFO (1): key [redacted ANTHROPIC_API_KEY] of planted"
    assert abs(time.time() - time.mktime(time.strptime(said["time"][:19], "%Y-%m-%dT%H:%M:%S"))) < (
        26 * 3600
    )
    shown = agent.built.clawkeep("logs", "agent", "--since", "2h")
    assert shown.returncode == 0, shown.stderr
    assert "NanoClaw running" in shown.stdout
    assert "\033" not in shown.stdout
    assert claude.KEY not in shown.stdout
    assert claude.KEY not in agent.guest(f"cat {STATE}/logs/clean/*")


def until(process: subprocess.Popen[str], wanted: str) -> dict[str, Any]:
    """Read lines until one contains `wanted`."""
    assert process.stdout is not None
    end = time.monotonic() + 40
    while time.monotonic() < end:
        if select.select([process.stdout], [], [], 1)[0]:
            line = process.stdout.readline()
            if wanted in line:
                found: dict[str, Any] = json.loads(line)
                return found
    raise AssertionError(f"{wanted} did not come")


@pytest.mark.slow
def test_the_host_keeps_the_agent_s_log_and_hears_of_a_refused_credential(
    agent: AgentKeep,
) -> None:
    host, show = agent.built.host, "/opt/clawkeep/bin/clawkeep logs show --source agent"
    agent.answer("what the host keeps")
    rows = [json.loads(line) for line in host(show).stdout.splitlines()]
    kept = [row["text"] for row in rows if row.get("source") == "agent"]
    assert any("NanoClaw running" in text for text in kept)
    assert [row for row in rows if row.get("dated") is False] == []
    # Once more: not one line twice.
    again = [json.loads(line) for line in host(show).stdout.splitlines()]
    assert [row["text"] for row in again if row.get("source") == "agent"][: len(kept)] == kept
    look = (
        "cd /opt/clawkeep/lib && /opt/clawkeep/python/bin/python3 -c 'from clawkeep.onhost "
        "import alert_agent; print(alert_agent.look())'"
    )
    assert host(look).stdout == "True\n"
    claude.configure(agent.built.lab.state.folder, keys=("another",))
    try:
        agent.say("who pays?")
        wait("a refusal", lambda: "refuses the agent's credential" in host(look).stdout, 30)
    finally:
        claude.configure(agent.built.lab.state.folder)


@pytest.mark.slow
def test_another_declaration_is_not_what_runs(agent: AgentKeep) -> None:
    declared = agent.values["commit"]
    agent.declare(commit="f" * 40)
    assert not_well(agent)["release"] == "ill"
    agent.declare(commit=declared)
    assert "release" not in not_well(agent)


@pytest.mark.slow
def test_it_is_well_once_it_has_lived_for_a_minute(agent: AgentKeep) -> None:
    wait("a status that is well", lambda: not_well(agent) == {}, 90)
    done = agent.built.clawkeep("agent", "status")
    assert (done.returncode, "the agent is well" in done.stderr) == (0, True)


def reset_connections(lab: Lab, port: int) -> None:
    """End every connection to a port of the host as a crash of its owner would: by a reset."""
    inside = ["nsenter", f"--target={lab.facts['host_pid']}", "--net", "--"]
    subprocess.run(
        [*inside, "ss", "-K", "state", "established", "sport", "=", str(port)], check=True
    )


@pytest.mark.slow
def test_a_channel_that_was_lost_is_told(agent: AgentKeep, stand_in: Repository) -> None:
    folder = agent.built.lab.state.folder
    agent.built.environment["DISCORD"] = discord.TOKEN
    skill = {"branch": "skill/discord", "commit": stand_in.commits["skill/discord"]}
    secrets = SECRETS | {"DISCORD_BOT_TOKEN": "env:DISCORD"}
    agent.declare(skills=[skill], secrets=secrets)
    agent.apply()
    wait("Discord", lambda: look(agent)["channel discord"] == "well", 40)
    # Whoever comes again is refused.
    discord.configure(folder, tokens=())
    reset_connections(agent.built.lab, 3128)
    wait("the loss", lambda: look(agent)["channel discord"] == "ill", 40)
    discord.configure(folder)
    agent.guest(f"launchctl kickstart -k {JOB}")
    wait("Discord", lambda: look(agent)["channel discord"] == "well", 60)
