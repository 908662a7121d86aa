"""What the verb `backup` does on the host: as root, who reads the key and the host's own files."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from clawkeep import daily
from clawkeep.backup import keys, state
from clawkeep.backup.check import check, set_aside
from clawkeep.backup.create import create
from clawkeep.backup.errors import BackupError, DamageError, HeldError, MissingError
from clawkeep.backup.plan import Plan
from clawkeep.backup.prune import prune
from clawkeep.backup.remote import Remote
from clawkeep.backup.repository import Backup, Repository
from clawkeep.backup.restore import Compared, compare, restore
from clawkeep.backup.sftp import Sftp
from clawkeep.backup.state import Did
from clawkeep.backup.storage import Folder
from clawkeep.onhost import backup_image, backup_sides, clock, maintenance, paths, store
from clawkeep.onhost.backup_state import STATE
from clawkeep.onhost.head import Answer
from clawkeep.onhost.plain import plain

KEY = paths.ROOT / "etc/backup.key"
SSH_KEY = paths.ROOT / "etc/backup.ssh"
PINS = paths.ROOT / "etc/hostkeys"
SCRATCH = paths.STATE / "backup"
SSH = "/usr/bin/ssh"


Outcome = tuple[int, dict[str, Any], list[str]]


def run(options: argparse.Namespace, plan: Plan) -> Answer:
    """Do one action. Raises BackupError, OSError; BusyError while others work on the guest."""
    action: Callable[[argparse.Namespace, Plan], Outcome] = {
        "create": _create,
        "list": _list,
        "check": _check,
        "restore": _restore,
        "prune": _prune,
        "image": _image,
    }[options.action]
    return Answer(*action(options, plan))


@contextlib.contextmanager
def _storage(plan: Plan) -> Iterator[Folder | Remote]:
    target = plan.target
    if not target.service:
        yield Folder(Path(target.path))
        return
    # The pins' lines are known_hosts' own, under the service's name.
    options = (
        "BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={PINS}",
        "GlobalKnownHostsFile=/dev/null", f"HostKeyAlias={target.service}", "IdentitiesOnly=yes",
        "IdentityAgent=none", "ConnectTimeout=15", "ServerAliveInterval=15",
    )  # fmt: skip
    command = [SSH, "-F", "none", "-i", str(SSH_KEY), "-p", str(target.port), "-l", target.user]
    for option in options:
        command += ["-o", option]
    connection = Sftp([*command, "-s", target.host, "sftp"], target.service)
    try:
        yield Remote(connection, target.path)
    finally:
        connection.close()


@contextlib.contextmanager
def _repository(plan: Plan, *, make: bool = False) -> Iterator[Repository]:
    key = _key()
    with _storage(plan) as storage:
        try:
            repository = Repository.open(storage, key)
        except MissingError as error:
            known = state.parse(store.read(STATE)).generation
            if not make or known:
                why = " any more: is the disk mounted?" if known else " yet"
                raise BackupError(f"{error}: there is no repository{why}") from error
            storage.make()
            repository = Repository.create(storage, key)
        yield repository


def _key() -> str:
    text = store.read(KEY)
    if text is None:
        raise BackupError(f"{KEY} is missing: converge the phase operations, which lays it down")
    return keys.checked(text)


def _create(options: argparse.Namespace, plan: Plan) -> Outcome:
    started = time.monotonic()
    try:
        with _repository(plan, make=True) as repository:
            sources = [source.name for source in plan.sources]
            # Only as long as the guest is read: what follows is between host and repository.
            with maintenance.working("clawkeep backup create", wait_s=options.wait):
                made = create(repository, lambda: backup_sides.feed(plan), sources)
            generation = repository.catalogue().generation
            slot = daily.slot(plan.at, clock.wall()) if options.scheduled else ""
            _note("created", _made(made.backup, made.problems, started), generation, slot)
            status = state.BAD if made.problems else state.WELL
            lines = [_row(made.backup), *(f"  {problem}" for problem in made.problems)]
            data: dict[str, Any] = {
                "backup": asdict(made.backup),
                "problems": list(made.problems),
                "skipped": made.skipped,
            }
            if options.scheduled:
                later, more = _afterwards(repository, plan, made.backup, data)
                status, lines = max(status, later), [*lines, *more]
            return status, data, lines
    except (HeldError, store.BusyError):
        raise  # Somebody else is at work: that is not a failure of the backups.
    except (BackupError, OSError) as error:
        _note("created", Did(time.time(), ok=False, text=plain(str(error), 300)))
        raise


def _afterwards(
    repository: Repository, plan: Plan, backup: Backup, data: dict[str, Any]
) -> tuple[int, list[str]]:
    """Forget what is not to be kept, and test now and then; only the scheduled one does.

    One by hand forgets nothing: it may be made because something has just gone wrong.
    """
    status, lines = state.WELL, list[str]()
    try:
        pruned = prune(repository, plan.keep)
        _note("", None, repository.catalogue().generation)
        data["forgotten"] = list(pruned.forgotten)
        lines += [f"  forgotten: {name}" for name in pruned.forgotten]
    except DamageError as error:
        _note("checked", Did(time.time(), ok=False, text=plain(str(error), 300)))
        status = state.BAD
        lines.append(f"  nothing was forgotten: {error}")
    if _test_due(plan):
        tested, data["test"], more = _tested(repository, backup)
        status, lines = max(status, tested), [*lines, *more]
    return status, lines


def _made(backup: Backup, problems: tuple[str, ...], started: float) -> Did:
    text = f"{backup.files} files, {backup.bytes} bytes, {backup.added} new"
    if problems:
        text = f"{len(problems)} problems: {problems[0]}"
    seconds = round(time.monotonic() - started, 1)
    return Did(time.time(), not problems, plain(text, 300), backup.name, seconds)


def _test_due(plan: Plan) -> bool:
    tested = state.parse(store.read(STATE)).tested
    return tested is None or not 0 < time.time() - tested.t < plan.test_days * state.DAY_S - 3600


def _list(_: argparse.Namespace, plan: Plan) -> Outcome:
    with _repository(plan) as repository:
        found = repository.catalogue()
        data = {"generation": found.generation, "backups": [asdict(b) for b in found.backups]}
        return 0, data, [_row(backup) for backup in found.backups]


def _row(backup: Backup) -> str:
    problems = f"  {backup.problems} PROBLEMS" if backup.problems else ""
    return (
        f"{backup.name}  {backup.files} files  {backup.bytes / 1e6:.1f} MB  "
        f"{backup.added / 1e6:.1f} MB new{problems}"
    )


def _check(options: argparse.Namespace, plan: Plan) -> Outcome:
    with _repository(plan) as repository:
        found = check(repository, seen=state.parse(store.read(STATE)).generation)
        aside = set_aside(repository, found) if options.set_aside else 0
    ok = not found.problems
    text = f"{found.backups} backups, {found.chunks} chunks, {found.bytes / 1e6:.1f} MB"
    _note("checked", Did(time.time(), ok, plain(text if ok else found.problems[0], 300)))
    lines = [*found.problems, f"{'sound' if ok else 'DAMAGED'}: {text}"]
    if found.leftovers:
        lines.append(f"{found.leftovers} leftovers of no backup; the next prune removes them")
    if aside:
        lines.append(f"{aside} chunks were removed; the next backup writes what is still there")
    return (0 if ok else 1), {**asdict(found), "removed": aside}, lines


def _restore(options: argparse.Namespace, plan: Plan) -> Outcome:
    with _repository(plan) as repository:
        backup = repository.catalogue().get(options.name)
        if options.to_guest:
            with maintenance.working("clawkeep backup restore", wait_s=options.wait):
                answer = backup_sides.to_guest(repository, backup, plan)
            store.event("restored", f"the agent's state is that of {backup.name}", **answer)
            line = (
                f"{answer['files']} files of {backup.name} are in the guest; the state before is "
                f"{answer['kept'] or 'none'}; `clawkeep apply` starts the agent"
            )
            return 0, {"backup": backup.name, **answer}, [line]
        if options.into:
            found = _compared(repository, backup, Path(options.into))
            return _outcome(found, backup, f"is in {options.into}")
        return _tested(repository, backup)


def _tested(repository: Repository, backup: Backup) -> Outcome:
    """Restore into a scratch folder, compare, and remove what came."""
    started = time.monotonic()
    _scratch()
    with tempfile.TemporaryDirectory(dir=SCRATCH, prefix="test-") as folder:
        try:
            found = _compared(repository, backup, Path(folder) / "back")
        except BackupError as error:
            found = Compared(differences=[str(error)])
    text = f"{found.files} files, {found.databases} databases, {found.rows} rows are as they were"
    if found.differences:
        text = f"{len(found.differences)} differences: {found.differences[0]}"
    seconds = round(time.monotonic() - started, 1)
    ok = not found.differences
    _note("tested", Did(time.time(), ok, plain(text, 300), backup.name, seconds))
    return _outcome(found, backup, "came back")


def _compared(repository: Repository, backup: Backup, into: Path) -> Compared:
    restore(repository, backup, into)
    return compare(repository, backup, into, backup_sides.looked_by_nobody)


def _outcome(found: Compared, backup: Backup, what: str) -> Outcome:
    head = f"{backup.name} {what}: {found.files} files, {found.bytes} bytes"
    rows = f"{found.databases} databases with {found.rows} rows"
    verdict = f"{len(found.differences)} DIFFERENCES" if found.differences else "all as it was"
    data = {"backup": backup.name, **asdict(found)}
    lines = [*(f"  {line}" for line in found.differences[:50]), f"{head}, {rows}; {verdict}"]
    return (1 if found.differences else 0), data, lines


def _prune(options: argparse.Namespace, plan: Plan) -> Outcome:
    with _repository(plan) as repository:
        found = prune(repository, plan.keep, dry=options.dry_run)
        if not options.dry_run:
            _note("", None, repository.catalogue().generation)
    word = "would be forgotten" if options.dry_run else "forgotten"
    lines = [
        *(f"{name}  kept: {why}" for name, why in sorted(found.kept.items())),
        *(f"{name}  {word}" for name in found.forgotten),
        f"{found.chunks} chunks removed, {found.bytes / 1e6:.1f} MB",
    ]
    return 0, asdict(found), lines


def _image(options: argparse.Namespace, _: Plan) -> Outcome:
    file, reason = Path(options.file), "clawkeep backup image"
    if options.check:
        wrong = backup_image.check(file)
        data = {"file": options.file, "whole": not wrong}
        return (1 if wrong else 0), data, [wrong or f"{file} is what was exported"]
    with maintenance.working(reason, wait_s=options.wait) as lock, maintenance.doing(reason):
        size = backup_image.export(file, lock)
    line = f"{file}: {size / 1e9:.1f} GB, not encrypted: whoever reads it has all of it"
    return 0, {"file": options.file, "bytes": size}, [line]


def _note(what: str, did: Did | None, generation: int = 0, slot: str = "") -> None:
    """Leave what was done for whoever asks later; `slot` is the day that it was done for."""
    before = state.parse(store.read(STATE))
    after = before.noted(what, did) if did else before
    if generation > after.generation:
        after = after.at(generation)
    if slot:
        after = replace(after, slot=slot)
    store.write(STATE, after.text())
    if did and not did.ok and (last := getattr(before, what)) and last.ok:
        store.event("backup", f"{what}: {did.text}")


def _scratch() -> None:
    """Have an empty folder for scratch; what a killed test left in it goes first."""
    SCRATCH.mkdir(mode=0o711, exist_ok=True)
    for left in SCRATCH.glob("test-*"):
        shutil.rmtree(left, ignore_errors=True)
