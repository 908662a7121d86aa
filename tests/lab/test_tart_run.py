"""What `tart run` does to a guest's life, and what is left afterwards."""

import time
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.tart_host import TartHost, wait_for

pytestmark = pytest.mark.lab
IP = "/System/Lab/linux/sbin/ip"


@pytest.fixture(scope="module")
def host(lab: Lab) -> TartHost:
    host = TartHost.on(lab)
    host.clone("base")
    return host


@pytest.fixture
def vm(host: TartHost) -> Iterator[str]:
    host.clone("vm", "base")
    yield "vm"
    wait_for("the guest's end", lambda: not host.tart("delete vm").stderr.endswith("running\n"))


def test_a_guest_answers_ssh_within_two_seconds(host: TartHost, vm: str) -> None:
    before = time.monotonic()
    with host.running(vm):
        assert time.monotonic() - before < 2


def test_run_blocks_and_list_says_so(host: TartHost, vm: str) -> None:
    assert host.state(vm) == "stopped"
    with host.running(vm) as run:
        assert run.process.poll() is None
        assert host.state(vm) == "running"
        again = host.tart(f"run {vm}")
        assert (again.returncode, again.stderr) == (2, f'VM "{vm}" is already running!\n')
        refused = host.tart(f"delete {vm}")
        assert (refused.returncode, refused.stderr) == (1, f'VM "{vm}" is running\n')
    assert host.state(vm) == "stopped"


