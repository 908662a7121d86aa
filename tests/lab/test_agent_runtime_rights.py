"""Limits, credentials and who may run what, of the direct runtime in a guest; docker's words."""

from __future__ import annotations

import json
import time

import pytest

from clawkeep.contract.request import Request
from roles.agent.program import PYTHON
from tests.lab.runtime_guest import DOCKER, RELEASE, ROOT, STATE, RuntimeGuest

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_limits_hold(guest: RuntimeGuest) -> None:
    guest.configure(limits={"cpu_s": 60, "files": 128, "processes": 40, "memory_mb": None})
    spawn = """eval: (() => { const found = []; for (let n = 0; n < 60; n++) {
        const one = childProcess.spawn('sleep', ['60']); one.on('error', () => {});
        if (one.pid) found.push(one.pid) } return [found.length,
        childProcess.execSync('ulimit -n; ulimit -t; ulimit -c', {encoding: 'utf8',
        shell: '/bin/bash'}).split('\\n')] })()"""
    with guest.running(spawn.replace("60; n++", "20; n++")) as agent:
        assert agent.value() == [20, ["128", "60", "0", ""]]
    with guest.running(spawn.replace("childProcess.execSync", "String")) as agent:
        assert 10 < agent.value()[0] < 40


def test_memory_has_an_end(guest: RuntimeGuest) -> None:
    guest.configure(limits={"cpu_s": None, "files": None, "processes": None, "memory_mb": 400})
    with guest.running("eval: (globalThis.x = Buffer.alloc(1e8, 1)).length") as agent:
        assert agent.value() == 1e8
        time.sleep(4)
        assert guest.names() == [agent.name]
    with guest.running("eval: (globalThis.x = Buffer.alloc(6e8, 1)).length") as agent:
        assert agent.wait() == 137
    assert b"MB, and may use 400" in agent.stderr


def test_a_credential_travels_by_no_file_and_no_command_line(guest: RuntimeGuest) -> None:
    guest.configure(credentials="inject")
    secret = {"ANTHROPIC_API_KEY": "sk-ant-0815"}
    guest.put(f"{STATE}/credentials", json.dumps(secret).encode(), "600", "claw")
    seen = "eval: process.env.ANTHROPIC_API_KEY"
    with guest.running(seen, folder="main", main=True) as agent:
        assert agent.value() == "sk-ant-0815"
        assert guest.sh("ps -axo args= | grep -c [s]k-ant || true") == "0"
        found = guest.sh(f"grep -rl sk-ant {ROOT}/runs {STATE}/data {STATE}/groups || true")
        assert found == ""
        assert guest.sh(f"grep -c sk-ant {STATE}/credentials") == "1"
    for mode, text in (("640", json.dumps(secret)), ("600", '{"X": "sk-ant-0815"}'),
                       ("600", '{"ANTHROPIC_API_KEY": "sk-ant-0815')):  # fmt: skip
        guest.put(f"{STATE}/credentials", text.encode(), mode, "claw")
        with guest.running(seen, folder="main", main=True) as agent:
            assert agent.wait() == 125
        assert b"credentials" in agent.stderr
        assert b"0815" not in agent.stderr


def test_secrets_of_the_request_stay_in_it(guest: RuntimeGuest) -> None:
    seen = "eval: [input.secrets.ANTHROPIC_API_KEY.length, 'ANTHROPIC_API_KEY' in process.env]"
    with guest.running(seen, secrets={"ANTHROPIC_API_KEY": "sk-ant-4711"}) as agent:
        assert agent.value() == [11, False]
        guest.tell("family", "eval: input.secrets.ANTHROPIC_API_KEY")
        assert agent.value(1) == "sk-ant-4711"
        assert [line["text"] for line in guest.journal() if line["event"] == "result"] == [None] * 2
        assert guest.sh(f"grep -rl sk-ant-4711 {ROOT} || true") == ""


def test_noise_around_the_answer_is_passed_on(guest: RuntimeGuest) -> None:
    noise = "eval: fs.writeSync(1, Buffer.from([0, 255, 13, 10, 128]))"
    with guest.running(noise) as agent:
        assert agent.value() == 5
    assert b"\0\xff\r\n\x80" in agent.stdout


