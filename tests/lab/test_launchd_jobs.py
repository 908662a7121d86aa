"""What launchd does with a job: its start, its surroundings, its end and what follows.

The facts are those of reference/macos.md §4.1 unless a test names another place.
"""

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.launchd_machine import Machine, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


@pytest.fixture(scope="module")
def mac() -> Iterator[Machine]:
    machine = Machine()
    try:
        machine.boot()
        yield machine
    finally:
        machine.discard()


def test_run_at_load_starts_and_its_absence_does_not(mac: Machine) -> None:
    mac.load("ral.yes", "/bin/sleep", "100", RunAtLoad=True)
    mac.load("ral.no", "/bin/sleep", "100")
    assert mac.field("ral.yes", "state") == "running"
    assert mac.field("ral.no", "state") == "not running"
    assert mac.field("ral.no", "last exit code") == "(never exited)"


def test_keep_alive_implies_start_at_load_and_brings_a_killed_job_back(mac: Machine) -> None:
    mac.load("ka", "/bin/sleep", "100", KeepAlive=True, ThrottleInterval=1)
    first = mac.field("ka", "pid")
    time.sleep(1)
    assert mac.launchctl("kill", "SIGKILL", "system/ka").returncode == 0
    second = wait_for(lambda: mac.field("ka", "pid"), "a new process")
    assert second != first
    assert mac.field("ka", "runs") == "2"
    assert mac.field("ka", "last terminating signal") == "Killed: 9"


def test_a_job_that_exits_at_once_comes_back_each_throttle_interval_not_sooner(
    mac: Machine,
) -> None:
    mac.load("quick", f"date +%s.%N >> {mac.root}/out/quick", KeepAlive=True, ThrottleInterval=1)
    wait_for(lambda: mac.out("quick").count("\n") >= 3, "three runs")
    times = [float(word) for word in mac.out("quick").split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.9 < gap < 5 for gap in gaps)


def test_the_throttle_is_ten_seconds_unless_the_job_says_otherwise(mac: Machine) -> None:
    mac.load("throttled", "exit 0", KeepAlive=True)
    wait_for(lambda: mac.field("throttled", "state") == "spawn scheduled", "the throttle")
    assert mac.field("throttled", "minimum runtime") == "10"
    assert mac.field("throttled", "runs") == "1"
    assert "throttled) <Notice>: Service only ran recently. Pushing respawn out 10 s." in mac.log


@pytest.mark.parametrize(
    ("wanted", "script", "comes_back"),
    [
        (False, "exit 3", True),
        (False, "exit 0", False),
        (True, "exit 0", True),
        (True, "exit 3", False),
    ],
)
def test_keep_alive_successful_exit_restarts_only_on_that_outcome(
    mac: Machine, wanted: bool, script: str, comes_back: bool
) -> None:
    label = f"se.{wanted}.{script[-1]}"
    mac.load(label, script, KeepAlive={"SuccessfulExit": wanted}, ThrottleInterval=1)
    wait_for(lambda: mac.field(label, "last exit code") == script[-1], "the first end")
    if comes_back:
        wait_for(lambda: mac.field(label, "runs") != "1", "a second run")
    else:
        time.sleep(1.4)
        assert mac.field(label, "runs") == "1"


def test_keep_alive_crashed_does_not_take_sigterm_for_a_crash(mac: Machine) -> None:
    crash = {"KeepAlive": {"Crashed": True}, "ThrottleInterval": 1}
    mac.load("crash.segv", "kill -SEGV $$", **crash)
    mac.load("crash.term", "kill -TERM $$", **crash)
    wait_for(lambda: mac.field("crash.segv", "runs") == "2", "a restart after the crash")
    assert mac.field("crash.term", "runs") == "1"
    assert mac.field("crash.term", "state") == "not running"


def test_keep_alive_path_state_starts_the_job_when_the_path_appears(mac: Machine) -> None:
    flag = mac.root / "out/flag"
    mac.load("ps", "/bin/sleep", "100", KeepAlive={"PathState": {str(flag): True}})
    assert mac.field("ps", "state") == "not running"
    flag.touch()
    wait_for(lambda: mac.field("ps", "state") == "running", "the start")


def test_keep_alive_network_state_is_no_longer_implemented(mac: Machine) -> None:
    """Source: reference/macos.md §3."""
    mac.load("ns", "/bin/sleep", "100", KeepAlive={"NetworkState": True})
    assert mac.field("ns", "state") == "not running"


def test_keep_alive_other_job_enabled_follows_that_job(mac: Machine) -> None:
    mac.load("oje", "/bin/sleep", "100", KeepAlive={"OtherJobEnabled": {"oje.other": True}})
    assert mac.field("oje", "state") == "not running"
    mac.load("oje.other", "/bin/sleep", "100")
    wait_for(lambda: mac.field("oje", "state") == "running", "the start")


