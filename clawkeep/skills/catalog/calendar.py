"""macOS's Calendar through AppleScript; a person must allow it once at the guest's screen."""

from __future__ import annotations

from clawkeep.skills.agents import ARGUMENTS, Argument, ForAgents, Verb
from clawkeep.skills.skill import Allowed, Scene, Skill, Wants, Word
from clawkeep.skills.tools import Failed, NeedsMac, Tools

ALLOW = (
    "log in at the guest's screen as the agent's user, run the probe there once and press Allow; "
    "System Settings > Privacy & Security > Automation and Calendars show it"
)
SCRIPT = """\
tell application "Calendar"
  if not (exists calendar "{name}") then make new calendar with properties {{name:"{name}"}}
  tell calendar "{name}"
    set begin to (current date) + 86400
    make new event with properties {{summary:"{mark}", start date:begin, end date:begin + 600}}
    set found to count of (events whose summary is "{mark}")
    delete (events whose summary is "{mark}")
    set rest to count of (events whose summary is "{mark}")
  end tell
end tell
return (found as text) & " " & (rest as text)
"""

OSASCRIPT = ("/usr/bin/osascript", "-l", "JavaScript", "-")
# JavaScript, because its literals are JSON: AppleScript has no safe way to quote a text.
BEGIN = f"""\
const ask = {ARGUMENTS};
const app = Application("Calendar");
const named = app.calendars.whose({{name: ask.where}});
if (named.length === 0) app.calendars.push(app.Calendar({{name: ask.where}}));
const calendar = named[0];
"""
LIST = """\
const from = new Date(), to = new Date(from.getTime() + ask.days * 86400000);
const found = calendar.events.whose({_and: [
  {startDate: {_greaterThan: from}}, {startDate: {_lessThan: to}}]})();
JSON.stringify(found.map((event) => ({id: event.uid(), title: event.summary(),
  start: event.startDate().toISOString(), end: event.endDate().toISOString()})));
"""
ADD = """\
const start = new Date(ask.start), end = new Date(start.getTime() + ask.minutes * 60000);
const event = app.Event({summary: ask.title, startDate: start, endDate: end});
calendar.events.push(event);
JSON.stringify({id: event.uid()});
"""
DELETE = """\
const found = calendar.events.whose({uid: ask.id})();
found.forEach((event) => app.delete(event));
JSON.stringify({deleted: found.length});
"""


class Calendar(Allowed):
    """`calendar` is the one that agents use, and the probe, for an event of its own."""

    calendar: Word = "Clawkeep"


def wants(options: Calendar, _scene: Scene) -> Wants:
    """Return that a person must allow it."""
    mark = "clawkeep probe"
    script = SCRIPT.format(name=options.calendar, mark=mark)
    return Wants(
        grants=options.grants("kTCCServiceCalendar", "com.apple.iCal"),
        rights=("TCC Automation (Calendar)", "TCC Calendars"),
        agents=ForAgents(
            f"The calendar {options.calendar!r}: list, add and delete events.",
            "Times are ISO 8601, such as 2026-11-24T09:00+01:00. Answers are JSON.",
            verbs=_verbs(options.calendar),
        ),
        question={"script": script, "allow": ALLOW},
    )


def _verbs(calendar: str) -> dict[str, Verb]:
    where = Argument("where", "fixed", calendar)
    days = Argument("days", "integer", 7, 1, 366)
    minutes = Argument("minutes", "integer", 60, 1, 10_080)
    added = (Argument("title", "line", high=500), Argument("start", "time"), minutes)
    return {
        "list": Verb(OSASCRIPT, "what begins in so many days", (where, days), BEGIN + LIST),
        "add": Verb(OSASCRIPT, "an event; its id comes back", (where, *added), BEGIN + ADD),
        "delete": Verb(
            OSASCRIPT, "the event of an id", (where, Argument("id", "id")), BEGIN + DELETE
        ),
    }


def probe(tools: Tools) -> str:
    """Make an event, read it, and delete it."""
    allow = tools.question["allow"]
    done = tools.run(
        "/usr/bin/osascript", "-", stdin=tools.question["script"], timeout_s=20,
        hangs="macOS probably asks for permission on a screen that nobody sees; " + allow,
    )  # fmt: skip
    if not tools.on_a_mac:
        raise NeedsMac("osascript answered: " + done.words)
    if "-1743" in done.err or "-1712" in done.err:
        raise Failed("not allowed to control Calendar (" + done.words[-60:] + "); " + allow)
    if done.status != 0:
        raise Failed("Calendar: " + done.words)
    if done.out.split() != ["1", "0"]:
        raise Failed(f"Calendar found and left {done.out.strip()!r}, expected one event and none")
    return "an event was made, read and deleted"


SKILL = Skill("macOS's Calendar", Calendar, wants, probe)
