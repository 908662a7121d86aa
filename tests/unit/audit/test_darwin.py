"""testinfra's modules for macOS, against answers as these programs give them."""

from __future__ import annotations

import pytest

from clawkeep import tart
from tests.unit.audit.recorded import (
    ADMIN,
    COMM,
    DISABLED,
    IFCONFIG,
    LAUNCHD,
    LSOF,
    MOUNT,
    NOBODY,
    ON_A_TIMER,
    PS,
    RECEIPT,
    RULES,
    USER,
    VMS,
    recorded,
)


def test_a_running_job() -> None:
    host = recorded({"launchctl print-disabled": DISABLED, "launchctl print ": LAUNCHD})
    job = host.service("com.example.job")
    assert (job.exists, job.is_running, job.pid, job.is_enabled) == (True, True, 5150, True)
    assert job.arguments == ("/opt/example/bin/example", "run")
    assert job.last_exit_code is None
    assert host.backend.asked[0] == "launchctl print system/com.example.job"


def test_a_job_that_ended_and_one_that_is_not_there() -> None:
    ended = recorded({"launchctl print ": ON_A_TIMER}).service("gui/501/com.example.job")
    assert (ended.exists, ended.is_running, ended.last_exit_code) == (True, False, 78)
    for status in (113, 125):
        assert not recorded({"launchctl print ": (status, "")}).service("com.example.job").exists


def test_what_launchctl_never_says_is_no_absence() -> None:
    with pytest.raises(AssertionError):
        assert recorded({"launchctl print ": (127, "")}).service("com.example.job").exists


@pytest.mark.parametrize("label", ["com.example.off", "com.example.old"])
def test_a_disabled_job(label: str) -> None:
    assert not recorded({"launchctl print-disabled": DISABLED}).service(label).is_enabled


def test_sockets() -> None:
    host = recorded({"lsof": LSOF})
    assert host.socket("tcp://192.168.64.1:18443").is_listening
    assert host.socket("tcp://22").is_listening
    assert not host.socket("tcp://192.168.64.1:18444").is_listening
    assert [str(one) for one in host.socket.listeners()][-1] == (
        "tcp 192.168.64.1:18443 (socat, _clawkeep)"
    )
    assert "tcp://0.0.0.0:22" in host.socket.get_listening_sockets()


def test_clients_of_a_socket() -> None:
    text = "p950\ncsocat\nLme\ntIPv4\nn192.168.64.1:18443->192.168.64.2:50000\n"
    clients = recorded({"lsof": text}).socket("tcp://18443").clients
    assert clients == [("192.168.64.2", 50000)]


def test_processes_with_blanks_in_their_names() -> None:
    host = recorded({"ps -Aww": COMM, "LC_ALL=C ps -Aww": PS})
    socat = host.process.get(user="_clawkeep")
    assert (socat.pid, socat.ppid) == (950, 900)
    assert socat.comm == "/Applications/Some App.app/Contents/MacOS/socat"
    assert socat.args.endswith("TCP4-LISTEN:18443")
    assert socat.lstart == "Sat Nov 21 20:22:40 2026"
    assert host.process.filter(comm="/sbin/launchd")[0].pid == 1
    with pytest.raises(RuntimeError):
        host.process.get(user="_www")


def test_one_more_attribute_of_a_process() -> None:
    answers = {"ps -Aww": COMM, "LC_ALL=C ps -Aww": PS}
    answers["LC_ALL=C ps -ww -p 950"] = "Sat Nov 21 20:22:40 2026 17\n"
    assert recorded(answers).process.get(pid=950).nice == 17


def test_an_interface() -> None:
    host = recorded({"ifconfig bridge100": IFCONFIG, "ifconfig en9": (1, "")})
    bridge = host.interface("bridge100")
    assert bridge.addresses == ["192.168.64.1", "fe80::c073:1ff:fe85:e9f"]
    assert bridge.members == ["vmenet0"]
    assert (bridge.link["mtu"], "RUNNING" in bridge.link["flags"]) == (1500, True)
    assert not host.interface("en9").exists