def test_what_is_no_request_is_told_as_the_agent_tells_it(guest: RuntimeGuest) -> None:
    guest.group("family")
    agent = guest.start(guest.arguments("family"), b"{")
    assert agent.wait() == 1
    (told,) = agent.outputs
    assert told.status == "error"
    assert "no JSON on stdin" in (told.error or "")


def test_every_group_has_its_user_for_ever(guest: RuntimeGuest) -> None:
    guest.sh(f"rm -f {STATE}/agents.json")
    who = "eval: os.userInfo().username"
    seen: dict[str, set[str]] = {}
    for folder, main in (("work", False), ("main", True), ("family", False), ("work", False)):
        guest.sh(f"rm -rf {STATE}/groups/{folder} {STATE}/data/sessions/{folder}")
        with guest.running(who, folder=folder, main=main) as agent:
            seen.setdefault(folder, set()).add(agent.value())
    assert seen == {"work": {"claw-agent-1"}, "main": {"claw-agent"},
                    "family": {"claw-agent-2"}}  # fmt: skip
    with guest.running(who, folder="another") as agent:
        assert agent.wait() == 125
    assert b"raise agent.users" in agent.stderr
    guest.sh(f"rm -rf {STATE}/agents.json {STATE}/groups/* {STATE}/data/sessions/*")


def test_a_group_that_was_excluded_does_not_run(guest: RuntimeGuest) -> None:
    with guest.running("hi", folder="outcast") as agent:
        assert agent.wait() == 125
    assert b"agent.groups_denied" in agent.stderr


@pytest.mark.parametrize("enabled", [False, None, "true", 1])
def test_nothing_runs_where_it_is_not_switched_on(guest: RuntimeGuest, enabled: object) -> None:
    assert guest.docker("info").returncode == 0
    guest.configure(enabled=enabled)
    assert guest.docker("info").returncode == 1
    with guest.running("hi") as agent:
        assert agent.wait() == 125
    assert b"may not run directly" in agent.stderr
    assert guest.docker("ps").returncode == 0


def test_settings_that_others_can_write_are_none(guest: RuntimeGuest) -> None:
    guest.sh("chmod 664 /etc/clawkeep/runtime.json")
    done = guest.docker("info")
    assert done.returncode == 125
    assert "root's alone" in done.stderr
    guest.sh("mv /etc/clawkeep/runtime.json /etc/clawkeep/away")
    assert "No such file" in guest.docker("info").stderr
    guest.sh("rm /etc/clawkeep/away")


def test_only_nanoclaws_user_runs_agents(guest: RuntimeGuest) -> None:
    for user in ("root", "admin"):
        done = guest.lab.exec(f"guest:{guest.vm}", [DOCKER, "ps"], user=user)
        assert done.returncode == 125
        assert "only claw may" in done.stderr


def test_an_agents_verb_is_for_its_own_run(guest: RuntimeGuest) -> None:
    with guest.running("hi", folder="main", main=True) as agent:
        agent.answer()
        for user in ("claw-agent-1", "claw-agent-2"):
            for verb in ("__agent", "__signal", "__end"):
                last = {"__agent": "", "__signal": "KILL", "__end": "all"}[verb]
                script = f"sudo -n -u {user} {PYTHON} {DOCKER} {verb} {agent.name} {last}"
                done = guest.lab.exec(f"guest:{guest.vm}", ["/bin/sh", "-c", script], user="claw")
                assert done.returncode == 125, (script, done.stderr)
        script = f"sudo -n -u claw-agent {PYTHON} {DOCKER} __agent ../../etc"
        done = guest.lab.exec(f"guest:{guest.vm}", ["/bin/sh", "-c", script], user="claw")
        assert "no container can be called so" in done.stderr
        assert guest.names() == [agent.name]


def test_without_sudo_nothing_runs_and_nothing_is_forgotten(guest: RuntimeGuest) -> None:
    guest.sh("mv /private/etc/sudoers.d/clawkeep-agents /private/etc/withheld")
    try:
        with guest.running("hi") as agent:
            assert agent.wait() == 125
        assert b"sudo: a password is required" in agent.stderr
        assert agent.name in guest.names()
    finally:
        guest.sh("mv /private/etc/withheld /private/etc/sudoers.d/clawkeep-agents")
    assert guest.names() == []


