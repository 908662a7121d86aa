"""launchctl's exit statuses, words and bad habits. Source: reference/macos.md §4.2."""

import os
import plistlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.launchd_machine import Machine, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
SLOW_TO_STOP = "trap 'sleep 2; exit 0' TERM; echo x > {}; while :; do sleep 0.05; done"


@pytest.fixture(scope="module")
def mac() -> Iterator[Machine]:
    machine = Machine()
    try:
        machine.boot()
        yield machine
    finally:
        machine.discard()


def slow(mac: Machine, label: str) -> str:
    """Load a job that takes 2 s to stop; return its property list's path."""
    script = SLOW_TO_STOP.format(mac.root / f"out/{label}")
    path = mac.load(label, script, RunAtLoad=True)
    wait_for(lambda: mac.out(label), "the trap")
    return str(path)


def test_bootstrap_of_a_loaded_job_fails_with_5(mac: Machine) -> None:
    path = mac.load("twice", "/bin/sleep", "100")
    again = mac.launchctl("bootstrap", "system", str(path))
    assert again.returncode == 5
    assert again.stderr == "Bootstrap failed: 5: Input/output error\n"
    assert "system/twice: 37: Service already loaded" in mac.log


def test_bootout_returns_before_the_job_is_gone_and_bootstrap_fails_meanwhile(
    mac: Machine,
) -> None:
    path = slow(mac, "draining")
    assert mac.launchctl("bootout", "system/draining").returncode == 0
    assert mac.field("draining", "state") == "SIGTERMed"
    assert mac.launchctl("bootstrap", "system", path).returncode == 5
    again = mac.launchctl("bootout", "system/draining")
    assert (again.returncode, again.stderr) == (
        36,
        "Boot-out failed: 36: Operation now in progress\n",
    )
    wait_for(lambda: not mac.loaded("draining"), "the label to be free")
    assert mac.launchctl("bootstrap", "system", path).returncode == 0


def test_bootout_of_what_is_not_loaded_fails_with_3(mac: Machine) -> None:
    gone = mac.launchctl("bootout", "system/never")
    assert (gone.returncode, gone.stderr) == (3, "Boot-out failed: 3: No such process\n")


def test_bootout_takes_a_path_too(mac: Machine) -> None:
    path = mac.load("by.path", "/bin/sleep", "100")
    assert mac.launchctl("bootout", "system", str(path)).returncode == 0
    assert not mac.loaded("by.path")


def test_print_of_an_unknown_label_fails_with_113(mac: Machine) -> None:
    unknown = mac.launchctl("print", "system/never")
    assert unknown.returncode == 113
    assert 'Could not find service "never" in domain for system\n' in unknown.stderr


def test_a_persisted_disable_makes_bootstrap_fail_until_enabled(mac: Machine) -> None:
    path = str(mac.plist("off", "/bin/sleep", "100"))
    assert mac.launchctl("disable", "system/off").returncode == 0
    assert mac.launchctl("bootstrap", "system", path).returncode == 5
    assert '\t"off" => disabled\n' in mac.launchctl("print-disabled", "system").stdout
    stored = mac.root / "private/var/db/com.apple.xpc.launchd/disabled.plist"
    assert plistlib.loads(stored.read_bytes())["off"] is True
    assert mac.launchctl("enable", "system/off").returncode == 0
    assert mac.launchctl("bootstrap", "system", path).returncode == 0
    assert '\t"off" => enabled\n' in mac.launchctl("print-disabled", "system").stdout


def test_the_disabled_key_keeps_a_job_away_until_it_is_enabled(mac: Machine) -> None:
    path = str(mac.plist("key.off", "/bin/sleep", "100", Disabled=True))
    assert mac.launchctl("bootstrap", "system", path).returncode == 5
    mac.launchctl("enable", "system/key.off")
    assert mac.launchctl("bootstrap", "system", path).returncode == 0


@pytest.mark.parametrize(("mode", "owner"), [(0o664, 0), (0o646, 0), (0o644, 501)])
def test_bad_ownership_or_mode_is_refused(mac: Machine, mode: int, owner: int) -> None:
    """Source: reference/macos.md §4.1; the number 122 as public reports have it."""
    path = mac.plist(f"own.{mode:o}.{owner}", "/bin/sleep", "100")
    path.chmod(mode)
    os.chown(path, owner, 0)
    refused = mac.launchctl("bootstrap", "system", str(path))
    assert refused.returncode == 122
    assert refused.stderr == "Bootstrap failed: 122: Path had bad ownership/permissions\n"
    assert not mac.loaded(f"own.{mode:o}.{owner}")


