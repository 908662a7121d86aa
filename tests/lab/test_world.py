"""A lab begins whole, keeps to itself, and ends without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.lab import Lab, all_labs, down
from lab.start import Options, start
from lab.state import LabError, State, start_time
from tests.lab.conftest import LabStarter, unique_name

pytestmark = pytest.mark.lab

CHECKOUT = Path(__file__).resolve().parents[2]
NAMESPACES = ("pid", "net", "mnt")


def namespaces_of(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/ns/{kind}") for kind in NAMESPACES}


def namespaces_in(lab: Lab) -> set[str]:
    pids = [lab.facts[key] for key in ("pid", "host_pid", "internet_pid")]
    return set().union(*(namespaces_of(pid) for pid in pids))


@dataclass(frozen=True)
class Process:
    """One process, told from a later one of the same pid by when it started."""

    pid: int
    started: int
    name: str

    @property
    def lives(self) -> bool:
        return start_time(self.pid) == self.started


def inhabitants(lab: Lab) -> list[Process]:
    """All living processes in a namespace of the lab."""
    inside = namespaces_in(lab)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(entry.name)
            if namespaces_of(pid) & inside and (started := start_time(pid)) is not None:
                found.append(Process(pid, started, (entry / "comm").read_text().strip()))
        except OSError:
            continue
    return found


def alive(processes: list[Process]) -> list[str]:
    return [process.name for process in processes if process.lives]


def mounts_below(folder: Path) -> list[str]:
    """Mounts of the machine that involve the folder."""
    return [
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if str(folder) in line
    ]


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def wait_until(condition: object, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nothing happened within the time"
        time.sleep(0.02)


def lab_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "lab", *words]


def test_down_leaves_no_process_mount_interface_port_or_file(start_lab: LabStarter) -> None:
    before = interfaces()
    lab = start_lab()
    inside = inhabitants(lab)
    assert "launchd" in alive(inside)
    assert len(inside) > 4
    assert interfaces() - before == set()
    assert mounts_below(lab.state.folder) == []

    lab.down()

    assert alive(inside) == []
    assert not lab.state.folder.exists()
    assert not lab.state.lock_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", lab.ssh_port))


def test_killing_the_world_ends_everything_and_down_removes_the_files(
    start_lab: LabStarter,
) -> None:
    lab = start_lab()
    inside = inhabitants(lab)

    os.kill(lab.facts["pid"], signal.SIGKILL)

    wait_until(lambda: alive(inside) == [])
    assert (lab.name, None) in all_labs()
    with pytest.raises(LabError, match="is not running"):
        Lab.named(lab.name)
    assert down(lab.name) is True
    assert not lab.state.folder.exists()
    assert down(lab.name) is False


def test_down_cleans_up_after_the_hosts_process_1_was_killed(start_lab: LabStarter) -> None:
    lab = start_lab()
    inside = inhabitants(lab)
    host = [p for p in inside if p.name in {"launchd", "opendirectoryd", "mDNSResponder"}]
    assert len(host) == 3

    os.kill(lab.facts["host_pid"], signal.SIGKILL)

    wait_until(lambda: alive(host) == [])
    with pytest.raises(LabError, match=r"the host of lab .* has ended"):
        lab.exec("host", ["id"])
    lab.down()
    assert alive(inside) == []
    assert not lab.state.folder.exists()


def test_a_command_under_exec_ends_with_the_lab(start_lab: LabStarter) -> None:
    lab = start_lab()
    with subprocess.Popen(lab.command("host", ["/bin/sleep", "600"])) as sleeper:
        wait_until(lambda: "sleep" in alive(inhabitants(lab)))

        lab.down()

        assert sleeper.wait(10) == -signal.SIGKILL


def test_the_second_up_of_a_name_is_refused_with_the_holders_pid(lab: Lab) -> None:
    with pytest.raises(LabError, match=f"is held by process {lab.facts['pid']}"):
        Lab.up(lab.name)

    assert lab.exec("host", ["id", "-u"]).stdout == "0\n"


def test_up_after_a_killed_lab_starts_afresh(start_lab: LabStarter) -> None:
    lab = start_lab()
    lab.exec("host", ["/usr/bin/touch", "/private/tmp/old"], check=True)
    os.kill(lab.facts["pid"], signal.SIGKILL)
    wait_until(lambda: State.of(lab.name).holder() is None)

    again = Lab.up(lab.name)

    assert again.exec("host", ["/bin/test", "-e", "/private/tmp/old"]).returncode == 1


@pytest.mark.parametrize("delay_s", [0.15, 0.25, 0.35, 0.5])
def test_an_interrupted_up_leaves_nothing(delay_s: float) -> None:
    name = unique_name("interrupted")
    state = State.of(name)
    with subprocess.Popen(
        lab_command("up", "--name", name), cwd=CHECKOUT, stdout=-3, stderr=subprocess.PIPE
    ) as starting:
        time.sleep(delay_s)
        starting.send_signal(signal.SIGINT)
        _, complaint = starting.communicate(timeout=30)
    if starting.returncode == 0:
        # It was quicker than the signal, which is no failure of it.
        assert down(name) is True

    assert starting.returncode in {0, 130, -signal.SIGINT}, complaint
    assert not state.folder.exists()
    assert not state.lock_file.exists()


@pytest.mark.parametrize("delay_s", [0.1, 0.2, 0.3, 0.4])
def test_a_killed_up_leaves_no_process(delay_s: float) -> None:
    name = unique_name("killed")
    state = State.of(name)
    with subprocess.Popen(lab_command("up", "--name", name), cwd=CHECKOUT, stdout=-3) as starting:
        time.sleep(delay_s)
        starting.kill()
    if state.facts() is None:
        wait_until(lambda: state.holder() is None)

    down(name)

    assert worlds_of(name) == []
    assert not state.folder.exists()
    assert not state.lock_file.exists()


def worlds_of(name: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"lab.world" in words and name.encode() in words:
            found.append(entry.parent.name)
    return found


def test_labs_side_by_side_do_not_see_each_other(lab: Lab, start_lab: LabStarter) -> None:
    other = start_lab(subnet="192.168.65.1/24", bridge=101)
    other.exec("host", ["/usr/bin/touch", "/Users/Shared/mine"], check=True)

    assert lab.exec("host", ["/bin/ls", "/Users/Shared"]).stdout == ""
    assert lab.ssh_port != other.ssh_port
    assert namespaces_in(lab) & namespaces_in(other) == set()
    assert subprocess.check_output(other.ssh("ls", "/Users/Shared")) == b"mine\n"
    answer = lab.exec("host", ["/usr/bin/nc", "-z", "-w", "1", "10.0.10.2", "22"])
    assert answer.returncode == 0
    assert len({json.dumps(facts["ca"]) for facts in (lab.facts, other.facts)}) == 2


def test_subnet_and_bridge_reach_the_machine(start_lab: LabStarter) -> None:
    lab = start_lab(subnet="192.168.77.1/25", bridge=103)

    facts = json.loads(lab.exec("host", ["/bin/cat", "/System/Lab/machine.json"]).stdout)

    assert facts["net"] == {
        "bridge": "bridge103",
        "gateway": "192.168.77.1",
        "mask": "255.255.255.128",
        "egress_if": "en0",
    }


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"subnet": "192.168.64.1/99"}, "--subnet 192.168.64.1/99"), ({"subnet": "x"}, "--subnet x")],
)
def test_a_wrong_subnet_is_told_and_leaves_nothing(
    options: dict[str, str], complaint: str, start_lab: LabStarter
) -> None:
    with pytest.raises(LabError, match=complaint):
        start_lab(**options)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="is no lab name"):
        Lab.up(name)


def test_a_failed_start_tells_the_first_cause_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWKEEP_LAB_ROOT", str(tmp_path / "labs"))
    options = Options(init=("/bin/sh", "-c", "echo no init today"))

    with pytest.raises(LabError, match=r"(?s)the lab's host ended while it started.*no init today"):
        start(State.of("broken"), options)

    assert list((tmp_path / "labs").iterdir()) == []


def test_the_cli_lists_runs_and_ends_a_lab(start_lab: LabStarter) -> None:
    lab = start_lab()

    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            lab_command(*words), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )

    assert f"{lab.name} " in cli("list").stdout
    ran = cli("exec", "--name", lab.name, "--user", "operator", "host", "--", "/usr/bin/id", "-un")
    assert ran.stdout == "operator\n"
    assert cli("exec", "--name", lab.name, "host", "--", "/bin/sh", "-c", "exit 7").returncode == 7
    assert cli("down", "--name", lab.name).returncode == 0
    gone = cli("exec", "--name", lab.name, "host", "--", "/usr/bin/id")
    assert gone.returncode == 1
    assert "is not running" in gone.stderr
