"""pmset: power settings, kept in /Library/Preferences/com.apple.PowerManagement.plist.

Source: reference/macos.md §4.2 (headless Mac mini); pmset(1).
"""

from ..calls import record
from . import paths, preferences
from .console import complain, is_root

FILE = "/Library/Preferences/com.apple.PowerManagement.plist"
FRESH = {
    "Sleep On Power Button": 1,
    "autorestart": 0,
    "powernap": 1,
    "networkoversleep": 0,
    "disksleep": 10,
    "sleep": 1,
    "ttyskeepawake": 1,
    "displaysleep": 10,
    "tcpkeepalive": 1,
    "lowpowermode": 0,
    "womp": 1,
}
SETTABLE = {*FRESH, "standby", "hibernatemode", "halfdim", "lidwake", "acwake", "disablesleep"}
USAGE = "Usage: pmset <options>\nSee pmset(1) for details: 'man pmset'"


def settings() -> dict[str, int]:
    """Return the settings on AC power."""
    stored = (preferences.read(paths.at(FILE)) or {}).get("AC Power", {})
    return {**FRESH, **stored}


def main(argv: list[str]) -> int:
    """Run `pmset -g [custom|…]` or `pmset -a|-c KEY VALUE…`."""
    words = argv[1:]
    getting = words[:1] == ["-g"]
    record(argv, mutates=not getting)
    if not words:
        complain(USAGE)
        return 64
    if getting:
        return show(words[1] if len(words) > 1 else "live")
    return set_(words[1:] if words[0] in {"-a", "-c", "-b", "-u"} else words)


def show(what: str) -> int:
    """-g: the live settings, `custom` per power source, or the few other reports."""
    match what:
        case "live" | "custom":
            title = (
                "AC Power:"
                if what == "custom"
                else "System-wide power settings:\nCurrently in use:"
            )
            print(title)
            for key, value in settings().items():
                print(f" {key:<20} {value}")
        case "batt" | "ps":
            print("Now drawing from 'AC Power'")
        case "therm":
            print("Note: No thermal warning level has been recorded")
        case "sched":
            return 0
        case _:
            complain(USAGE)
            return 64
    return 0


def set_(words: list[str]) -> int:
    """Store key/value pairs, all or none."""
    if not is_root():
        complain("'pmset' must be run as root...")
        return 1
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    if not pairs or len(words) % 2 or not all(value.isdigit() for value in pairs.values()):
        complain(USAGE)
        return 64
    if set(pairs) - SETTABLE:
        complain(USAGE)
        return 64
    stored = preferences.read(paths.at(FILE)) or {}
    chosen = {key: int(value) for key, value in pairs.items()}
    stored["AC Power"] = {**stored.get("AC Power", {}), **chosen}
    preferences.write(paths.at(FILE), stored)
    return 0
