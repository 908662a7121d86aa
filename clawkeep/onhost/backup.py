"""`clawkeep backup` on the host: makes backups, looks at them, brings them back.

Everything that needs `cryptography`, which is laid down beside the program for this one verb, is in
`backup_work`: how the backups are can be asked without it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from clawkeep.backup import state as states
from clawkeep.backup.errors import BackupError
from clawkeep.backup.plan import Plan, parse
from clawkeep.onhost import clock, head, paths, store
from clawkeep.onhost.backup_state import PLAN, STATE
from clawkeep.onhost.head import Answer

VENDOR = paths.ROOT / "vendor"


def main(arguments: Sequence[str]) -> int:
    """Run as `backup ACTION …`; see `clawkeep backup --help`."""
    return head.run(_parser(), arguments, _do, lambda _: 2)


def _do(options: argparse.Namespace) -> Answer:
    plan = _plan()
    if options.action == "status":
        return _status(plan)
    if options.action == "tick":
        state, now = states.parse(store.read(STATE)), clock.wall()
        if not state.since:
            store.write(STATE, replace(state, since=now).text())
        if not states.due(state, plan.at, now):
            return Answer(0, {"did": False})
        options.action, options.scheduled = "create", True
    return _work()(options, plan)


def _plan() -> Plan:
    text = store.read(PLAN)
    if text is None:
        raise BackupError(
            "no backup is declared on this host: set `backup` in group_data/all.py, and converge "
            "the phase operations"
        )
    return parse(text)


def _work() -> Callable[[argparse.Namespace, Plan], Answer]:
    sys.path.insert(0, str(VENDOR))
    try:
        from clawkeep.onhost import backup_work  # noqa: PLC0415 - see the module's docstring
    except ImportError as error:
        raise BackupError(f"{error}; converge the phase operations, which brings it") from error
    return backup_work.run


def _status(plan: Plan) -> Answer:
    state = states.parse(store.read(STATE))
    now = time.time()
    verdict, lines = states.judged(state, plan, now)
    return Answer(verdict, {"verdict": verdict, "now": now, **json.loads(state.text())}, lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clawkeep backup")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a backup")
    create.add_argument(
        "--scheduled",
        action="store_true",
        help="as each day: forget what is not to be kept, and test now and then",
    )
    actions.add_parser("tick", help="for launchd: make the day's backup when it is due")
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
    image.add_argument("--check", action="store_true", help="look whether one is still whole")
    actions.add_parser("status", help="say how the backups are")
    head.options_for_all(actions)
    return parser
