"""The agent's phase, end to end: a declared NanoClaw is built in the guest, runs, and stays so."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests import small_nanoclaw
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.guarding import wait
from tests.lab.keep import GUEST, changed

pytestmark = [pytest.mark.lab, pytest.mark.slow]

MIRROR = "/Users/Shared/nanoclaw.git"


class Keep(AgentKeep):
    """A keep whose agent is built from a repository of ours, and a NanoClaw that says how it is."""

    def __init__(self, agent: AgentKeep, repository: small_nanoclaw.Repository) -> None:
        super().__init__(agent.built, agent.values)
        self.without, self.repository = agent.without, repository

    def commit(self, name: str, changes: Mapping[str, str]) -> str:
        """Commit to the repository, and carry it to where the guest finds it."""
        commit = self.repository.commit(name, changes)
        self.carry()
        return commit

    def carry(self) -> None:
        script = f"rm -rf {MIRROR}; mkdir -p {MIRROR}; base64 -D | tar -xf - -C {MIRROR}/.."
        done = self.built.lab.exec(
            f"guest:{GUEST}", ["/bin/sh", "-c", script], input=self.repository.archive()
        )
        assert done.returncode == 0, done.stderr

    def said(self) -> dict[str, Any]:
        """Return what the running NanoClaw noted of itself."""
        data: dict[str, Any] = json.loads(self.guest(f"cat {ROOT}/state/data/said.json"))
        return data


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory, agent: AgentKeep) -> Keep:
    made = Keep(agent, small_nanoclaw.make(tmp_path_factory.mktemp("source") / "repository"))
    made.carry()
    made.declare(
        repository=MIRROR, commit=made.repository.commits["main"], env={"LOG_LEVEL": "info"}
    )
    made.built.converge()
    return made


def test_nanoclaw_runs_from_a_release_of_the_declared_commit(keep: Keep) -> None:
    commit = keep.repository.commits["main"]
    release = f"{ROOT}/releases/{keep.active()}"
    assert keep.active().startswith(commit[:12])
    said = keep.said()
    assert (str(said["pid"]), said["cwd"]) == (keep.pid(), release)
    git = f"sudo -u claw git -C {release}"
    assert keep.guest(f"{git} rev-parse HEAD~1") == commit
    assert {os.path.dirname(p) for p in keep.guest(f"{git} diff --name-only HEAD~1").split()} == {
        "src/channels"
    }
    record = json.loads(keep.guest(f"cat {ROOT}/state/release.json"))
    assert (record["id"], record["commit"], record["profile"]) == (keep.active(), commit, "v1.2")
    assert keep.guest(f"cat {ROOT}/state/logs/nanoclaw*.log {ROOT}/state/logs/clean/*.log").count(
        f"({said['pid']}): NanoClaw running (default trigger: @Andy)"
    )


def test_it_gets_the_environment_that_is_declared_and_no_more(keep: Keep) -> None:
    said = keep.said()
    assert said["level"] == "info"
    assert "ANTHROPIC_API_KEY" not in said["variables"]
    path = keep.guest(f"launchctl print {JOB} | sed -n 's/.*PATH => //p'")
    assert path.split(":")[:2] == ["/usr/local/clawkeep/bin", "/opt/homebrew/opt/node@22/bin"]


def test_agents_are_users_of_their_own_without_anything(keep: Keep) -> None:
    for user in ("claw-agent", "claw-agent-1", "claw-agent-2", "claw-agent-3"):
        assert keep.guest(f"id -Gn {user}") == user
        assert keep.guest(f"id -P {user}").endswith(":/var/empty:/usr/bin/false")
        assert keep.built.guest(f"dscl . -authonly {user} ''").returncode != 0
        assert keep.guest(f"dseditgroup -o checkmember -m claw {user}").startswith("yes")


def test_the_service_user_becomes_an_agent_by_the_runtime_alone(keep: Keep) -> None:
    become = "sudo -n -u claw sudo -n -u claw-agent"
    runtime = "/usr/bin/python3 -IS /usr/local/clawkeep/bin/docker"
    refused = "a password is required"
    assert refused in keep.built.guest(f"{become} /usr/bin/id").stderr
    assert refused in keep.built.guest(f"{become} {runtime} run x").stderr
    assert refused in keep.built.guest(f"sudo -n -u claw sudo -n {runtime} __agent x").stderr
    assert refused not in keep.built.guest(f"{become} {runtime} __agent x").stderr


def test_an_agent_reads_the_code_and_neither_state_nor_secrets(keep: Keep) -> None:
    agent = "sudo -u claw-agent"
    assert keep.guest(f"{agent} head -c 5 {ROOT}/current/agent/dist/index.js") == "const"
    key = f"grep -l ANTHROPIC_API_KEY {ROOT}/state/.env {ROOT}/state/credentials"
    (holder,) = keep.guest(f"sudo -u claw {key}").split()
    for path in (holder, f"{ROOT}/state/store/messages.db", f"{ROOT}/state/logs/nanoclaw.log"):
        assert keep.guest(f"sudo -u claw head -c 1 {path}"), path
        done = keep.built.guest(f"{agent} head -c 1 {path}")
        assert (done.stdout, done.returncode != 0) == ("", True), path
    assert keep.guest(f"sudo -u claw ls {ROOT}/state/logs")
    assert keep.built.guest(f"{agent} ls {ROOT}/state/logs").stdout == ""
    for path in (ROOT, "current", "current/dist", "state", "runs"):
        where = path if path == ROOT else f"{ROOT}/{path}"
        assert keep.built.guest(f"{agent} touch {where}/x").returncode != 0, path


def test_a_second_converge_changes_nothing_and_restarts_nothing(keep: Keep) -> None:
    pid, before = keep.pid(), len(keep.built.lab.calls())
    said = keep.built.converge()
    assert keep.built.mutations(before) == []
    assert changed(said) == []
    assert keep.pid() == pid
    assert keep.built.pyinfra("--dry").returncode == 0
    assert keep.built.mutations(before) == []


def test_another_setting_restarts_the_same_release(keep: Keep) -> None:
    pid, release = keep.pid(), keep.active()
    keep.declare(env={"LOG_LEVEL": "debug"})
    said = keep.apply()
    assert "window: open" not in said
    assert keep.active() == release
    assert keep.pid() not in {"", pid}
    assert keep.said()["level"] == "debug"


def test_another_commit_becomes_active_when_it_is_complete(keep: Keep) -> None:
    pid, before = keep.pid(), keep.active()
    memory = f"{ROOT}/state/groups/main/CLAUDE.md"
    keep.guest(f"sudo -u claw sh -c 'echo learnt >> {memory}'")
    commit = keep.commit("next", {"src/next.js": "export {};\n", "groups/main/CLAUDE.md": "new\n"})
    keep.declare(commit=commit)
    keep.apply()
    assert keep.active().startswith(commit[:12])
    assert keep.pid() not in {"", pid}
    assert keep.said()["cwd"] == f"{ROOT}/releases/{keep.active()}"
    assert "learnt" in keep.guest(f"cat {memory}")
    # The one before stays, to go back to.
    assert before in keep.guest(f"ls {ROOT}/releases").split()
    assert (
        keep.guest(f"sqlite3 {ROOT}/state/store/messages.db 'select count(*) from starts'") == "3"
    )


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("unbuilt", {"build.mjs": "throw new Error('no build today');\n"},
         ["build: `npm run build` ended with 1; it said last:", "no build today"]),
        ("unparsable", {"src/index.js": "const = 1;\n"}, ["build: `node --check", "SyntaxError"]),
        ("addonless", {"vendor/better-sqlite3/index.js": "throw new Error('other ABI');\n"},
         ["proof: `node -e", "other ABI"]),
        ("pathless", {"container/agent-runner/src/index.js": "const a = '/work' + 'space';\n"},
         ["agent: ", "index.js"]),
        ("second", {"package.json": '{"name": "nanoclaw", "version": "2.0.64"}\n'},
         ["this is NanoClaw 2.0.64: it needs pnpm and bun"]),
    ],
)  # fmt: skip
def test_what_cannot_be_built_leaves_the_release_that_serves(
    keep: Keep, name: str, changes: dict[str, str], words: list[str]
) -> None:
    pid, release, good = keep.pid(), keep.active(), keep.values["commit"]
    there = keep.guest(f"ls {ROOT}/releases")
    keep.declare(commit=keep.commit(name, changes))
    said = keep.fails()
    keep.declare(commit=good)
    for word in words:
        assert word in said
    assert (keep.pid(), keep.active()) == (pid, release)
    assert keep.guest(f"ls {ROOT}/releases") == there


def test_a_release_that_does_not_stay_up_makes_room_for_the_one_before(keep: Keep) -> None:
    good, release = keep.values["commit"], keep.active()
    keep.declare(commit=keep.commit("dying", {"src/index.js": "process.exit(3);\n"}))
    said = keep.fails()
    assert "com.nanoclaw does not stay up: its last exit code is 3" in said
    assert "what ran before runs again" in said
    assert keep.active() == release
    assert keep.said()["cwd"] == f"{ROOT}/releases/{release}"
    pid = keep.pid()
    keep.declare(commit=good)
    assert changed(keep.apply()) == []
    assert keep.pid() == pid


def test_a_change_by_hand_is_refused_and_not_built_over(keep: Keep) -> None:
    pid, release = keep.pid(), keep.active()
    file = f"{ROOT}/current/src/index.js"
    keep.guest(f"sudo -u claw cp {file} /tmp/index.js; echo '// mended' >> {file}")
    said = keep.fails()
    keep.guest(f"sudo -u claw cp /tmp/index.js {file}")
    assert f"release {release} was changed since it was built:  M src/index.js" in said
    assert (keep.pid(), keep.active()) == (pid, release)
    assert changed(keep.apply()) == []


def test_a_second_nanoclaw_is_not_started_beside_one_that_somebody_started(keep: Keep) -> None:
    start = f"cd {ROOT}/current && exec node dist/index.js >/dev/null 2>&1"
    keep.guest(f"sudo -u claw -H zsh -c '({start}) &'")
    others = "pgrep -u claw -f '/node dist/index.js$'"
    wait("the other one", lambda: keep.guest(others), 20)
    keep.declare(env={"LOG_LEVEL": "warn"})
    pid, said = keep.pid(), keep.fails()
    other = keep.guest(others)
    keep.guest(f"kill {other}")
    assert keep.pid() == pid
    assert f"another NanoClaw runs as claw, outside of com.nanoclaw (pid {other}" in said
    keep.apply()
    assert keep.said()["level"] == "warn"


def test_a_skill_is_merged_at_its_commit(keep: Keep) -> None:
    skill = keep.commit("skill/hello", {"src/hello.js": "export {};\n"})
    keep.declare(skills=[{"branch": "skill/hello", "commit": skill}])
    keep.apply()
    assert keep.guest(f"ls {ROOT}/current/dist/hello.js")
    record = json.loads(keep.guest(f"cat {ROOT}/state/release.json"))
    assert record["skills"] == [{"branch": "skill/hello", "commit": skill}]
    keep.declare(skills=[])
    keep.apply()


def test_a_run_that_is_killed_in_the_middle_is_finished_by_the_next(keep: Keep) -> None:
    pid, release = keep.pid(), keep.active()
    slow = "await new Promise((done) => setTimeout(done, 6000));\n"
    keep.declare(
        commit=keep.commit("slow", {"build.mjs": slow + small_nanoclaw.SOURCE["build.mjs"]})
    )
    with keep.built.start("--data", "phase=agent") as run:
        end = time.monotonic() + 100
        while not keep.guest(f"ls -d {ROOT}/releases/*.new/node_modules"):
            assert time.monotonic() < end, "no build began"
            time.sleep(0.2)
        os.killpg(run.pid, signal.SIGKILL)
    assert (keep.pid(), keep.active()) == (pid, release)
    end = time.monotonic() + 60
    while keep.guest("pgrep -f libexec/checkout.py"):
        assert time.monotonic() < end
        time.sleep(0.5)
    keep.apply()
    assert keep.active().startswith(keep.values["commit"][:12])
    assert ".new" not in keep.guest(f"ls {ROOT}/releases")


def test_the_newest_three_are_kept(keep: Keep) -> None:
    assert len(keep.guest(f"ls {ROOT}/releases").split()) <= 4
