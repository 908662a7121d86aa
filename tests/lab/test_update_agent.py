"""A Node that does not fit what NanoClaw was built with is undone, and the agent answers."""

from __future__ import annotations

import json

import pytest

from tests.lab.agent_keep import ROOT, AgentKeep
from tests.lab.guarding import wait
from tests.lab.test_update import RELEASED, rows, update

pytestmark = [pytest.mark.lab, pytest.mark.slow]

#: Starts, says a version, and is the Node of another ABI, which loads none of what was compiled.
OTHER_ABI = {
    "version": "22.24.0",
    "files": {
        "bin/node": '#!/bin/sh\nexec -a "$0" /System/Lab/bottles/node@24/bin/node "$@"\n',
        "bin/npm": "#!/bin/sh\necho 10.9.4\n",
        "bin/npx": "#!/bin/sh\necho 10.9.4\n",
    },
}
NODE = "/opt/homebrew/opt/node@22/bin/node"


def release(agent: AgentKeep, version: str, files: dict[str, str] | None = None) -> None:
    entry: dict[str, object] = {"version": version}
    if files:
        entry["files"] = {path: f"script:{text}" for path, text in files.items()}
    text = json.dumps({"homebrew/core": {"node@22": entry}})
    agent.guest(f"cat > {RELEASED} <<'END'\n{text}\nEND")


def running(agent: AgentKeep) -> str:
    """Return the pid of the agent that answers, once all is well."""
    wait("all is well", lambda: agent.built.status()["verdict"] == "well", 120)
    return agent.pid()


def test_a_node_of_another_abi_is_undone(agent: AgentKeep) -> None:
    built = agent.built
    assert agent.answer("hello")
    running(agent)
    abi = agent.guest(f"{NODE} -p process.versions.modules")
    active, groups = agent.active(), agent.guest(f"ls {ROOT}/state/groups")
    release(agent, "22.24.0", OTHER_ABI["files"])  # type: ignore[arg-type]
    assert rows(built)[1]["brew:node@22"]["step"] == "minor"
    # The control: it runs, and its ABI is another one.
    done = update(built, "apply", "brew:node@22", timeout_s=580)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "agent:" in done.stderr
    assert "no longer runs" not in done.stderr
    assert "rolled back to" in done.stderr
    assert agent.guest(f"{NODE} -p process.versions.modules") == abi
    assert (agent.active(), agent.guest(f"ls {ROOT}/state/groups")) == (active, groups)
    running(agent)
    assert "(turn 2)" in agent.answer("still there?")


def test_a_node_that_fits_stays_and_the_agent_runs_with_it(agent: AgentKeep) -> None:
    before = running(agent)
    release(agent, "22.23.4")
    done = update(agent.built, "apply", "brew:node@22", timeout_s=580)
    assert done.returncode == 0, done.stderr
    assert agent.guest("ls /opt/homebrew/Cellar/node@22") == "22.23.4"
    assert running(agent) != before
    assert agent.answer("hello")