def test_start_interval_runs_again_and_again(mac: Machine) -> None:
    mac.load("si", f"echo x >> {mac.root}/out/si", StartInterval=1, ThrottleInterval=0)
    assert mac.out("si") == ""
    wait_for(lambda: mac.out("si").count("x") >= 2, "two runs")
    assert mac.field("si", "run interval") == "1 seconds"


def test_watch_paths_run_the_job_on_each_change_even_of_a_file_not_there_yet(mac: Machine) -> None:
    watched = mac.root / "out/watched"
    mac.load("wp", f"echo x >> {mac.root}/out/wp", WatchPaths=[str(watched)], ThrottleInterval=0)
    watched.write_text("one")
    wait_for(lambda: "x" in mac.out("wp"), "a run for the new file")
    wait_for(lambda: mac.field("wp", "state") == "not running", "its end")
    before = mac.out("wp").count("x")
    watched.write_text("two")
    wait_for(lambda: mac.out("wp").count("x") > before, "a run for the change")


def test_a_job_gets_launchds_path_and_little_else(mac: Machine) -> None:
    mac.load("env", f"env > {mac.root}/out/env", RunAtLoad=True)
    wait_for(lambda: "PATH" in mac.out("env"), "the environment")
    variables = dict(line.split("=", 1) for line in mac.out("env").splitlines())
    assert variables["PATH"] == "/usr/bin:/bin:/usr/sbin:/sbin"
    assert "HOME" not in variables
    assert "LAB_ROOT_PREFIX" not in variables


def test_user_name_brings_the_users_identity_home_and_files(mac: Machine) -> None:
    out = mac.root / "out"
    mac.load(
        "user", "id -u; id -G; echo $HOME $USER $LOGNAME $SHELL", RunAtLoad=True,
        UserName="admin", StandardOutPath=str(out / "user"), Umask="077",
        EnvironmentVariables={"HOME": "/elsewhere"},
    )  # fmt: skip
    wait_for(lambda: mac.out("user").count("\n") == 3, "output")
    assert mac.out("user") == "501\n20 80\n/elsewhere admin admin /bin/zsh\n"
    facts = (out / "user").stat()
    assert (facts.st_uid, facts.st_mode & 0o777) == (501, 0o600)


def test_an_integer_umask_is_decimal(mac: Machine) -> None:
    mac.load("umask", "umask", RunAtLoad=True, Umask=77, StandardOutPath=f"{mac.root}/out/umask")
    wait_for(lambda: mac.out("umask"), "output")
    assert mac.out("umask") == "0115\n"


@pytest.mark.parametrize(
    ("label", "keys"),
    [
        ("config.user", {"UserName": "nobody-here"}),
        ("config.program", {"Program": "/no/such/program"}),
        ("config.folder", {"WorkingDirectory": "/no/such/folder"}),
        ("config.out", {"StandardOutPath": "/no/such/folder/out"}),
    ],
)
def test_what_cannot_be_set_up_ends_with_ex_config(
    mac: Machine, label: str, keys: dict[str, str]
) -> None:
    mac.load(label, "/bin/sleep", "100", RunAtLoad=True, **keys)
    wait_for(lambda: mac.field(label, "last exit code") == "78: EX_CONFIG", "the failure")
    assert "Service could not initialize" in mac.log


def test_no_shell_no_tilde_no_variables_in_program_arguments(mac: Machine) -> None:
    mac.load("literal", "/bin/echo", "~", "$HOME", "*", RunAtLoad=True,
             StandardOutPath=f"{mac.root}/out/literal")  # fmt: skip
    wait_for(lambda: mac.out("literal"), "output")
    assert mac.out("literal") == "~ $HOME *\n"


def test_output_goes_on_to_the_renamed_file_until_the_job_restarts(mac: Machine) -> None:
    """launchd keeps the descriptor open. Source: reference/macos.md §4.2 (log rotation)."""
    out = mac.root / "out"
    mac.load("rotated", "while :; do echo x; sleep 0.1; done", RunAtLoad=True,
             StandardOutPath=str(out / "rotated"))  # fmt: skip
    wait_for(lambda: mac.out("rotated"), "output")
    (out / "rotated").rename(out / "rotated.0")
    before = mac.out("rotated.0").count("x")
    wait_for(lambda: mac.out("rotated.0").count("x") > before, "writes to the renamed file")
    assert not (out / "rotated").exists()
    mac.launchctl("kickstart", "-k", "system/rotated")
    wait_for(lambda: mac.out("rotated"), "a new file after the restart")