@pytest.mark.parametrize(
    ("label", "keys"),
    [
        ("bad.env", {"EnvironmentVariables": {"PORT": 8080}}),
        ("bad.bool", {"RunAtLoad": "yes"}),
        ("bad.int", {"ThrottleInterval": "10"}),
        ("bad.args", {"ProgramArguments": ["/bin/sleep", 1]}),
        ("bad.relative", {"ProgramArguments": ["sleep", "1"]}),
        ("bad.tilde", {"ProgramArguments": ["~/bin/x"]}),
        ("bad.keepalive", {"KeepAlive": 1}),
        ("bad.label", {"Label": ""}),
        ("bad.calendar", {"StartCalendarInterval": {"Hour": "3"}}),
        ("bad.umask", {"Umask": "9"}),
    ],
)
def test_wrong_types_and_relative_programs_fail_with_5(
    mac: Machine, label: str, keys: dict[str, Any]
) -> None:
    path = mac.plist(label, "/bin/sleep", "1", **keys)
    refused = mac.launchctl("bootstrap", "system", str(path))
    assert refused.returncode == 5
    assert refused.stderr == "Bootstrap failed: 5: Input/output error\n"


def test_unknown_keys_are_ignored(mac: Machine) -> None:
    mac.load("unknown.keys", "/bin/sleep", "1", ProcessType="Background", Nonsense={"a": 1})
    assert mac.loaded("unknown.keys")


def test_broken_xml_fails_with_5(mac: Machine) -> None:
    path = mac.plist("broken", "/bin/sleep", "1")
    path.write_text("<plist><dict><key>Label</key>")
    assert mac.launchctl("bootstrap", "system", str(path)).returncode == 5


def test_kickstart_k_restarts_at_once_but_does_not_read_the_property_list_again(
    mac: Machine,
) -> None:
    mac.load("kick", "/bin/sleep", "100", RunAtLoad=True)
    mac.plist("kick", "/bin/sleep", "200", RunAtLoad=True)
    first = mac.field("kick", "pid")
    assert mac.launchctl("kickstart", "system/kick").returncode == 0
    assert mac.field("kick", "pid") == first
    restarted = mac.launchctl("kickstart", "-kp", "system/kick")
    assert restarted.returncode == 0
    assert restarted.stdout.strip() == mac.field("kick", "pid") != first
    assert "\t\t100\n" in mac.launchctl("print", "system/kick").stdout


def test_kickstart_k_kills_with_sigkill(mac: Machine) -> None:
    """Nothing is asked to stop first: a raw wait status of 9 was seen on macOS."""
    mac.load("kick.hard", f"trap 'echo term > {mac.root}/out/kick' TERM; sleep 100",
             RunAtLoad=True)  # fmt: skip
    mac.launchctl("kickstart", "-k", "system/kick.hard")
    assert '"LastExitStatus" = 9;' in mac.launchctl("list", "kick.hard").stdout
    assert mac.out("kick") == ""


def test_kickstart_starts_an_on_demand_job(mac: Machine) -> None:
    mac.load("demand", "/bin/sleep", "100")
    started = mac.launchctl("kickstart", "-p", "system/demand")
    assert started.stdout.strip() == mac.field("demand", "pid")


def test_kickstart_of_an_unknown_label_fails_with_113(mac: Machine) -> None:
    assert mac.launchctl("kickstart", "-k", "system/never").returncode == 113


def test_kill_sends_the_signal_and_keep_alive_restarts(mac: Machine) -> None:
    mac.load("killed", f"trap 'echo hup > {mac.root}/out/hup' HUP; echo x > {mac.root}/out/k;"
             " while :; do sleep 0.05; done", RunAtLoad=True)  # fmt: skip
    wait_for(lambda: mac.out("k"), "the trap")
    assert mac.launchctl("kill", "HUP", "system/killed").returncode == 0
    wait_for(lambda: mac.out("hup") == "hup\n", "the signal")
    assert mac.launchctl("kill", "SIGTERM", "system/never").returncode == 113


def test_load_and_unload_exit_0_even_when_they_fail(mac: Machine) -> None:
    path = str(mac.load("legacy", "/bin/sleep", "100"))
    again = mac.launchctl("load", path)
    assert again.returncode == 0
    assert again.stderr.startswith("Load failed: 5: Input/output error\n")
    assert mac.launchctl("unload", path).returncode == 0
    assert not mac.loaded("legacy")
    failed = mac.launchctl("unload", path)
    assert failed.returncode == 0
    assert failed.stderr.startswith("Unload failed: 5: Input/output error\n")


def test_load_w_enables_and_unload_w_disables(mac: Machine) -> None:
    path = str(mac.plist("legacy.w", "/bin/sleep", "100", Disabled=True))
    mac.launchctl("load", "-w", path)
    assert mac.loaded("legacy.w")
    mac.launchctl("unload", "-w", path)
    assert '"legacy.w" => disabled' in mac.launchctl("print-disabled", "system").stdout


