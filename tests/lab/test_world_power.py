"""The host boots again: what survives it, what does not, and what goes on around it."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from lab.lab import Lab
from lab.state import LabError
from tests.lab.conftest import LabStarter
from tests.lab.tart_host import TartHost, wait_for
from tests.lab.test_world import inhabitants, lab_command

pytestmark = pytest.mark.lab

JOB = "/Library/LaunchDaemons/t.boot.plist"
PLIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>Label</key><string>t.boot</string>
<key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string>
<string>{script}</string></array><key>RunAtLoad</key><true/></dict></plist>
"""
RECORDER = """\
echo up >> /var/log/t.boot
trap 'echo ended in good order >> /var/log/t.boot; exit 0' TERM
while :; do sleep 0.05; done
"""
ANCHOR = "block return in quick on bridge100 inet all\n"


def run(lab: Lab, script: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script], input=stdin)


def install_recorder(lab: Lab) -> None:
    text = PLIST.format(
        script=RECORDER.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    assert run(lab, f"cat > {JOB} && chmod 644 {JOB}", text).returncode == 0
    assert run(lab, f"launchctl bootstrap system {JOB}").returncode == 0
    wait_for("the job", lambda: history(lab) == ["up"])


def history(lab: Lab) -> list[str]:
    return run(lab, "cat /var/log/t.boot").stdout.splitlines()


def test_an_orderly_reboot_ends_the_jobs_and_starts_those_that_run_at_load(
    start_lab: LabStarter,
) -> None:
    lab = start_lab()
    install_recorder(lab)

    lab.reboot()

    wait_for("the job", lambda: history(lab) == ["up", "ended in good order", "up"])
    assert lab.facts["boots"] == 2


def test_a_power_cut_gives_no_job_a_chance(start_lab: LabStarter) -> None:
    lab = start_lab()
    install_recorder(lab)

    lab.reboot(power_cut=True)

    wait_for("the job", lambda: history(lab) == ["up", "up"])


def test_the_disk_stays_and_run_and_tmp_are_emptied(start_lab: LabStarter) -> None:
    lab = start_lab()
    files = ("/tmp/t", "/private/tmp/d/t", "/var/run/t", "/usr/local/bin/t", "/var/db/t")
    run(lab, f"mkdir /tmp/d; touch {' '.join(files)}")
    assert run(lab, f"ls {' '.join(files)}").returncode == 0
    before = run(lab, "sysctl -n kern.boottime").stdout
    time.sleep(1)  # boot times have whole seconds

    lab.reboot()

    kept = [name for name in files if run(lab, f"test -e {name}").returncode == 0]
    assert kept == ["/usr/local/bin/t", "/var/db/t"]
    assert run(lab, "stat -f %Sp /private/tmp").stdout == "drwxrwxrwt\n"
    assert run(lab, "sysctl -n kern.boottime").stdout != before


def test_pf_forgets_rules_tables_and_tokens_and_is_disabled(start_lab: LabStarter) -> None:
    lab = start_lab()
    rules = "table <t> persist { 10.0.0.1 }\n" + ANCHOR
    assert run(lab, "pfctl -E && pfctl -a com.apple/000.t -f -", rules).returncode == 0
    assert "bridge100" in run(lab, "pfctl -a com.apple/000.t -sr").stdout
    assert "Status: Enabled" in run(lab, "pfctl -s info").stdout

    lab.reboot(power_cut=True)

    wait_for("pf.conf", lambda: "com.apple/*" in run(lab, "pfctl -sr").stdout)
    assert run(lab, "pfctl -a com.apple/000.t -sr").stdout == ""
    assert run(lab, "pfctl -a com.apple/000.t -t t -T show").stdout == ""
    assert "Status: Disabled" in run(lab, "pfctl -s info").stdout
    assert "TokenCount" not in run(lab, "pfctl -s References").stdout


def test_the_operator_comes_in_by_the_same_port_and_is_logged_in_again(
    start_lab: LabStarter,
) -> None:
    lab = start_lab()
    port = lab.ssh_port

    lab.reboot()

    answer = subprocess.run(lab.ssh("id", "-un"), capture_output=True, text=True, check=False)
    assert (lab.ssh_port, answer.stdout) == (port, "operator\n")
    wait_for("the session", lambda: run(lab, "launchctl print gui/501").returncode == 0)
    assert run(lab, "test -e /private/var/run/keychain-unlocked-501").returncode == 0
    assert run(lab, "curl -sS -m 5 https://example.com/").stdout == "lab: example.com\n"
    assert "inet 10.0.10.2 " in run(lab, "ifconfig en0").stdout


@pytest.mark.parametrize("command", ["/sbin/reboot", "/sbin/shutdown -r now"])
def test_the_host_reboots_itself(start_lab: LabStarter, command: str) -> None:
    lab = start_lab()
    held = Lab.named(lab.name)

    run(lab, command)
    held.wait_for_boot(2)

    assert held.exec("host", ["/bin/hostname"]).stdout == "mac-mini.local\n"
    assert Lab.named(lab.name).facts["host_pid"] == held.facts["host_pid"]


def test_a_host_that_was_shut_down_stays_off_until_it_is_switched_on(
    start_lab: LabStarter,
) -> None:
    lab = start_lab()

    run(lab, "shutdown -h now")

    def is_off() -> bool:
        try:
            return lab.exec("host", ["/usr/bin/true"]).returncode == -9
        except LabError:
            return True

    wait_for("its end", is_off)
    time.sleep(0.5)
    with pytest.raises(LabError, match="has ended"):
        lab.exec("host", ["id"])
    with pytest.raises(LabError, match="the host is off"):
        lab.reboot()
    lab.power_on()
    assert lab.exec("host", ["/usr/bin/id", "-un"]).stdout == "root\n"


def test_guests_die_with_the_host_and_their_bridge_goes(start_lab: LabStarter) -> None:
    lab = start_lab()
    host = TartHost.on(lab)
    host.clone("v")
    with host.running("v") as guest:
        guest.guest("/usr/bin/touch", "/Users/admin/kept", "/tmp/gone")
        assert run(lab, "ifconfig bridge100").returncode == 0

        lab.reboot(power_cut=True)

        assert guest.process.wait(10) != 0
    with pytest.raises(LabError, match="no guest v runs"):
        lab.exec("guest:v", ["id"])
    assert run(lab, "ifconfig bridge100").returncode == 1
    assert run(lab, "sysctl -n net.inet.ip.forwarding").stdout == "0\n"
    wait_for("the session", lambda: run(lab, "launchctl print gui/501").returncode == 0)
    with host.running("v") as again:
        assert again.guest("/bin/test", "-e", "/Users/admin/kept").returncode == 0
        assert again.guest("/bin/test", "-e", "/tmp/gone").returncode == 1


def test_a_lab_that_was_rebooted_goes_down_without_a_trace(start_lab: LabStarter) -> None:
    lab = start_lab()
    reboot = [*lab_command("reboot", "--name", lab.name), "--power-cut"]
    assert subprocess.run(reboot, timeout=60, check=False).returncode == 0
    held = Lab.named(lab.name)
    assert json.loads(lab.state.facts_file.read_text())["boots"] == 2
    inside = inhabitants(held)
    assert len(inside) > 4

    held.down()

    assert [process.name for process in inside if process.lives] == []
    assert not lab.state.folder.exists()


@pytest.mark.parametrize(("power_cut", "kept"), [(False, True), (True, False)])
def test_an_account_that_was_not_written_is_gone_after_a_power_cut_before_any_job_starts(
    start_lab: LabStarter, *, power_cut: bool, kept: bool
) -> None:
    lab = start_lab()
    run(lab, "dscl . -create /Users/_t UniqueID 310; dscl . -create /Users/_t PrimaryGroupID 20")
    assert run(lab, "id -u _t").stdout == "310\n"
    text = PLIST.format(script="id -un &gt;&gt; /tmp/t.who")
    text = text.replace("<key>RunAtLoad", "<key>UserName</key><string>_t</string><key>RunAtLoad")
    run(lab, f"cat > {JOB} && chmod 644 {JOB}", text)

    lab.reboot(power_cut=power_cut)

    shown = "last exit code = 0" if kept else "last exit code = 78"
    wait_for("the job", lambda: shown in run(lab, "launchctl print system/t.boot").stdout)
    assert (run(lab, "id -u _t").returncode == 0) == kept
    assert run(lab, "cat /tmp/t.who").stdout == ("_t\n" if kept else "")


def test_a_saved_machine_boots_elsewhere_with_its_disk_keys_and_jobs(
    start_lab: LabStarter, tmp_path: Path
) -> None:
    first = start_lab(subnet="192.168.65.1/24", bridge=101)
    install_recorder(first)
    with pytest.raises(LabError, match="runs; switch it off first"):
        first.save(tmp_path / "image")
    assert not (tmp_path / "image").exists()
    first.power_off()
    first.save(tmp_path / "image")

    lab = start_lab(image=tmp_path / "image")

    wait_for("the job", lambda: history(lab) == ["up", "up"])
    wait_for("ssh", lambda: subprocess.run(lab.ssh("true"), check=False).returncode == 0)
    assert '"bridge101"' in run(lab, "cat /System/Lab/machine.json").stdout
    first.power_on()
    wait_for("ssh", lambda: subprocess.run(first.ssh("true"), check=False).returncode == 0)


def test_what_is_no_image_of_a_machine_starts_nothing(
    start_lab: LabStarter, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="is no image of a lab: it has no certificates"):
        start_lab(image=tmp_path)