def test_users() -> None:
    host = recorded({"dscl . -read /Users/claw": USER, "dscl . -read /Users/x": (56, "")})
    claw = host.user("claw")
    assert (claw.exists, claw.uid, claw.home, claw.shell) == (True, 502, "/Users/claw", "/bin/zsh")
    assert (claw.gecos, claw.has_password) == ("Nano Claw", True)
    assert not recorded({"dscl . -read /Users/agent": NOBODY}).user("agent").has_password
    assert not host.user("x").exists


def test_members_of_a_group_are_also_those_whose_own_it_is() -> None:
    host = recorded({"dscl . -read": ADMIN, "dscl . -list": "root 0\nhidden 80\n"})
    assert host.group("admin").members == ["root", "me", "hidden"]
    assert not recorded({"dscl . -read": (56, "")}).group("nobody").exists


def test_a_mount_with_blanks() -> None:
    host = recorded({"mount": MOUNT})
    assert host.mount_point("/Volumes/My Shared Files").filesystem == "virtio-fs"
    assert "read-only" in host.mount_point("/").options
    assert not host.mount_point("/Volumes/Other").exists


def test_an_anchor() -> None:
    main = 'anchor "com.apple/*" all\n'
    host = recorded({
        "/sbin/pfctl -a com.apple/000.clawkeep -sr": RULES,
        "/sbin/pfctl -a com.apple/000.clawkeep -sn": "",
        "/sbin/pfctl -s info": "Status: Enabled for 0 days\n",
        "/sbin/pfctl -sr": main,
    })  # fmt: skip
    anchor = host.pf_anchor("com.apple/000.clawkeep")
    assert (len(anchor.rules), anchor.translations, anchor.is_evaluated) == (2, (), True)


@pytest.mark.parametrize(
    ("info", "main"),
    [
        ("Status: Disabled", 'anchor "com.apple/*" all'),
        ("Status: Enabled", 'anchor "com.apple.internet-sharing" all'),
    ],
)
def test_an_anchor_that_nothing_leads_to(info: str, main: str) -> None:
    host = recorded({"/sbin/pfctl -s info": info, "/sbin/pfctl -sr": main})
    assert not host.pf_anchor("com.apple/000.clawkeep").is_evaluated


def test_a_vm() -> None:
    size = '{"CPU": 4, "Memory": 8192, "Disk": 50}'
    as_me = "sudo -n -H -u me /opt/homebrew/bin/tart"
    host = recorded({f"{as_me} list": VMS, f"{as_me} get": size})
    assert host.tart_vm("vm", owner="me").is_running
    assert host.tart_vm("vm", owner="me").size == tart.Size(4, 8192, 50)
    assert host.tart_vm("vm-base", owner="me").state == "stopped"
    assert host.tart_vm("other", owner="me").state == "absent"


def test_a_formula() -> None:
    cellar = "/opt/homebrew/Cellar/tart/2.35.0/INSTALL_RECEIPT.json\n"
    host = recorded({
        "ls -d": cellar, "readlink": "../Cellar/tart/2.35.0\n", "cat": RECEIPT,
    })  # fmt: skip
    tart_formula = host.formula("openai/tools/tart")
    assert (tart_formula.is_installed, tart_formula.version, tart_formula.tap) == (
        True, "2.35.0", "openai/tools",
    )  # fmt: skip
    astray = recorded({"readlink": "/tmp/evil\n", "cat": (1, "")}).formula("tart")
    assert (astray.version, astray.tap) == (None, None)


def test_many_files_take_two_commands() -> None:
    stat = "Regular File|0644|root|wheel|/a\nSymbolic Link|0755|me|staff|/b\n"
    host = recorded({"stat": stat, "shasum": f"{'0' * 64}  /a\n"})
    found = host.files.look(["/a", "/b", "/gone"])
    assert found["/a"].mode == "644"
    assert found["/b"].kind == "Symbolic Link"
    assert "/gone" not in found
    assert host.files.sha256(["/a", "/b", "/gone"]) == {"/a": "0" * 64}
    assert host.backend.asked[-1] == "shasum -a 256 /a"
