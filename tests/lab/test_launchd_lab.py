"""launchd as process 1 of a lab's host: with sshd, sudo, a GUI session and the log of calls."""

import subprocess
import textwrap

import pytest

from lab.lab import Lab
from tests.lab.launchd_machine import wait_for

pytestmark = pytest.mark.lab
PLIST = """\
    <?xml version="1.0" encoding="UTF-8"?>
    <plist version="1.0"><dict>
    <key>Label</key><string>{label}</string>
    <key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string>
    <string>{script}</string></array>
    <key>RunAtLoad</key><true/>{extra}
    </dict></plist>
"""
BY_OPERATOR = "<key>UserName</key><string>operator</string>"


def run(lab: Lab, script: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script], user=user)


def write(lab: Lab, path: str, label: str, script: str, extra: str = "") -> None:
    """Put a property list in place, root:wheel 0644."""
    text = textwrap.dedent(PLIST).format(label=label, script=script, extra=extra)
    done = lab.exec("host", ["/bin/sh", "-c", f"cat > '{path}' && chmod 644 '{path}'"], input=text)
    assert done.returncode == 0


def test_process_1_is_launchd_and_sshd_is_its_socket_job(lab: Lab) -> None:
    assert run(lab, "launchctl managerpid").stdout == "1\n"
    shown = run(lab, "launchctl print system/com.openssh.sshd").stdout
    assert "\tstate = not running\n" in shown
    assert "inetd-compatible" in shown


def test_the_operator_has_a_gui_session_by_auto_login(lab: Lab) -> None:
    wait_for(lambda: run(lab, "launchctl print gui/501").returncode == 0, "the session")
    assert run(lab, "test -e /private/var/run/keychain-unlocked-501").returncode == 0
    assert run(lab, "launchctl asuser 501 launchctl managername").stdout == "Aqua\n"
    assert run(lab, "launchctl managername", user="operator").stdout == "Background\n"


def test_a_daemon_with_a_user_name_runs_as_that_user_with_launchds_path(lab: Lab) -> None:
    path = "/Library/LaunchDaemons/t.user.plist"
    script = "id -un; echo $HOME; echo $PATH; command -v brew || echo no brew"
    out = "<key>StandardOutPath</key><string>/tmp/t.user</string>"
    write(lab, path, "t.user", script, BY_OPERATOR + out)
    assert run(lab, f"plutil -lint {path}").stdout == f"{path}: OK\n"
    loaded = run(lab, f"launchctl bootstrap system {path}")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    expected = "operator\n/Users/operator\n/usr/bin:/bin:/usr/sbin:/sbin\nno brew\n"
    wait_for(lambda: run(lab, "cat /tmp/t.user").stdout == expected, "the output")
    assert run(lab, "stat -f %Su /tmp/t.user").stdout == "operator\n"


def test_the_operator_manages_own_agents_but_the_system_only_with_sudo(lab: Lab) -> None:
    wait_for(lambda: run(lab, "launchctl print gui/501").returncode == 0, "the session")
    folder = "/Users/operator/Library/LaunchAgents"
    run(lab, f"mkdir -p {folder} && chown operator {folder}")
    write(lab, f"{folder}/t.agent.plist", "t.agent", "exec sleep 100")
    run(lab, f"chown operator {folder}/t.agent.plist")
    agent = run(lab, f"launchctl bootstrap gui/501 {folder}/t.agent.plist", user="operator")
    assert (agent.returncode, agent.stderr) == (0, "")
    pid = run(lab, "launchctl kickstart -p gui/501/t.agent", user="operator").stdout.strip()
    assert run(lab, f"ps -o user= -p {pid}").stdout.strip() == "operator"
    path = "/Library/LaunchDaemons/t.system.plist"
    write(lab, path, "t.system", "exec sleep 100")
    assert run(lab, f"launchctl bootstrap system {path}", user="operator").returncode == 5
    assert run(lab, f"sudo launchctl bootstrap system {path}", user="operator").returncode == 0


def test_a_property_list_of_the_operator_is_no_daemon(lab: Lab) -> None:
    path = "/Library/LaunchDaemons/t.owner.plist"
    write(lab, path, "t.owner", "exec sleep 100")
    run(lab, f"chown operator {path}")
    refused = run(lab, f"launchctl bootstrap system {path}")
    assert refused.stderr == "Bootstrap failed: 122: Path had bad ownership/permissions\n"


def test_every_call_is_recorded_with_what_it_may_change(lab: Lab) -> None:
    before = len(lab.calls())
    run(lab, "launchctl print system/none; launchctl bootout system/none; plutil -lint /none")
    made = [(call["argv"][:2], call["mutates"]) for call in lab.calls()[before:]]
    assert made == [
        (["/bin/launchctl", "print"], False),
        (["/bin/launchctl", "bootout"], True),
        (["/usr/bin/plutil", "-lint"], False),
    ]
