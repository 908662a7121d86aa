"""macOS's Reminders, with remindctl; a person must allow it once at the guest's screen."""

from __future__ import annotations

import json

from clawkeep.skills.agents import ARGUMENTS, Argument, ForAgents, Verb
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

OSASCRIPT = ("/usr/bin/osascript", "-l", "JavaScript", "-")
# Not remindctl, which takes a title as an argument: every user of the guest sees those.
BEGIN = f"""\
const ask = {ARGUMENTS};
const app = Application("Reminders");
const named = app.lists.whose({{name: ask.where}});
if (named.length === 0) app.lists.push(app.List({{name: ask.where}}));
const list = named[0];
"""
LIST = """\
const found = list.reminders.whose({completed: false})();
JSON.stringify(found.map((one) => ({id: one.id(), title: one.name(),
  due: one.dueDate() ? one.dueDate().toISOString() : null})));
"""
ADD = """\
const said = {name: ask.title};
if (ask.due) said.dueDate = new Date(ask.due);
const one = app.Reminder(said);
list.reminders.push(one);
JSON.stringify({id: one.id()});
"""
DONE = """\
const found = list.reminders.whose({id: ask.id})();
found.forEach((one) => { one.completed = true; });
JSON.stringify({done: found.length});
"""


class Reminders(Allowed):
    """`list` is the one that agents use, and the probe, for a reminder of its own."""

    list: Word = "Clawkeep"


def wants(options: Reminders, _scene: Scene) -> Wants:
    """Return remindctl, and that a person must allow it."""
    return Wants(
        formulas=("steipete/tap/remindctl",),
        grants=options.grants("kTCCServiceReminders", "com.apple.reminders"),
        rights=("TCC Reminders", "TCC Automation (Reminders)"),
        agents=ForAgents(
            f"The list of reminders {options.list!r}: list, add and complete them.",
            "Times are ISO 8601, such as 2026-11-24T09:00+01:00. Answers are JSON.",
            verbs=_verbs(options.list),
        ),
        question={
            "program": REMINDCTL,
            "script": SCRIPT.format(name=options.list, mark="clawkeep probe"),
            "allow": ALLOW,
        },
    )


def _verbs(name: str) -> dict[str, Verb]:
    where = Argument("where", "fixed", name)
    added = (Argument("title", "line", high=500), Argument("due", "time", ""))
    return {
        "list": Verb(OSASCRIPT, "what is not done yet", (where,), BEGIN + LIST),
        "add": Verb(OSASCRIPT, "a reminder; its id comes back", (where, *added), BEGIN + ADD),
        "done": Verb(
            OSASCRIPT, "the reminder of an id is done", (where, Argument("id", "id")), BEGIN + DONE
        ),
    }


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
