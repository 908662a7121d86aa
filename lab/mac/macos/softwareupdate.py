"""softwareupdate: the schedule, an empty list of updates, and the full installers there are.

`--schedule off` removes AutomaticCheckEnabled from the preferences, so whoever writes that key
writes it afterwards. Source: reference/macos.md §5 (updates). The lines of
`--list-full-installers` are those that public scripts parse. What Apple offers is in
`/private/var/db/lab-installers`, a line `TITLE VERSION BUILD` each; by default what runs already.
"""

from ..calls import record
from . import machine, paths, preferences
from .console import complain, is_root

FILE = "/Library/Preferences/com.apple.SoftwareUpdate.plist"
KEY = "AutomaticCheckEnabled"
OFFERED = "/private/var/db/lab-installers"


def main(argv: list[str]) -> int:
    """Run --schedule [on|off], -l, or refuse installs (there is nothing to install)."""
    words = argv[1:]
    setting = words[:1] == ["--schedule"] and len(words) > 1
    installing = bool({"-i", "--install", "-d", "--install-rosetta", "-ia"} & set(words))
    record(argv, mutates=setting or installing)
    match words:
        case ["--schedule", ("on" | "off") as state]:
            return schedule(state)
        case ["--schedule"]:
            print(f"Automatic checking for updates is turned {'on' if is_on() else 'off'}")
        case ["-l" | "--list", *_]:
            print("Software Update Tool\n\nFinding available software")
            complain("No new software available.")
        case ["--list-full-installers", *_]:
            list_installers()
        case ["--install-rosetta", *_]:
            print("Install of Rosetta 2 finished successfully")
        case ["-i" | "--install" | "-d" | "-ia", *_]:
            print("Software Update Tool\n\nFinding available software")
            complain("No updates are available.")
        case _:
            complain("usage: softwareupdate <cmd> [<args> ...]")
            return 1
    return 0


def list_installers() -> None:
    """--list-full-installers: one line each, the newest first."""
    file = paths.at(OFFERED)
    text = f"Sequoia {machine.PRODUCT_VERSION} {machine.BUILD_VERSION}"
    rows = (file.read_text() if file.exists() else text).splitlines()
    print("Finding available software")
    print("Software Update found the following full installers:")
    for title, version, build in (row.split() for row in rows):
        print(
            f"* Title: macOS {title}, Version: {version}, Size: 15283299KiB, Build: {build}, "
            "Deferred: NO"
        )


def is_on() -> bool:
    """Say whether the automatic check is on, which is the default."""
    values = preferences.read(paths.at(FILE)) or {}
    return bool(values.get(KEY, values.get("ScheduleFrequency") != 0))


def schedule(state: str) -> int:
    """--schedule on|off, as root."""
    if not is_root():
        print("This operation requires root privileges; use sudo.")
        return 1
    values = preferences.read(paths.at(FILE)) or {}
    values.pop(KEY, None)
    values["ScheduleFrequency"] = 1 if state == "on" else 0
    if state == "on":
        values[KEY] = True
    preferences.write(paths.at(FILE), values)
    print(f"Automatic checking for updates is turned {state}")
    return 0
