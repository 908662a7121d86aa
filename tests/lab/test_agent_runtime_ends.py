"""What an agent of the direct runtime is told and says, and every way in which it ends."""

from __future__ import annotations

import json
import time

import pytest

from clawkeep.contract.request import Request
from tests.lab.runtime_guest import DOCKER, RELEASE, ROOT, STATE, RuntimeGuest
from tests.lab.tart_host import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_follow_ups_reach_it(guest: RuntimeGuest) -> None:
    with guest.running("first") as agent:
        assert agent.answer() == "5 bytes: first"
        guest.tell("family", "a second one")
        assert agent.answer(1) == "12 bytes: a second one"
    assert guest.sh(f"ls {STATE}/data/ipc/family/input") == ""


def test_it_sees_what_nanoclaw_knows_and_when_that_changes(guest: RuntimeGuest) -> None:
    guest.group("family")
    tasks = f"{STATE}/data/ipc/family/current_tasks.json"
    guest.put(tasks, b"[1]", "600", "claw")
    look = "eval: fs.readFileSync(run + '/ipc/current_tasks.json', 'utf8')"
    with guest.running(look) as agent:
        assert agent.value() == "[1]"
        guest.put(tasks, b"[1,2]", "600", "claw")
        seen = f"{ROOT}/runs/{agent.name}/ipc/current_tasks.json"
        wait_for("the new list", lambda: guest.sh(f"cat {seen}") == "[1,2]")
        guest.tell("family", look)
        assert agent.value(1) == "[1,2]"
    guest.sh(f"rm {tasks}")


def test_messages_that_it_did_not_take_go_back(guest: RuntimeGuest) -> None:
    busy = "eval: new Promise((done) => setTimeout(done, 60000))"
    with guest.running(busy) as agent:
        wait_for("its start", lambda: b"started" in agent.stderr)
        guest.tell("family", "later")
        inside = f"{ROOT}/runs/{agent.name}/ipc/input"
        wait_for("the message", lambda: guest.sh(f"ls {inside}") != "")
        guest.docker("stop", "-t", "1", agent.name)
        agent.wait()
    with guest.running("hi") as agent:
        assert agent.answer(1) == "5 bytes: later"


def test_its_last_words_are_carried(guest: RuntimeGuest) -> None:
    last = "eval: [fs.writeFileSync(run + '/ipc/messages/9-last.json', '{}'), process.exit(3)]"
    with guest.running(last) as agent:
        assert agent.wait() == 3
    assert guest.sh(f"ls {STATE}/data/ipc/family/messages") == "9-last.json"
    guest.sh(f"rm {STATE}/data/ipc/family/messages/9-last.json")


@pytest.mark.parametrize(
    ("prompt", "status"),
    [("exit: 0", 0), ("exit: 7", 7), ("exit: 255", 255), ("abort: SIGKILL", 137),
     ("abort: SIGTERM", 143), ("abort: SIGINT", 130), ("eval: nonsense(", 1)],
)  # fmt: skip
def test_its_status_is_the_runs(guest: RuntimeGuest, prompt: str, status: int) -> None:
    with guest.running(prompt) as agent:
        assert agent.wait() == status
    assert guest.journal()[-1]["status"] == status
    assert guest.left() == []


def test_stop_does_not_ask_for_ever(guest: RuntimeGuest) -> None:
    deaf = "eval: process.on('SIGTERM', () => {}) && null"
    with guest.running(deaf) as agent:
        agent.value()
        began = time.monotonic()
        assert guest.docker("stop", "-t", "1", agent.name).returncode == 0
        assert 1 < time.monotonic() - began < 8
        assert guest.left() == []
        assert agent.wait() == 137


@pytest.mark.parametrize(("words", "status"), [(("kill",), 137), (("kill", "-s", "TERM"), 143),
                                               (("rm", "-f"), 137)])  # fmt: skip
