"""macOS's Calendar through AppleScript; a person must allow it once at the guest's screen."""

from __future__ import annotations

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


class Calendar(Allowed):
    """`calendar` is where the probe makes, reads and deletes an event of its own."""

    calendar: Word = "Clawkeep"


def wants(options: Calendar, _scene: Scene) -> Wants:
    """Return that a person must allow it."""
    mark = "clawkeep probe"
    script = SCRIPT.format(name=options.calendar, mark=mark)
    return Wants(
        grants=options.grants("kTCCServiceCalendar", "com.apple.iCal"),
        rights=("TCC Automation (Calendar)", "TCC Calendars"),
        question={"script": script, "allow": ALLOW},
    )


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
