"""killall: signals processes by name, which is the last part of argv[0] as on a Mac.

Stand-ins are interpreted programs: the script's name counts (`killall opendirectoryd`). Who
is not root reaches only own processes; nothing found is "No matching processes belonging to you
were found", exit 1. Source: shell_cmds-326 killall.c; reference/macos.md §5.
"""

import os
import pwd
import re
import signal
from dataclasses import dataclass

from ..calls import record
from ..forkserver.entry import CLIENT
from .console import complain

USAGE = """usage: killall [-delmsqvz] [-help] [-I]
               [-u user] [-t tty] [-c cmd] [-SIGNAL] [cmd]...
At least one option or argument to specify processes must be given."""
INTERPRETER = re.compile(r"python[\d.]*\Z|(da|ba|z)?sh\Z|perl\Z")
NAME_LENGTH = 15


@dataclass(frozen=True)
class Process:
    """One process: its number, its owner, and the names it answers to."""

    pid: int
    uid: int
    names: tuple[str, ...]


def names_of(arguments: list[str], short: str) -> tuple[str, ...]:
    """Return the names of a process: argv[0]'s, an interpreted script's, and the kernel's."""
    names = []
    if arguments and arguments[0]:
        names.append(os.path.basename(arguments[0]))
        if arguments[0] == CLIENT and len(arguments) > 2:  # a module stands before the script
            names.append(os.path.basename(arguments[2]))
        elif INTERPRETER.match(names[0]):
            script = next((word for word in arguments[1:] if not word.startswith("-")), "")
            names.append(os.path.basename(script))
    names.append(short)
    return tuple(name for name in names if name)


def processes() -> list[Process]:
    """Return the machine's processes but this one."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                arguments = file.read().split("\0")
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                short = file.read().strip()
            uid = os.stat(f"/proc/{entry}").st_uid
        except OSError:
            continue
        if arguments != [""]:
            found.append(Process(int(entry), uid, names_of(arguments, short)))
    return found


def signal_of(word: str) -> signal.Signals | None:
    """Return the signal of `-9`, `-HUP` or `-SIGHUP`."""
    text = word[1:].upper()
    try:
        return (
            signal.Signals(int(text))
            if text.isdigit()
            else signal.Signals[text if text.startswith("SIG") else f"SIG{text}"]
        )
    except (KeyError, ValueError):
        return None


def main(argv: list[str]) -> int:
    """Run `killall [-SIGNAL] [-u USER] [-qvsm] NAME…`."""
    number, user, letters, names = signal.SIGTERM, None, "", []
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        chosen = signal_of(word) if word.startswith("-") and len(word) > 1 else None
        if chosen is not None:
            number = chosen
        elif word in {"-u", "-c", "-t"} and words:
            value = words.pop(0)
            user = value if word == "-u" else user
            names += [value] if word == "-c" else []
        elif word.startswith("-"):
            letters += word[1:]
        else:
            names.append(word)
    record(argv, mutates="s" not in letters and "l" not in letters)
    if not names and user is None:
        complain(USAGE)
        return 1
    return deliver(names, number, letters, owner_of(user))


def owner_of(user: str | None) -> int | None:
    """Return the uid whose processes are meant: the named user's, else one's own unless root."""
    if user is not None:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    return os.getuid() or None


def matches(process: Process, wanted: str, *, pattern: bool) -> bool:
    """Say whether a process answers to a name; 15 characters decide, as a kernel name has."""
    if pattern:
        return any(re.search(wanted, name) for name in process.names)
    return any(name == wanted or name == wanted[:NAME_LENGTH] for name in process.names)


def deliver(names: list[str], number: signal.Signals, letters: str, owner: int | None) -> int:
    """Send the signal; return 0 when somebody got it."""
    found, status = 0, 0
    for process in processes():
        if owner is not None and process.uid != owner:
            continue
        if names and not any(matches(process, name, pattern="m" in letters) for name in names):
            continue
        found += 1
        if set("sv") & set(letters):
            print(f"kill -{number.name.removeprefix('SIG')} {process.pid}")
        if "s" in letters:
            continue
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            found -= 1
        except PermissionError:
            name = number.name.lower().removeprefix("sig")
            complain(f"killall: warning: kill -{name} {process.pid}: Operation not permitted")
            status = 1
    if not found and "q" not in letters:
        complain("No matching processes belonging to you were found")
    return status if found else 1
