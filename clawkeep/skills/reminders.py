"""macOS's Reminders, with remindctl; a person must allow it once at the guest's screen."""

from __future__ import annotations

import json

from clawkeep.skills.skill import Allowed, Scene, Skill, Wants, Word
from clawkeep.skills.tools import Failed, NeedsMac, Tools

ALLOW = (
    "log in at the guest's screen as the agent's user, run `remindctl authorize` there and press "
    "Allow; System Settings > Privacy & Security > Reminders shows it"
)
REMINDCTL = "/opt/homebrew/bin/remindctl"
SCRIPT = """\
tell application "Reminders"
  if not (exists list "{name}") then make new list with properties {{name:"{name}"}}
  tell list "{name}"
    make new reminder with properties {{name:"{mark}"}}
    set found to count of (reminders whose name is "{mark}")
    delete (reminders whose name is "{mark}")
    set rest to count of (reminders whose name is "{mark}")
  end tell
end tell
return (found as text) & " " & (rest as text)
"""


class Reminders(Allowed):
    """`list` is where the probe makes, reads and deletes a reminder of its own."""

    list: Word = "Clawkeep"


def wants(options: Reminders, _scene: Scene) -> Wants:
    """Return remindctl, and that a person must allow it."""
    return Wants(
        formulas=("steipete/tap/remindctl",),
        grants=options.grants("kTCCServiceReminders", "com.apple.reminders"),
        rights=("TCC Reminders", "TCC Automation (Reminders)"),
        question={
            "program": REMINDCTL,
            "script": SCRIPT.format(name=options.list, mark="clawkeep probe"),
            "allow": ALLOW,
        },
    )


def probe(tools: Tools) -> str:
    """Ask remindctl whether it may; then make a reminder, read it, and delete it."""
    allow = tools.question["allow"]
    hangs = "macOS probably asks for permission on a screen that nobody sees; " + allow
    done = tools.run(tools.question["program"], "status", "--json", hangs=hangs)
    if done.status != 0:
        raise Failed("remindctl: " + done.words)
    state = json.loads(done.out)
    if not tools.on_a_mac:
        raise NeedsMac(f"remindctl says: {state.get('status')}; {allow}")
    if not state.get("authorized"):
        raise Failed(f"remindctl may not: {state.get('status')}; {allow}")
    done = tools.run("/usr/bin/osascript", "-", stdin=tools.question["script"], hangs=hangs)
    if done.status != 0:
        raise Failed(f"Reminders: {done.words}; {allow}")
    if done.out.split() != ["1", "0"]:
        raise Failed(f"Reminders found and left {done.out.strip()!r}, expected one and none")
    return "a reminder was made, read and deleted"


SKILL = Skill("macOS's Reminders, with remindctl", Reminders, wants, probe, timeout_s=50)