def test_kill_and_rm_end_it(guest: RuntimeGuest, words: tuple[str, ...], status: int) -> None:
    with guest.running("hi") as agent:
        agent.answer()
        done = guest.docker(*words, agent.name)
        assert done.returncode == 0, done.stderr
        assert agent.wait() == status


def test_a_signal_to_the_runtime_is_the_agents(guest: RuntimeGuest) -> None:
    with guest.running("hi") as agent:
        agent.answer()
        supervisor = json.loads(guest.docker("ps", "--format", "json").stdout)["Pid"]
        guest.sh(f"kill -TERM {supervisor}")
        assert agent.wait() == 143


def test_it_ends_when_nanoclaw_does(guest: RuntimeGuest) -> None:
    guest.group("family")
    words = guest.arguments("family")
    request = Request("hi", "family", "j").encode("v1.1").decode()
    # A NanoClaw that starts an agent and is gone: its child belongs to nobody then.
    script = f'cd {RELEASE}; (echo \'{request}\' | "$0" "$@" >/dev/null 2>&1 & sleep 2)'
    guest.lab.exec(f"guest:{guest.vm}", ["/bin/sh", "-c", script, DOCKER, *words], user="claw")
    wait_for("the end of the agent", lambda: guest.left() == [], 15)
    why = [line["why"] for line in guest.journal() if line["event"] == "cut off"]
    assert why == ["NanoClaw has ended"]


def test_a_runs_end_does_not_touch_the_groups_other_run(guest: RuntimeGuest) -> None:
    with guest.running("one") as first, guest.running("two") as second:
        first.answer()
        second.answer()
        assert sorted(guest.names()) == sorted([first.name, second.name])
        guest.docker("stop", "-t", "1", first.name)
        assert first.wait() == 143
        assert guest.names() == [second.name]
        guest.tell("family", "alive")
        assert second.answer(1) == "5 bytes: alive"


def test_what_a_dead_agent_left_in_its_group_ends_beside_another_run(guest: RuntimeGuest) -> None:
    leave = """eval: [childProcess.spawn('sleep', ['602'], {stdio: 'ignore'}).pid,
        void setTimeout(() => process.exit(4), 1000)]"""
    with guest.running("alive") as other, guest.running(leave) as agent:
        other.answer()
        agent.answer()
        assert [line for line in guest.left() if "sleep 602" in line]
        assert agent.wait() == 4
        assert not [line for line in guest.left() if "sleep 602" in line]
        assert guest.names() == [other.name]


def test_files_that_resist_are_removed_too(guest: RuntimeGuest) -> None:
    resist = """eval: [fs.mkdirSync(HOME + '/a/b', {recursive: true}),
        fs.writeFileSync(HOME + '/a/b/c', ''), fs.chmodSync(HOME + '/a/b', 0),
        fs.mkdirSync(run + '/ipc/messages/d/e', {recursive: true, mode: 0o700}),
        fs.mkdirSync(os.tmpdir() + '/f', {mode: 0}), fs.writeFileSync('kept', '')]"""
    with guest.running(resist) as agent:
        agent.value()
    assert guest.left() == []
    assert guest.sh(f"ls {STATE}/groups/family/kept") != ""


def test_a_later_process_of_that_pid_is_not_signalled(guest: RuntimeGuest) -> None:
    with guest.running("hi") as agent:
        agent.answer()
        path = f"{ROOT}/runs/{agent.name}/agent.json"
        kept = guest.sh(f"cat {path}")
        earlier = json.loads(kept) | {"started": json.loads(kept)["started"] - 100}
        guest.put(path, json.dumps(earlier).encode(), "644", "claw")
        done = guest.docker("kill", agent.name)
        assert done.returncode == 1
        assert "has ended" in done.stderr
        assert guest.names() == [agent.name]
        guest.put(path, kept.encode(), "644", "claw")
        assert guest.docker("kill", agent.name).returncode == 0
        assert agent.wait() == 137
