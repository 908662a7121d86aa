"""What runs agents in the guest: the program that NanoClaw takes for Docker, and its permission.

All of it is root's. The service user runs it, and it alone says as whom an agent runs and what that
agent sees; its configuration is where neither of them can write.
"""

from __future__ import annotations

import json
from importlib import resources

from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw import recognise
from clawkeep.render.agent_logs import LOG_SETTINGS, log_settings
from roles.agent import program
from roles.base.guestfiles import render
from roles.bundle import Directory, File

ROOT = "/opt/nanoclaw"
PROGRAMS = "/usr/local/clawkeep"
LIBEXEC = f"{PROGRAMS}/libexec"
CHANNEL = f"{PROGRAMS}/share/channel"
CONFIGURATION = "/etc/clawkeep/runtime.json"
SUDOERS = "/etc/sudoers.d/clawkeep-agent"
PYTHON = "/usr/bin/python3 -I"
PASSED = (
    "TZ",
    "LANG",
    *(name for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
      for name in (lower, lower.upper())),
    "NODE_USE_ENV_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
)  # fmt: skip
"""The variables that an agent may inherit; everything else stays outside."""


def configuration(keep: Keep, agent: Agent) -> bytes:
    """Return the runtime's configuration, JSON.

    An agent runs directly only when both agree to it: the keep's decision (`enabled`), and the
    group, which must not be among `groups_denied`.
    """
    profile = agent.release_profile
    data = {
        "root": ROOT,
        "node": profile.node,
        "user": keep.guest.user,
        "agents": agent.agent_users,
        "binary": profile.binary,
        "profile": profile.name,
        "limits": agent.limits.model_dump(),
        "env": PASSED,
        "credentials": profile.credentials,
        "enabled": keep.decisions.agent == "direct",
        "groups_denied": agent.groups_denied,
    }
    return json.dumps(data, indent=2).encode() + b"\n"


def sudoers(user: str, agent: Agent) -> bytes:
    """Return the one rule that lets the service user start and end agents as their users."""
    calls = [f"{program.PYTHON} {program.PATHS[0]} {verb} *" for verb in program.SUDO_VERBS]
    values = {"user": user, "agents": ", ".join(agent.agent_users), "calls": ", ".join(calls)}
    return render("sudoers_agent.j2", values)


def channel_sources() -> dict[str, bytes]:
    """Return the files of the local channel, which a build adds to NanoClaw's own."""
    folder = resources.files("roles.agent") / "channel"
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda f: f.name)
            if file.name.endswith(".ts")}  # fmt: skip


def guest_programs() -> dict[str, bytes]:
    """Return the programs below `LIBEXEC` by name: those of this role, and what they share."""
    folder = resources.files("roles.agent") / "guest"
    # These travel on stdin, with what they work on; a secrets.py beside the others would hide the
    # standard library's.
    found = {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.endswith(".py") and file.name not in {"secrets.py", "credential.py"}
    }
    # One text for both sides: what the operator's refuses, the guest's refuses as well.
    source = resources.files("clawkeep.nanoclaw") / f"{recognise.__name__.rpartition('.')[2]}.py"
    return dict(sorted({**found, "recognise.py": source.read_bytes()}.items()))


def log_program(agent: Agent) -> bytes:
    """Return all that the log job reads at its start alone: its programs and its settings."""
    names = ("log", "redact")
    programs = [text for name, text in guest_programs().items() if name.startswith(names)]
    return b"".join([*programs, log_settings(agent.release_profile, agent.keys)])


def files(keep: Keep, agent: Agent) -> list[File | Directory]:
    """Return every file and folder of the runtime, in the order in which they are laid down."""
    text = program.direct_runtime()
    user, group = keep.guest.user, agent.agent_users[0]
    return [
        Directory(ROOT, "755", user, group),
        *(Directory(path) for path in ("/usr/local", PROGRAMS, f"{PROGRAMS}/bin", LIBEXEC)),
        *(File(f"{LIBEXEC}/{name}", content) for name, content in guest_programs().items()),
        *(Directory(path) for path in (f"{PROGRAMS}/share", CHANNEL) if channel_sources()),
        *(File(f"{CHANNEL}/{name}", content) for name, content in channel_sources().items()),
        *(File(path, text, "755") for path in program.PATHS),
        Directory("/etc/clawkeep"),
        File(CONFIGURATION, configuration(keep, agent)),
        File(LOG_SETTINGS, log_settings(agent.release_profile, agent.keys)),
        File(SUDOERS, sudoers(user, agent), "440", check="/usr/sbin/visudo -c -f"),
    ]
