"""What agents may use of the guest's skills: the list that the runtime reads, and the tool server.

Both phases that can change it bring it about: `agent`, which declares the groups' share, and
`skills`, which declares the skills.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib import resources

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep
from clawkeep.render.agent_tools import PROGRAM, TOOLS_LABEL, tools_agent
from clawkeep.skills.granted import CONFIGURATION, configuration, serves
from clawkeep.skills.skill import PROGRAMS
from roles.agent import job, program
from roles.bundle import Directory, File, bundle
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

CLIENT = f"{PROGRAMS}/clawkeep-tool"
FOLDERS = ("/usr/local", "/usr/local/clawkeep", PROGRAMS, "/usr/local/clawkeep/libexec")


def granted(name: str, keep: Keep, *, first: bool) -> None:
    """Have groups' agents given what is declared, from their next run on.

    Without `first` an agent that is not there yet gets its tools from the phase that makes it.
    """
    client = resources.files("clawkeep.skills") / "programs" / "clawkeep-tool"
    server = program.tool_server()
    bundle(
        name=f"{name}: the list",
        entries=[
            *(Directory(path) for path in FOLDERS),
            Directory("/etc/clawkeep"),
            File(CLIENT, client.read_bytes(), "755"),
            File(PROGRAM, server),
            File(CONFIGURATION, configuration(keep)),
        ],
    )
    if serves(keep):
        job.session_job(
            name=f"{name}: tools are served",
            user=keep.guest.user,
            plist=tools_agent(),
            needs=server,
            first=first,
        )
    else:
        want(_probe(keep.guest.user))
        _unserved(name=f"{name}: no tools are served", user=keep.guest.user)


def _probe(user: str) -> Probe[bool]:
    script = (
        f"launchctl print gui/$(id -u {user})/{TOOLS_LABEL} >/dev/null 2>&1 && echo loaded; "
        f"[ -e /Users/{user}/Library/LaunchAgents/{TOOLS_LABEL}.plist ] && echo plist; true"
    )
    return Probe("tool server", script, _is_there, sudo=True)


def _is_there(answer: Answer) -> bool:
    return bool(answer.text.split())


@operation()
def _unserved(user: str) -> Generator[StringCommand, None, None]:
    if not ask(_probe(user)):
        host.noop("there is no tool server")
        return
    told(TOOLS_LABEL, "removed, no group may use a tool", "-")
    yield change(REMOVE, user, TOOLS_LABEL, job.LOADED, sudo=True)


# $1 user, $2 label, $3 the folder of marks. The plist is the user's, and removed as the user.
REMOVE = r"""set -eu
job="gui/$(id -u "$1")/$2"
launchctl bootout "$job" >/dev/null 2>&1 || true
sudo -n -u "$1" -H rm -f "/Users/$1/Library/LaunchAgents/$2.plist"
rm -f "$3/$2"
if launchctl print "$job" >/dev/null 2>&1; then echo "$2 is still loaded" >&2; exit 1; fi
"""
