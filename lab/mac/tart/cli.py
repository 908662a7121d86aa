"""`tart`: finds the subcommand, runs it, and turns its failure into tart's text and status.

Source: reference/tart.md §1.1-1.2 (Root.swift).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..calls import record
from ..virtualization.wire import RefusedError
from . import addresses, controlling, editing, home, moving, running, showing
from .arguments import Command, Values, parse
from .errors import OtherError, TartError, UsageError

HELP = Path(__file__).with_name("help")
USAGE_STATUS = 64

COMMANDS: dict[str, tuple[Command, Callable[[Values], int]]] = {
    command.name: (command, function)
    for command, function in (
        (Command("create", ("name",), ("from-ipsw", "disk-size", "disk-format"), ("linux",)),
         moving.create),
        (Command("clone", ("source-name", "new-name"), ("concurrency", "prune-limit"),
                 ("insecure", "deduplicate")), editing.clone),
        (Command("run", ("name",),
                 ("serial-path", "rosetta", "net-softnet-allow", "net-softnet-block",
                  "net-softnet-expose", "net-softnet-control-fd", "root-disk-opts",
                  "provisioning-opts"),
                 ("no-graphics", "serial", "graphics", "no-audio", "no-clipboard", "recovery",
                  "vnc", "vnc-experimental", "nested", "net-softnet", "net-host", "suspendable",
                  "capture-system-keys", "no-trackpad", "no-pointer", "no-keyboard"),
                 ("disk", "dir", "net-bridged")), running.run),
        (Command("set", ("name",), ("cpu", "memory", "display", "disk", "disk-size"),
                 ("display-refit", "no-display-refit", "random-mac", "random-serial")),
         editing.set_),
        (Command("get", ("name",), ("format",)), showing.get),
        (Command("list", (), ("source", "format"), ("q|quiet",)), showing.list_),
        (Command("login", ("host",), ("username",),
                 ("password-stdin", "insecure", "no-validate")), moving.login),
        (Command("logout", ("host",)), moving.logout),
        (Command("ip", ("name",), ("wait", "resolver")), addresses.ip),
        (Command("exec", ("name", "command…"), (), ("i|interactive", "t|tty"),
                 passthrough=True), controlling.exec_),
        (Command("pull", ("remote-name",), ("concurrency",), ("insecure", "deduplicate")),
         moving.pull),
        (Command("push", ("local-name", "remote-names…"), ("concurrency", "chunk-size"),
                 ("insecure", "populate-cache"), ("label",)), moving.push),
        (Command("import", ("path", "name")), moving.import_),
        (Command("export", ("name", "path?")), moving.export),
        (Command("prune", (), ("entries", "older-than", "cache-budget", "space-budget"), ("gc",)),
         moving.prune),
        (Command("rename", ("name", "new-name")), editing.rename),
        (Command("stop", ("name",), ("t|timeout",)), controlling.stop),
        (Command("delete", ("name…",)), editing.delete),
        (Command("suspend", ("name",)), controlling.suspend),
        (Command("fqn", ("name",)), showing.fqn),
    )
}  # fmt: skip
READS = ("get", "list", "ip", "fqn")
KEEPS_TMP = ("pull", "clone")
HOLDS_SOCKETS = ("run", "exec", "ip")


def runs_itself(argv: list[str]) -> bool:
    """Say whether this call must be the caller's own process: what stays, and gets signals."""
    return argv[1:2] in (["run"], ["exec"])


def main(argv: list[str]) -> int:
    """Run one tart command; return its exit status."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    words = argv[1:]
    name = words[0] if words else ""
    shows_help = not words or name == "help" or bool({"-h", "--help"} & set(words[:2]))
    record(["tart", *words], mutates=not shows_help and name in COMMANDS and name not in READS)
    if name == "--version":
        print(version(argv[0]))
        return 0
    if shows_help and (not words or name in ("help", "-h", "--help") or name in COMMANDS):
        print(_help(words[1] if name == "help" and len(words) > 1 else name))
        return 0
    if name not in COMMANDS:
        what = "Unknown option" if name.startswith("-") else "Unexpected argument"
        return _fail(f"Error: {what} '{name}'\n{_ROOT_USAGE}", USAGE_STATUS)
    return _run(name, words[1:])


def _run(name: str, words: list[str]) -> int:
    command, function = COMMANDS[name]
    if name not in HOLDS_SOCKETS:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        values = parse(command, words)
        if name not in KEEPS_TMP:
            home.collect_garbage()
        return function(values)
    except UsageError as error:
        return _fail(f"Error: {error}\n{command.usage()}", USAGE_STATUS)
    except TartError as error:
        return _fail(str(error), error.status)
    except (OtherError, RefusedError, OSError) as error:
        return _fail(f"Error: {error}", 1)
    except KeyboardInterrupt:
        return 0


_STANDARD_OPTIONS = """\
OPTIONS:
  --version               Show the version.
  -h, --help              Show help information."""
_ROOT_USAGE = "Usage: tart <subcommand>\n  See 'tart --help' for more information."


def version(program: str) -> str:
    """Return the version, which the folder that brew poured tells."""
    with suppress(OSError):
        found = re.search(r"/Cellar/tart/([^/]+)/", os.path.realpath(program))
        if found:
            return found[1]
    return "2.35.0"


def _help(name: str) -> str:
    file = HELP / f"{name}.txt"
    if file.exists():
        return file.read_text(encoding="utf-8").rstrip()
    if name in COMMANDS:
        usage = COMMANDS[name][0].usage().splitlines()[0].replace("Usage:", "USAGE:")
        return f"{usage}\n\n{_STANDARD_OPTIONS}"
    return (HELP / "tart.txt").read_text(encoding="utf-8").rstrip()


def _fail(text: str, status: int) -> int:
    sys.stdout.flush()
    print(text, file=sys.stderr)
    return status