def test_list_shows_pid_status_and_label(mac: Machine) -> None:
    mac.load("list.running", "/bin/sleep", "100", RunAtLoad=True)
    mac.load("list.failed", "exit 3", RunAtLoad=True)
    wait_for(lambda: mac.field("list.failed", "last exit code") == "3", "the end")
    rows = mac.launchctl("list").stdout.splitlines()
    assert rows[0] == "PID\tStatus\tLabel"
    assert f"{mac.field('list.running', 'pid')}\t0\tlist.running" in rows
    assert "-\t3\tlist.failed" in rows
    assert '"LastExitStatus" = 768;' in mac.launchctl("list", "list.failed").stdout
    assert mac.launchctl("list", "never").returncode == 113


def test_stop_ends_a_job_and_keep_alive_brings_it_back(mac: Machine) -> None:
    mac.load("stopped", "/bin/sleep", "100", KeepAlive=True, ThrottleInterval=1)
    first = mac.field("stopped", "pid")
    assert mac.launchctl("stop", "stopped").returncode == 0
    wait_for(lambda: mac.field("stopped", "pid") not in {first, None}, "the next process")
    assert mac.launchctl("remove", "stopped").returncode == 0
    wait_for(lambda: not mac.loaded("stopped"), "the end")
    assert mac.launchctl("start", "stopped").returncode == 3


def test_the_system_domain_is_roots(mac: Machine) -> None:
    path = str(mac.plist("sneak", "/bin/sleep", "100"))
    refused = mac.launchctl("bootstrap", "system", path, uid=501)
    assert refused.returncode == 5
    assert refused.stderr.splitlines() == [
        "Bootstrap failed: 5: Input/output error",
        "Try re-running the command as root for richer errors.",
    ]
    mac.load("roots", "/bin/sleep", "100", RunAtLoad=True)
    out = mac.launchctl("bootout", "system/roots", uid=501)
    assert (out.returncode, out.stderr) == (1, "Boot-out failed: 1: Operation not permitted\n")
    for verb in ("enable", "disable", "kickstart"):
        assert mac.launchctl(verb, "system/roots", uid=501).returncode == 1
    assert mac.launchctl("kill", "TERM", "system/roots", uid=501).returncode == 1
    assert mac.launchctl("reboot", uid=501).returncode == 1
    assert mac.launchctl("print", "system/roots", uid=501).returncode == 0


def test_without_a_gui_session_gui_fails_with_125(mac: Machine) -> None:
    agent = mac.plist("agent", "/bin/sleep", "100", folder="Users/admin/Library/LaunchAgents")
    os.chown(agent, 501, 20)
    for uid in (0, 501):
        refused = mac.launchctl("bootstrap", "gui/501", str(agent), uid=uid)
        assert refused.returncode == 125
        assert "Bootstrap failed: 125: Domain does not support specified action" in refused.stderr
    assert mac.launchctl("print", "gui/501/agent").returncode == 125


def test_a_user_domain_needs_no_gui_and_runs_jobs_as_its_user(mac: Machine) -> None:
    agent = mac.plist(
        "user.agent", f"id -u > {mac.root}/out/uid", RunAtLoad=True, UserName="root",
        folder="Users/admin/Library/LaunchAgents",
    )  # fmt: skip
    os.chown(agent, 501, 20)
    assert mac.launchctl("bootstrap", "user/501", str(agent), uid=501).returncode == 0
    wait_for(lambda: mac.out("uid"), "output")
    assert mac.out("uid") == "501\n"
    missing = mac.launchctl("print", "user/501/never")
    assert 'Could not find service "never" in domain for uid: 501' in missing.stderr


def test_bad_calls_print_usage_and_exit_64(mac: Machine) -> None:
    assert mac.launchctl("bootstrap", "nonsense", "/x").returncode == 64
    assert mac.launchctl("bootstrap", "system").returncode == 64
    assert mac.launchctl("frobnicate").returncode == 64


def test_print_system_lists_every_service(mac: Machine) -> None:
    mac.load("in.print", "/bin/sleep", "100", RunAtLoad=True)
    assert "\tin.print\n" in mac.launchctl("print", "system").stdout


def test_setenv_reaches_jobs_started_later(mac: Machine) -> None:
    mac.launchctl("setenv", "COLOUR", "blue")
    assert mac.launchctl("getenv", "COLOUR").stdout == "blue\n"
    mac.load("coloured", f"echo $COLOUR > {mac.root}/out/colour", RunAtLoad=True)
    wait_for(lambda: mac.out("colour"), "output")
    assert mac.out("colour") == "blue\n"


def test_launchd_answers_while_a_client_says_nothing(mac: Machine) -> None:
    idle = mac.root / "private/var/run/launchd.sock"
    script = f"import socket,time;s=socket.socket(1);s.connect('{idle}');time.sleep(0)"
    assert mac.inside("/usr/bin/python3", "-c", script).returncode == 0
    began = time.monotonic()
    assert mac.launchctl("print", "system").returncode == 0
    assert time.monotonic() - began < 2