def test_stop_is_a_power_cut_that_ends_run_with_0(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        run.guest("/bin/sh", "-c", "trap '' TERM; echo on disk > /var/kept")
        host.tart(f"stop {vm}", check=True)
        assert run.process.wait(5) == 0
        assert run.output() == "Stopping VM...\n"
    assert (host.disk_folder(vm) / "upper/private/var/kept").read_text() == "on disk\n"


def test_sigterm_has_no_handler_and_cuts_the_power(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        pid = run.facts()["pid"]
        assert run.kill("TERM") == -15
        gone = ["/bin/sh", "-c", f"! kill -0 {pid}"]
        wait_for("the guest's end", lambda: host.lab.exec("host", gone).returncode == 0)
    assert host.state(vm) == "stopped"


def test_a_guest_that_shuts_down_ends_run_with_0(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        run.guest("/sbin/shutdown", "-h", "now")
        assert run.process.wait(10) == 0
        assert run.output() == "guest has stopped the virtual machine\n"


def test_a_guest_that_crashes_ends_run_with_0_too(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        host.lab.exec("host", ["/bin/kill", "-KILL", str(run.facts()["pid"])], check=True)
        assert run.process.wait(10) == 0
        assert run.output().startswith("guest has stopped the virtual machine due to error: ")


def test_a_reboot_keeps_run_and_address(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        first = run.facts()
        run.guest("/sbin/shutdown", "-r", "now")
        wait_for("the reboot", lambda: _pid(host, vm) not in (0, first["pid"]))
        wait_for("its sshd", lambda: host.answers_ssh(run))
        assert run.facts()["ip"] == first["ip"]
        assert run.process.poll() is None


def _pid(host: TartHost, vm: str) -> int:
    text = host.lab.exec("host", ["cat", f"/private/var/run/lab-guests/{vm}.json"]).stdout
    return int(text.partition(":")[2].partition(",")[0] or 0)


def test_a_third_guest_is_refused_with_the_names_of_the_others(host: TartHost, vm: str) -> None:
    host.clone("second", "base")
    host.clone("third", "base")
    with host.running(vm), host.running("second"):
        done = host.tart("run third --no-graphics")
        assert (done.returncode, done.stderr) == (
            1,
            "The number of VMs exceeds the system limit (other running VMs: second, vm)\n",
        )
    host.tart("delete second third", check=True)


def test_without_an_unlocked_login_keychain_no_guest_starts(host: TartHost, vm: str) -> None:
    marker = "/private/var/run/keychain-unlocked-501"
    host.lab.exec("host", ["rm", marker], check=True)
    try:
        done = host.tart(f"run {vm} --no-graphics")
    finally:
        host.lab.exec("host", ["touch", marker], check=True)
    assert done.returncode == 1
    assert "SecKeyCreateRandomKey_ios failed" in done.stderr
    assert "Interaction is not allowed with the Security Server" in done.stderr


def test_ip_answers_for_a_stopped_vm_until_the_lease_ends(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        address = run.facts()["ip"]
    assert host.tart(f"ip {vm}").stdout == f"{address}\n"
    file = "/private/var/db/dhcpd_leases"
    host.lab.exec("host", ["sed", "-i.old", "s/lease=0x.*/lease=0x1/", file], check=True)
    assert host.tart(f"ip {vm}").returncode == 1


def test_the_gateway_exists_only_while_a_guest_runs(host: TartHost, vm: str) -> None:
    show = [IP, "-4", "-o", "addr", "show"]
    assert "192.168.64.1/24" not in host.lab.exec("host", show).stdout
    with host.running(vm):
        assert "192.168.64.1/24" in host.lab.exec("host", show).stdout
    assert "192.168.64.1/24" not in host.lab.exec("host", show).stdout


def test_a_clone_over_a_running_vm_leaves_an_orphan(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        host.tart(f"clone base {vm}", check=True)
        assert host.state(vm) == "stopped"
        assert run.guest("/bin/echo", "alive").stdout == "alive\n"
        run.kill("INT")


def test_set_while_running_is_not_refused(host: TartHost, vm: str) -> None:
    with host.running(vm):
        host.tart(f"set {vm} --disk-size 70 --cpu 5", check=True)
        assert host.config(vm)["cpuCount"] == 5
        assert host.state(vm) == "running"


def test_exec_runs_as_the_screens_user_without_a_shell(host: TartHost, vm: str) -> None:
    with host.running(vm):
        wait_for("the agent", lambda: host.tart(f"exec {vm} true").returncode == 0)
        assert host.tart(f"exec {vm} id -un").stdout == "admin\n"
        assert host.tart(f"exec {vm} echo '$HOME;x'").stdout == "$HOME;x\n"
        assert host.tart(f"exec {vm} /bin/sh -c 'echo no >&2; exit 3'").returncode == 3
        assert host.sh(f"echo in | tart exec -i {vm} cat").stdout == "in\n"
        assert host.sh(f"tart exec -t {vm} tty").stdout.startswith("/dev/pts/")
        missing = host.tart(f"exec {vm} no-such-program")
        assert missing.returncode == 1
        assert "executable file not found in $PATH" in missing.stderr


def test_the_agent_answers_when_the_network_does_not(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        wait_for("the agent", lambda: host.tart(f"exec {vm} true").returncode == 0)
        address = run.facts()["ip"]
        port = run.facts()["vmenet"]
        host.lab.exec("host", [IP, "link", "set", port, "down"], check=True)
        assert host.tart(f"ip {vm} --resolver agent").stdout == f"{address}\n"
        assert host.tart(f"exec {vm} echo here").stdout == "here\n"


def test_shares_are_real_and_read_only_ones_stay_so(host: TartHost, vm: str) -> None:
    host.sh("mkdir -p ~/ro ~/rw; echo in > ~/ro/file", check=True)
    with host.running(vm, "--dir ro:~/ro:ro --dir rw:~/rw") as run:
        shared = "/Volumes/My Shared Files"
        assert run.guest("cat", f"{shared}/ro/file").stdout == "in\n"
        refused = run.guest("touch", f"{shared}/ro/new")
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr
        mount = "sudo /System/Lab/linux/bin/mount -o remount,rw,bind"
        assert "permission denied" in as_root(host, vm, f"{mount} '{shared}/ro'")
        assert run.guest("touch", f"{shared}/rw/out").returncode == 0
    assert host.sh("ls ~/rw").stdout == "out\n"
    assert host.sh("ls ~/ro").stdout == "file\n"


def test_one_unnamed_share_is_the_folder_itself(host: TartHost, vm: str) -> None:
    host.sh("mkdir -p ~/one; echo 1 > ~/one/file", check=True)
    with host.running(vm, "--dir ~/one") as run:
        assert run.guest("cat", "/Volumes/My Shared Files/file").stdout == "1\n"


def test_a_missing_folder_is_refused(host: TartHost, vm: str) -> None:
    done = host.tart(f"run {vm} --no-graphics --dir x:/nowhere")
    assert done.returncode == 1
    assert "VZErrorDomain" in done.stderr


def test_a_guest_sees_what_was_set(host: TartHost, vm: str) -> None:
    host.tart(f"set {vm} --cpu 5 --memory 6144 --disk-size 60", check=True)
    with host.running(vm) as run:
        facts = run.guest("cat", "/System/Lab/machine.json").stdout
    for expected in ('"cpu": 5', '"memory_mb": 6144', '"disk_gb": 60', '"role": "guest"'):
        assert expected in facts


def as_root(host: TartHost, vm: str, command: str) -> str:
    """Run a command as a root that the guest itself made; return what it complained of."""
    wait_for("the agent", lambda: host.tart(f"exec {vm} true").returncode == 0)
    assert host.tart(f"exec {vm} sudo id -u").stdout == "0\n"
    done = host.tart(f"exec {vm} {command}")
    assert done.returncode != 0
    return done.stderr


def test_a_guests_root_cannot_reach_under_its_machine(host: TartHost, vm: str) -> None:
    with host.running(vm):
        linux = "sudo /System/Lab/linux/bin"
        refusal = "Operation not permitted"
        assert refusal in as_root(host, vm, f"{linux}/mknod /tmp/disk b 254 0")
        assert refusal in as_root(host, vm, f"{linux}/date -s 2020-01-01")
        assert "permission denied" in as_root(host, vm, f"{linux}/mount -t tmpfs x /private/tmp")


def test_a_service_that_is_killed_takes_its_guests_along_and_comes_back(
    host: TartHost, vm: str
) -> None:
    with host.running(vm) as run:
        host.lab.exec(
            "host", ["/bin/launchctl", "kill", "KILL", "system/com.apple.lab.virtualization"]
        )
        assert run.process.wait(10) == 0
        assert "due to error" in run.output()
    wait_for("the service", lambda: host.tart("clone base probe").returncode == 0)
    host.tart("delete probe", check=True)
    with host.running(vm):
        assert host.state(vm) == "running"