def test_the_process_group_gets_sigterm_when_the_job_ends(mac: Machine) -> None:
    """A dead child of a script stays dead; children of a dead script go. reference/macos.md §3."""
    child = "sh -c 'trap \"echo term > {}; exit\" TERM; while :; do sleep 0.1; done' & sleep 0.3"
    mac.load("group", child.format(f"{mac.root}/out/group"), RunAtLoad=True)
    mac.load(
        "abandon", child.format(f"{mac.root}/out/abandon"), RunAtLoad=True,
        AbandonProcessGroup=True,
    )  # fmt: skip
    wait_for(lambda: mac.out("group") == "term\n", "the signal")
    wait_for(lambda: mac.field("abandon", "last exit code") == "0", "the other job's end")
    time.sleep(0.2)
    assert mac.out("abandon") == ""


def test_a_soft_limit_is_set(mac: Machine) -> None:
    mac.load("limit", "ulimit -n", RunAtLoad=True, SoftResourceLimits={"NumberOfFiles": 123},
             StandardOutPath=f"{mac.root}/out/limit")  # fmt: skip
    wait_for(lambda: mac.out("limit"), "output")
    assert mac.out("limit") == "123\n"


def test_an_inetd_socket_starts_one_instance_per_connection_up_to_the_cap(mac: Machine) -> None:
    """As sshd is run: Wait=false, Instances. Source: reference/macos.md §5."""
    mac.load(
        "inetd", "echo hello; read line; echo got $line",
        Sockets={"Listeners": {"SockServiceName": "2022", "SockNodeName": "127.0.0.1"}},
        inetdCompatibility={"Wait": False, "Instances": 1},
    )  # fmt: skip
    assert mac.field("inetd", "state") == "not running"
    talk = "import socket;s=socket.create_connection(('127.0.0.1',2022));s.settimeout(0.5);{}"
    python = os.path.realpath("/usr/bin/python3")
    first = talk.format("s.sendall(b'x\\n');print(s.makefile().read())")
    assert mac.inside(python, "-c", first).stdout == "hello\ngot x\n\n"
    second = (
        "t=socket.create_connection(('127.0.0.1',2022));t.settimeout(0.5);s.recv(9)\n"
        "try: print(t.recv(9))\nexcept TimeoutError: print('waits')\n"
        "s.close();t.settimeout(5);print(t.recv(9))"
    )
    waited = mac.inside(python, "-c", talk.format("pass") + "\n" + second)
    assert (waited.stdout, waited.stderr) == ("waits\nb'hello\\n'\n", "")
    assert mac.launchctl("bootout", "system/inetd").returncode == 0
    refused = mac.inside(python, "-c", talk.format("pass"))
    assert "ConnectionRefusedError" in refused.stderr


def test_orphans_are_reaped(mac: Machine) -> None:
    done = f"{mac.root}/out/orphan"
    mac.load("orphan", f"(setsid sh -c 'sleep 0.2; echo x > {done}' &)", RunAtLoad=True,
             AbandonProcessGroup=True)  # fmt: skip
    wait_for(lambda: mac.out("orphan"), "the orphan's end")

    def dead() -> list[str]:
        children = Path(f"/proc/{mac.pid1}/task/{mac.pid1}/children").read_text().split()
        stats = [Path(f"/proc/{pid}/stat").read_text() for pid in children]
        return [text for text in stats if text.rpartition(")")[2].split()[0] == "Z"]

    wait_for(lambda: not dead(), "the orphan to be reaped")


def test_a_job_leads_its_own_session(mac: Machine) -> None:
    mac.load("session", "ps -o pid=,sid=,pgid= -p $$", RunAtLoad=True,
             StandardOutPath=f"{mac.root}/out/session")  # fmt: skip
    wait_for(lambda: mac.out("session"), "output")
    pid, session, group = mac.out("session").split()
    assert pid == session == group


def test_exit_timeout_ends_a_job_that_ignores_sigterm(mac: Machine) -> None:
    script = f"trap '' TERM; echo x > {mac.root}/out/stubborn; while :; do sleep 1; done"
    mac.load("stubborn", script, RunAtLoad=True, ExitTimeOut=1, AbandonProcessGroup=True)
    wait_for(lambda: mac.out("stubborn"), "the trap")
    began = time.monotonic()
    mac.launchctl("bootout", "system/stubborn")
    assert mac.field("stubborn", "state") == "SIGTERMed"
    wait_for(lambda: not mac.loaded("stubborn"), "the end")
    assert 0.9 < time.monotonic() - began < 8


def test_sigchld_of_many_jobs_at_once_is_not_lost(mac: Machine) -> None:
    labels = [f"many.{number}" for number in range(10)]
    for label in labels:
        mac.plist(label, "exit 0", RunAtLoad=True)
    paths = [str(mac.root / f"Library/LaunchDaemons/{label}.plist") for label in labels]
    assert mac.launchctl("bootstrap", "system", *paths).returncode == 0
    wait_for(
        lambda: len(re.findall(r"-\t0\tmany\.", mac.launchctl("list").stdout)) == 10, "ten ends"
    )