def test_a_runner_that_was_changed_does_not_run(guest: RuntimeGuest) -> None:
    index = f"{RELEASE}/agent/dist/index.js"
    guest.sh(f"cp -p {index} /tmp/kept && echo '// x' >> {index}")
    with guest.running("hi") as agent:
        assert agent.wait() == 125
    assert b"changed since it was built: dist/index.js" in agent.stderr
    guest.sh(f"cat /tmp/kept > {index}")
    with guest.running("hi") as agent:
        assert agent.answer() == "2 bytes: hi"
    guest.sh(f"chmod g+w {index}")
    with guest.running("hi") as agent:
        assert agent.wait() == 125
    assert b"others may write it" in agent.stderr
    guest.sh(f"chmod g-w {index}")


def test_it_answers_as_docker(guest: RuntimeGuest) -> None:
    assert "Server Version" in guest.docker("info").stdout
    assert guest.docker("version", "--format", "{{.Server.Version}}").stdout.strip() != ""
    with guest.running("hi") as agent:
        agent.answer()
        assert agent.name in guest.docker("ps").stdout
        assert guest.docker("ps", "-aq").returncode == 125
        assert guest.docker("ps", "-a", "-q", "--filter", "name=xyz").stdout == ""
        (row,) = guest.docker("container", "ls", "--format", "json").stdout.splitlines()
        seen = json.loads(row)
        assert (seen["Names"], seen["State"]) == (agent.name, "running")
        assert guest.docker("inspect", "-f", "{{.State.Running}}", agent.name).stdout == "true\n"
        (found,) = json.loads(guest.docker("inspect", agent.name).stdout)
        assert found["State"]["Pid"] == seen["AgentPid"]
        again = guest.start(guest.arguments("family", name=agent.name), b"{}")
        assert again.wait() == 125
        assert b"already in use" in again.stderr
        assert guest.docker("rm", agent.name).returncode == 1


def test_it_answers_as_apples_container(guest: RuntimeGuest) -> None:
    container = "/usr/local/clawkeep/bin/container"
    assert guest.docker("system", "status", program=container).returncode == 0
    assert guest.docker("system", "start", program=container).returncode == 0
    guest.group("family")
    words = guest.arguments("family")
    place = f"{RELEASE}/data/sessions/family/agent-runner-src"
    at = words.index(f"{place}:/app/src")
    words[at - 1 : at + 1] = [
        "--mount", f"type=bind,source={place},target=/app/src,readonly"
    ]  # fmt: skip
    agent = guest.start(words, Request("hi", "family", "j").encode("v1.0"), program=container)
    assert agent.answer() == "2 bytes: hi"
    listed = guest.docker("ls", "--format", "json", program=container)
    assert json.loads(listed.stdout) == [{"status": "running", "configuration": {"id": agent.name}}]
    assert agent.name in guest.docker("list", program=container).stdout
    assert guest.docker("stop", agent.name, program=container).returncode == 0
    assert agent.wait() == 143
    refused = guest.docker("build", ".", program=container)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (64, "container")


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("build", "."), 125, "no command of the direct runtime"),
        ((), 125, "no command of the direct runtime"),
        (("stop", "nanoclaw-absent"), 1, "No such container: nanoclaw-absent"),
        (("stop", "../x"), 1, "no container can be called so"),
        (("stop",), 1, "one name is needed"),
        (("kill", "-s", "STOP", "x"), 1, "invalid signal"),
        (("ps", "--filter", "label=x"), 1, "invalid filter"),
        (("ps", "--format", "{{range .}}"), 0, ""),
        (("inspect", "absent"), 1, "No such object"),
        (("system", "prune"), 125, "no command"),
        (("__agent",), 125, "not for people"),
        (("run", "--privileged", "x"), 125, "unknown flag: --privileged"),
    ],
)
def test_what_it_cannot_do_it_says(
    guest: RuntimeGuest, words: tuple[str, ...], status: int, why: str
) -> None:
    done = guest.docker(*words)
    assert (done.returncode, why in done.stderr) == (status, True), done
