"""launchd property lists: right keys, right types, nothing else."""

from __future__ import annotations

import plistlib

from clawkeep.render.plist import bridge_daemon, nanoclaw_agent, vm_agent


def test_a_bridge_is_an_unprivileged_daemon_that_comes_back() -> None:
    assert plistlib.loads(bridge_daemon("truenas-ssh", "_clawkeep")) == {
        "Label": "com.nanoclaw.bridge.truenas-ssh",
        "ProgramArguments": ["/opt/clawkeep/bin/clawkeep", "bridge", "truenas-ssh"],
        "UserName": "_clawkeep",
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "WorkingDirectory": "/var/empty",
        "Umask": "027",
        "StandardOutPath": "/var/log/clawkeep/bridge-truenas-ssh.err.log",
        "StandardErrorPath": "/var/log/clawkeep/bridge-truenas-ssh.err.log",
    }


def test_the_vm_job_is_an_agent_of_the_login_session_under_our_supervisor() -> None:
    job = plistlib.loads(
        vm_agent("nanoclaw-vm", home="/Users/operator", arguments=("--", "tart", "run"))
    )
    assert job == {
        "Label": "com.nanoclaw.vm",
        "ProgramArguments": [
            "/opt/clawkeep/bin/clawkeep",
            "supervise",
            "nanoclaw-vm",
            "--",
            "tart",
            "run",
        ],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "ExitTimeOut": 180,
        "ProcessType": "Interactive",
        "LimitLoadToSessionType": "Aqua",
        "EnvironmentVariables": {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin",
            "TART_NO_AUTO_PRUNE": "1",
        },
        "WorkingDirectory": "/Users/operator",
        "Umask": "077",
        "StandardOutPath": "/Users/operator/Library/Logs/clawkeep/nanoclaw-vm.log",
        "StandardErrorPath": "/Users/operator/Library/Logs/clawkeep/nanoclaw-vm.log",
    }


def test_equal_declarations_give_equal_bytes() -> None:
    one = bridge_daemon("nas", "nobody")
    assert one == bridge_daemon("nas", "nobody")
    assert one.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist')


def test_nanoclaw_s_job_runs_one_release_with_what_it_reads_from_its_environment() -> None:
    release = "/opt/nanoclaw/releases/b8cf30830b8a-01234567"
    job = plistlib.loads(
        nanoclaw_agent(
            "com.nanoclaw",
            node="/opt/homebrew/opt/node@22/bin/node",
            release=release,
            home="/Users/claw",
            logs="/opt/nanoclaw/state/logs",
            environment={"LOG_LEVEL": "info"},
        )
    )
    assert job == {
        "Label": "com.nanoclaw",
        "ProgramArguments": [
            "/opt/homebrew/opt/node@22/bin/node",
            "/opt/nanoclaw/releases/b8cf30830b8a-01234567/dist/index.js",
        ],
        "WorkingDirectory": release,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 30,
        "ExitTimeOut": 30,
        "LimitLoadToSessionType": "Aqua",
        "EnvironmentVariables": {
            "PATH": "/usr/local/clawkeep/bin:/opt/homebrew/opt/node@22/bin:/opt/homebrew/bin:"
            "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": "/Users/claw",
            "LOG_LEVEL": "info",
        },
        "Umask": "077",
        "StandardOutPath": "/opt/nanoclaw/state/logs/nanoclaw.log",
        "StandardErrorPath": "/opt/nanoclaw/state/logs/nanoclaw.error.log",
    }
