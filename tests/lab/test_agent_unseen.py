"""The credential is where it belongs after all that a keep does with it, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.services import claude
from tests.lab.agent_keep import ROOT, AgentKeep
from tests.lab.keep import GUEST

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NEXT = "sk-ant-planted-3f1c97"
#: Everywhere but in what the lab itself is made of.
FILES = "grep -rslaF {key} / --exclude-dir={{proc,sys,System,lib,lib64}}"
#: The users of the processes that have it in their environment.
ENVIRONMENTS = (
    "for p in /proc/[0-9]*; do grep -qaF {key} $p/environ 2>/dev/null && stat -f %Su $p; done; true"
)


def found(agent: AgentKeep, key: str) -> dict[str, list[str]]:
    """Return where the key is: in files of the guest and of the host, and in processes."""
    # Written in two halves, so that what looks for it does not find itself.
    quoted = f"'{key[:6]}''{key[6:]}'"
    search = {name: text.format(key=quoted) for name, text in
              {"files": FILES, "environments": ENVIRONMENTS}.items()}  # fmt: skip

    def words(machine: str, script: str) -> list[str]:
        done = agent.built.lab.exec(machine, ["/bin/bash", "-c", script], timeout=300)
        return sorted(set(done.stdout.split()))

    guest = f"guest:{GUEST}"
    return {
        "guest": words(guest, search["files"]),
        "environments": words(guest, search["environments"]),
        "host": words("host", search["files"]),
    }


def operators(agent: AgentKeep, key: str) -> list[str]:
    """Return the operator's files that have it: the project's, and what is remembered of the lab.

    The lab's own settings say which keys its model takes, and are left out.
    """
    folders = [agent.built.project, agent.built.lab.state.folder / "operator"]
    files = [file for folder in folders for file in Path(folder).rglob("*") if file.is_file()]
    return [str(file) for file in files if key.encode() in file.read_bytes()]


def test_a_credential_is_in_its_file_and_in_its_agents_environment(agent: AgentKeep) -> None:
    claude.configure(agent.built.lab.state.folder, keys=(claude.KEY, NEXT))
    agent.built.environment["CLAUDE_KEY"] = NEXT
    said = agent.built.pyinfra("-y", "-vvv", "--debug", "--diff", "--data", "phase=agent")
    assert said.returncode == 0, said.stderr[-3000:]
    plan = agent.built.pyinfra("--dry", "-vvv", "--data", "phase=agent")
    agent.answer("hello")
    status = agent.built.clawkeep("agent", "status", "--json").stdout
    logs = agent.built.clawkeep("logs", "agent").stdout
    places = found(agent, NEXT)
    assert places["guest"] == [f"{ROOT}/state/credentials"]
    assert places["environments"] == ["claw-agent"]
    assert operators(agent, NEXT) == []
    for text in (said.stdout, said.stderr, plan.stdout, plan.stderr, status, logs,
                 json.dumps(agent.built.lab.calls())):  # fmt: skip
        assert NEXT not in text
    # The one before is nowhere any more.
    assert found(agent, claude.KEY)["guest"] == []
