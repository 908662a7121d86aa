"""`clawkeep snapshot` on the host: makes snapshots of the guest, tries them, brings them back."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from clawkeep.onhost import clock, head, maintenance, snapshot_state, update, world
from clawkeep.onhost.head import Answer
from clawkeep.onhost.snapshot_mac import HostMac
from clawkeep.onhost.snapshot_shelf import FOLDER, Shelf
from clawkeep.policy import Policy, PolicyError
from clawkeep.snapshots import judge, records, rotation
from clawkeep.snapshots.errors import PostponedError, SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.verify import HOW
from clawkeep.snapshots.work import Work


def main(arguments: Sequence[str]) -> int:
    """Run as `snapshot ACTION …`; see `clawkeep snapshot --help`."""
    return head.run(
        _parser(), arguments, _do, lambda e: 2 if isinstance(e, PostponedError | PolicyError) else 1
    )


def _do(options: argparse.Namespace) -> Answer:
    plan = snapshot_state.plan()
    if options.action == "status":
        return _status(plan)
    if options.action == "list":
        return _list(_work(plan, world.policy(), None))
    with at_work(plan, options.action, wait_s=options.wait, within=options.within) as work:
        return ACTIONS[options.action](work, options)


@contextlib.contextmanager
def at_work(plan: Plan, action: str, *, wait_s: float = 0.0, within: str = "") -> Iterator[Work]:
    """Have the guest to oneself, and with it all of the work. Raises BusyError, PolicyError."""
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    policy = world.policy()
    reason = f"clawkeep snapshot {action}"
    with maintenance.working(reason, wait_s=wait_s, within=within) as handle:
        yield _work(plan, policy, handle)


def _work(plan: Plan, policy: Policy, handle: int | None) -> Work:
    mac = HostMac(policy, handle)
    return Work(Keeper(mac, Shelf(), plan, policy.guest, policy.digest))


def _create(work: Work, options: argparse.Namespace) -> Answer:
    record = work.create(records.BY_HAND, options.reason)
    return Answer(0, asdict(record), [_row(record)])


def _list(work: Work) -> Answer:
    """List what is there; what half is there, or not ours, is none of it."""
    keeper = work.keeper
    vms = keeper.mac.vms()
    mine = [r for r in keeper.shelf.records() if r.name in vms and r.guest == keeper.guest]
    kept = rotation.kept(mine, keeper.plan.keep, clock.wall())
    with contextlib.suppress(SnapshotError):
        mine.append(keeper.record(f"{keeper.guest}-base"))
    mine.sort(key=lambda record: record.number)
    rows = [{**asdict(r), "kept": kept.get(r.name, "")} for r in mine]
    data = {"guest": keeper.guest, "snapshots": rows}
    return Answer(0, data, [_row(record) for record in mine])


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
    line = f"{name} {HOW[tried.ok]}: {tried.text}"
    return Answer(status, {"name": name, **asdict(tried)}, [line])


def _restore(work: Work, options: argparse.Namespace) -> Answer:
    name = work.keeper.record(options.name).name
    kept = work.restore(name)
    days = f"it is kept for {rotation.REPLACED_DAYS} days"
    lines = [
        f"the guest is that of {name} and well; "
        + (f"the former one is {kept}, {days}" if kept else "there was none before"),
        "it may be older than what is declared: `clawkeep apply` brings it up to date",
    ]
    return Answer(0, {"restored": name, "replaced": kept}, lines)


def _prune(work: Work, options: argparse.Namespace) -> Answer:
    gone = work.prune(dry=options.dry_run)
    word = "would be deleted" if options.dry_run else "deleted"
    lines = [f"{name}  {word}" for name in gone] or ["nothing is to go"]
    return Answer(0, {"deleted": list(gone), "dry_run": options.dry_run}, lines)


def _tick(work: Work, _: argparse.Namespace) -> Answer:
    # What an update needs is a snapshot from before it, not one from its middle.
    did = work.tick(due=not update.under_way())
    return Answer(0, {"did": did})


ACTIONS: dict[str, Callable[[Work, argparse.Namespace], Answer]] = {
    "create": _create,
    "verify": _verify,
    "restore": _restore,
    "prune": _prune,
    "tick": _tick,
}


def _status(plan: Plan) -> Answer:
    """Say how the snapshots are, from what is written down alone."""
    shelf = Shelf()
    state, task, now = shelf.state(), shelf.task(), clock.wall()
    verdict, lines = judge.judged(state, plan, now)
    if task:
        lines.append(f"UNDER WAY  {task.kind} of {task.name}, since {judge.date(task.t)}")
    under_way = asdict(task) if task else None
    data = {"verdict": verdict, "now": now, "task": under_way, **json.loads(state.text())}
    return Answer(verdict, data, lines)


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
    head.options_for_all(actions)
    return parser
