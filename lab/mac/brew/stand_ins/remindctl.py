"""`remindctl`: permission status only; there is no EventKit behind it.

A fresh guest has granted nothing, and a grant over SSH is impossible: TCC needs a person at the
screen. Source: reference/macos.md §6, §7; openclaw/remindctl README.
"""

import json
import sys

from ...calls import record

HELP = """\
Manage Apple Reminders from the terminal

Usage: remindctl <command> [options]

Commands:
  show, today, list, search, info, add, edit, complete, delete
  status      Show Reminders permission status
  authorize   Request Reminders permission when macOS allows it
  doctor      Check the setup

Options: --json --plain --quiet --no-color --no-input --version --help
"""
ADVICE = "Enable the terminal app in System Settings > Privacy & Security > Reminders."


def main(argv: list[str]) -> int:
    """Return 0 for version, help and status, 1 for anything that needs access to Reminders."""
    record(argv, mutates=False)
    words = [word for word in argv[1:] if not word.startswith("-")]
    if "--version" in argv:
        sys.stdout.write("0.3.4\n")
        return 0
    if "--help" in argv or "-h" in argv:
        sys.stdout.write(HELP)
        return 0
    verb = words[0] if words else "today"
    if verb == "status":
        _show_status("--json" in argv)
        return 0
    if verb == "doctor":
        sys.stdout.write(f"Reminders access: not determined\n{ADVICE}\n")
        return 1
    sys.stderr.write(f"Error: Reminders access not granted. {ADVICE}\n")
    return 1


def _show_status(as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"authorized": False, "status": "not-determined"}) + "\n")
    else:
        sys.stdout.write("Reminders access: not determined\n")
