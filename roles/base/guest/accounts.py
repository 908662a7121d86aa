"""Runs as root in the guest, on its own Python 3.9: accounts and their passwords.

Sent on stdin by `roles.base.account`, with one more line that calls `main`. macOS's tools want a
terminal for a password and exit 0 when they fail, so each step here is checked by its effect.
"""

import base64
import json
import os
import pty
import select
import subprocess
import sys
import time

MARKS = "/var/db/clawkeep"
WINDOW = "/Library/Preferences/com.apple.loginwindow"


def run(*command):
    """Run a command; its exit status means nothing for half of macOS's tools."""
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def answer(command, password, deadline_s=30):
    """Run a command on a terminal and type `password` at each prompt; return (status, words)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)  # noqa: S606 - no shell wanted
    words, prompts, end = b"", 0, time.monotonic() + deadline_s
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            chunk = os.read(terminal, 1024)
        except OSError:
            break
        if not chunk:
            break
        words += chunk
        if words.lower().count(b"assword:") > prompts:
            prompts = words.lower().count(b"assword:")
            os.write(terminal, password.encode() + b"\n")
    else:
        os.kill(pid, 9)
    os.close(terminal)
    status = os.waitpid(pid, 0)[1]
    text = words.decode(errors="replace").replace(password, "*")
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1, text


def set_password(user, password):
    """Reset a password, and prove that it took."""
    _, words = answer(
        ["/usr/sbin/sysadminctl", "-resetPasswordFor", user, "-newPassword", "-"], password
    )
    status, _ = answer(["/usr/bin/dscl", ".", "-authonly", user], password)
    if status != 0:
        sys.exit("the password of " + user + " did not change: " + words)


def mark(name, text):
    """Note that a step came to its end with `text`."""
    os.makedirs(MARKS, mode=0o700, exist_ok=True)
    with open(MARKS + "/" + name, "w") as file:
        file.write(text + "\n")


def flush():
    """Have opendirectoryd write what it holds in memory, and the disk take it."""
    run("/usr/bin/killall", "opendirectoryd")
    time.sleep(0.5)
    end = time.monotonic() + 20
    while time.monotonic() < end and run("/usr/bin/id", "root").returncode != 0:
        time.sleep(0.2)
    os.sync()


def create_user(user, password):
    """Create an administrator with a home, whom SSH admits and no assistant greets."""
    if run("/usr/bin/id", user).returncode != 0:
        home = "/Users/" + user
        command = ["/usr/sbin/sysadminctl", "-addUser", user, "-fullName", "NanoClaw"]
        command += ["-home", home, "-shell", "/bin/zsh", "-admin", "-password", "-"]
        _, words = answer(command, password)
        if run("/usr/bin/id", user).returncode != 0:
            sys.exit("sysadminctl did not create " + user + ": " + words)
    make_home(user)
    join_groups(user)
    skip_setup_assistant(user)
    flush()
    if run("/usr/bin/id", user).returncode != 0:
        sys.exit(user + " was gone after opendirectoryd was flushed")
    mark("user-" + user, user)


def make_home(user):
    """Make the home: sysadminctl only notes where it would be."""
    if not os.path.isdir("/Users/" + user):
        run("/usr/sbin/createhomedir", "-c", "-u", user)
    if not os.path.isdir("/Users/" + user):
        sys.exit("createhomedir made no /Users/" + user)


def join_groups(user):
    """Make the user an administrator, and let SSH's access list know it where there is one."""
    groups = ["admin"]
    if run("/usr/bin/dscl", ".", "-read", "/Groups/com.apple.access_ssh").returncode == 0:
        groups.append("com.apple.access_ssh")
    for group in groups:
        run("/usr/sbin/dseditgroup", "-o", "edit", "-a", user, "-t", "user", group)
        if run("/usr/sbin/dseditgroup", "-o", "checkmember", "-m", user, group).returncode != 0:
            sys.exit(user + " did not become a member of " + group)


def skip_setup_assistant(user):
    """Answer Setup Assistant beforehand: at a user's first login it waits for a person."""
    preferences = "/Users/" + user + "/Library/Preferences/com.apple.SetupAssistant"
    write = ("/usr/bin/sudo", "-n", "-u", user, "/usr/bin/defaults", "write", preferences)
    for key in ("CloudSetup", "Privacy", "SiriSetup", "ScreenTime", "Accessibility", "Appearance"):
        run(*write, "DidSee" + key, "-bool", "true")
    version = run("/usr/bin/sw_vers", "-productVersion").stdout.strip()
    build = run("/usr/bin/sw_vers", "-buildVersion").stdout.strip()
    run(*write, "LastSeenCloudProductVersion", "-string", version)
    run(*write, "LastSeenBuddyBuildVersion", "-string", build)


def automatic_login(user, password, kcpassword, digest):
    """Set a password and the key file that agrees with it, or the login window waits for ever."""
    set_password(user, password)
    temporary = "/etc/.kcpassword.clawkeep~"
    if os.path.exists(temporary):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, base64.b64decode(kcpassword))
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(temporary, "/etc/kcpassword")
    run("/usr/bin/defaults", "write", WINDOW, "autoLoginUser", "-string", user)
    run("/usr/bin/defaults", "write", WINDOW, "autoLoginUserScreenLocked", "-bool", "false")
    if run("/usr/bin/defaults", "read", WINDOW, "autoLoginUser").stdout.strip() != user:
        sys.exit("loginwindow did not take autoLoginUser")
    hand_over_agent_log()
    flush()
    mark("automatic-login", digest + "  -")


def hand_over_agent_log():
    """Let the next session open the guest agent's log: it stays in /tmp, owned by the last one."""
    log = "/tmp/tart-guest-agent.log"  # noqa: S108 - the image's choice
    if os.path.lexists(log):
        os.unlink(log)


def replace_password(user, password):
    """Replace a password that everybody knows."""
    set_password(user, password)
    flush()
    mark("password-" + user, "replaced")


STEPS = {"create": create_user, "login": automatic_login, "replace": replace_password}


def main(text):
    """Run one step; `text` is a JSON object with its name under `step` and its arguments."""
    values = json.loads(text)
    STEPS[values.pop("step")](**values)
