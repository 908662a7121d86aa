"""`clawkeep backup` on the host: makes backups, looks at them, brings them back.

Everything that needs `cryptography`, which is laid down beside the program for this one verb, is in
`backup_work`: how the backups are can be asked without it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from clawkeep.backup import state as states
from clawkeep.backup.errors import BackupError, HeldError
from clawkeep.backup.plan import Plan, parse
from clawkeep.onhost import paths, store
from clawkeep.onhost.backup_state import PLAN, STATE
from clawkeep.onhost.plain import plain

VENDOR = paths.ROOT / "vendor"


def main(arguments: Sequence[str]) -> int:
    """Run as `backup ACTION …`; see `clawkeep backup --help`."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep backup: must run as root; use sudo\n")
        return 77
    # Killed by launchd or over SSH, half-written objects are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        plan = _plan()
        if options.action == "status":
            return _status(plan, as_json=options.json)
        return _work()(options, plan)
    except HeldError as error:
        return _said(options.action, error, 2)
    except (BackupError, OSError, store.BusyError) as error:
        return _said(options.action, error, 2)


def _said(action: str, error: Exception, status: int) -> int:
    sys.stderr.write(f"clawkeep backup {action}: {plain(str(error), 600)}\n")
    return status


def _plan() -> Plan:
    text = store.read(PLAN)
    if text is None:
        raise BackupError(
            "no backup is declared on this host: set `backup` in group_data/all.py, and converge "
            "the phase operations"
        )
    return parse(text)


def _work() -> Callable[[argparse.Namespace, Plan], int]:
    sys.path.insert(0, str(VENDOR))
    try:
        from clawkeep.onhost import backup_work  # noqa: PLC0415 - see the module's docstring
    except ImportError as error:
        raise BackupError(f"{error}; converge the phase operations, which brings it") from error
    return backup_work.run


def _status(plan: Plan, *, as_json: bool) -> int:
    state = states.parse(store.read(STATE))
    now = time.time()
    verdict, lines = states.judged(state, plan, now)
    if as_json:
        data = {"verdict": verdict, "now": now, **json.loads(state.text())}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{plain(line, 400)}\n" for line in lines)
    return verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clawkeep backup")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a backup")
    create.add_argument(
        "--scheduled",
        action="store_true",
        help="for launchd: forget what is not to be kept, and test now and then",
    )
    actions.add_parser("list", help="list the backups")
    check = actions.add_parser("check", help="read the whole repository")
    check.add_argument("--set-aside", action="store_true", help="remove chunks that do not open")
    restore = actions.add_parser("restore", help="bring a backup back, into a scratch folder")
    restore.add_argument("name", nargs="?", default="latest")
    where = restore.add_mutually_exclusive_group()
    where.add_argument("--into", metavar="FOLDER", help="keep what comes back, in this new folder")
    where.add_argument("--to-guest", action="store_true", help="put the agent's state back")
    prune = actions.add_parser("prune", help="forget the backups that are not to be kept")
    prune.add_argument("--dry-run", action="store_true", help="only say which")
    image = actions.add_parser("image", help="export the stopped VM into one file")
    image.add_argument("file", metavar="FILE", help="a new file on the host")
    actions.add_parser("status", help="say how the backups are")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser
