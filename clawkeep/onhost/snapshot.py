"""`clawkeep snapshot` on the host: makes snapshots of the guest, tries them, brings them back."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.onhost import clock, snapshot_state, store, world
from clawkeep.onhost.plain import plain
from clawkeep.onhost.snapshot_mac import HostMac
from clawkeep.onhost.snapshot_shelf import FOLDER, Shelf
from clawkeep.policy import PolicyError
from clawkeep.snapshots import judge, records, rotation
from clawkeep.snapshots.errors import PostponedError, SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.verify import HOW
from clawkeep.snapshots.work import Work

LOCK = FOLDER / "lock"
LOOKS = frozenset({"list"})

Answer = tuple[int, dict[str, Any], list[str]]


def main(arguments: Sequence[str]) -> int:
    """Run as `snapshot ACTION …`; see `clawkeep snapshot --help`."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep snapshot: must run as root; use sudo\n")
        return 77
    # Told to end, the guest is started again on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.action == "tick":
        store.limit_errors()
    try:
        plan = snapshot_state.plan()
        if options.action == "status":
            return _status(plan, as_json=options.json)
        with _work(plan, options.action) as work:
            if work is None:
                return 0
            status, data, lines = ACTIONS[options.action](work, options)
    except (SnapshotError, PolicyError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"clawkeep snapshot {options.action}: {plain(str(error), 900)}\n")
        return 2 if isinstance(error, PostponedError | PolicyError | store.BusyError) else 1
    if options.json:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{plain(line, 600)}\n" for line in lines)
    return status


@contextlib.contextmanager
def _work(plan: Plan, action: str) -> Iterator[Work | None]:
    """Hold the lock, and with it all of the work. Whoever only looks needs none.

    Yields None to launchd's tick when somebody else is at work.
    """
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    policy = world.policy()
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if action not in LOOKS and not _taken(handle, action):
            yield None
            return
        yield Work(Keeper(HostMac(policy, handle), Shelf(), plan, policy.guest, policy.digest))
    finally:
        os.close(handle)


def _taken(handle: int, action: str) -> bool:
    """Take the lock; return False when launchd's tick cannot have it. Raises BusyError."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if action == "tick":
            return False
        holder = plain(os.pread(handle, 200, 0).decode("utf-8", "replace").strip())
        raise store.BusyError(
            f"clawkeep {holder or 'snapshot'} is at work; wait for it (`clawkeep snapshot status`)"
        ) from None
    # Who holds it is only said to people: a full disk must keep nobody from it.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"snapshot {action} (pid {os.getpid()})\n".encode(), 0)
    return True


def _create(work: Work, options: argparse.Namespace) -> Answer:
    record = work.create(records.BY_HAND, options.reason)
    return 0, asdict(record), [_row(record)]


def _list(work: Work, _: argparse.Namespace) -> Answer:
    """List what is there; what half is there, or not ours, is none of it."""
    keeper = work.keeper
    vms = keeper.mac.vms()
    mine = [r for r in keeper.shelf.records() if r.name in vms and r.guest == keeper.guest]
    kept = rotation.kept(mine, keeper.plan.keep, clock.wall())
    with contextlib.suppress(SnapshotError):
        mine.append(keeper.record(f"{keeper.guest}-base"))
    mine.sort(key=lambda record: record.number)
    rows = [{**asdict(r), "kept": kept.get(r.name, "")} for r in mine]
    return 0, {"guest": keeper.guest, "snapshots": rows}, [_row(record) for record in mine]


def _row(record: records.Record) -> str:
    when = judge.date(record.t) if record.t else "-"
    how = "not verified"
    if record.verified:
        how = f"verified {judge.date(record.verified)}"
    elif record.failed:
        how = f"NO GOOD: {record.failed}"
    drained = f"; not drained: {record.facts.drained}" if record.facts.drained else ""
    return f"{record.name}  {when}  {record.kind}: {record.reason}  {how}{drained}"


def _verify(work: Work, options: argparse.Namespace) -> Answer:
    name = work.keeper.record(options.name).name
    tried = work.verify(name)
    status = {True: 0, False: 1, None: 2}[tried.ok]
    return status, {"name": name, **asdict(tried)}, [f"{name} {HOW[tried.ok]}: {tried.text}"]


def _restore(work: Work, options: argparse.Namespace) -> Answer:
    name = work.keeper.record(options.name).name
    kept = work.restore(name)
    days = f"it is kept for {rotation.REPLACED_DAYS} days"
    lines = [
        f"the guest is that of {name} and well; "
        + (f"the former one is {kept}, {days}" if kept else "there was none before"),
        "it may be older than what is declared: `clawkeep apply` brings it up to date",
    ]
    return 0, {"restored": name, "replaced": kept}, lines


def _prune(work: Work, options: argparse.Namespace) -> Answer:
    gone = work.prune(dry=options.dry_run)
    word = "would be deleted" if options.dry_run else "deleted"
    lines = [f"{name}  {word}" for name in gone] or ["nothing is to go"]
    return 0, {"deleted": list(gone), "dry_run": options.dry_run}, lines


def _tick(work: Work, _: argparse.Namespace) -> Answer:
    did = work.tick()
    return 0, {"did": did}, []


ACTIONS: dict[str, Callable[[Work, argparse.Namespace], Answer]] = {
    "create": _create,
    "list": _list,
    "verify": _verify,
    "restore": _restore,
    "prune": _prune,
    "tick": _tick,
}


def _status(plan: Plan, *, as_json: bool) -> int:
    """Say how the snapshots are, from what is written down alone."""
    shelf = Shelf()
    state, task, now = shelf.state(), shelf.task(), clock.wall()
    verdict, lines = judge.judged(state, plan, now)
    if task:
        lines.append(f"UNDER WAY  {task.kind} of {task.name}, since {judge.date(task.t)}")
    if as_json:
        under_way = asdict(task) if task else None
        data = {"verdict": verdict, "now": now, "task": under_way, **json.loads(state.text())}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{plain(line, 400)}\n" for line in lines)
    return verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clawkeep snapshot")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a snapshot; the guest is down meanwhile")
    create.add_argument("--reason", default="by hand", help="why, for the list")
    actions.add_parser("list", help="list the snapshots")
    verify = actions.add_parser("verify", help="boot a copy that reaches nothing, and look at it")
    verify.add_argument("name", nargs="?", default="latest")
    restore = actions.add_parser("restore", help="put a snapshot in the guest's place")
    restore.add_argument("name")
    prune = actions.add_parser("prune", help="delete the snapshots that are not to be kept")
    prune.add_argument("--dry-run", action="store_true", help="only say which")
    actions.add_parser("status", help="say how the snapshots are")
    actions.add_parser("tick", help="for launchd: do what is due, and end what was interrupted")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser
