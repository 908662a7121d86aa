"""`clawkeep audit` of a keep with an agent: its users, programs, secrets, jobs and its release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.agent_keep import AgentKeep

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ENV = "/opt/nanoclaw/state/.env"
RUNTIME = "/usr/local/clawkeep/bin/docker"
TAMPERED = f"""chmod 644 {ENV}
echo '# x' >> {RUNTIME}
echo 'print(1)' > /usr/local/clawkeep/libexec/evil.py
dseditgroup -o edit -a admin -t user claw-agent-1
dscl . -create /Users/claw-agent-1 UserShell /bin/zsh
r=$(ls -d /opt/nanoclaw/releases/*-*/dist | head -n 1); echo '// x' >> "$r/index.js"
launchctl bootout gui/$(id -u claw)/com.nanoclaw.logs"""
NAMED = {
    f"guest/secret/{ENV}": "mode 644",
    f"guest/file/{RUNTIME}": "other content",
    "guest/nothing-else//usr/local/clawkeep/libexec": "evil.py",
    "guest/job/com.nanoclaw.logs": "not loaded",
}


def audit(agent: AgentKeep) -> tuple[int, dict[str, dict[str, Any]]]:
    done = agent.built.clawkeep("audit", "--json")
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {one["name"]: one for one in checks if one["state"] != "passed"}


def test_the_agents_part(agent: AgentKeep) -> None:
    assert audit(agent) == (0, {})
    agent.built.guest(TAMPERED)
    status, found = audit(agent)
    assert status == 1
    for name, words in NAMED.items():
        assert words in found[name]["found"], (name, found.get(name))
    users = {name: one["found"] for name, one in found.items() if name.startswith("guest/user/")}
    assert list(users.values()) == ["shell /bin/zsh"]
    groups = {n: one["found"] for n, one in found.items() if n.startswith("guest/group/claw-agent")}
    assert list(groups.values()) == ["beyond that: admin"]
    assert any(n.startswith("guest/release/") and "changed" in found[n]["found"] for n in found)
    assert "keep/policy/secrets" in found
