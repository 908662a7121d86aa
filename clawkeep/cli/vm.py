"""`clawkeep vm`: tart's verbs as this keep uses them, with the traps taken out."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import shlex
from collections.abc import Callable
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from clawkeep import declared, tart
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.model import Keep
from clawkeep.render.plist import VM_LABEL
from clawkeep.render.tart_run import tart_run
from clawkeep.supervisor import SHUT_DOWN
from clawkeep.target import NoTargetError, target
from clawkeep.transport import HostSession, TransportError
from connectors.turn import BUSY, BusyError, Turn

#: From the keep, the VM's name and the home of the host's user, the script for the host.
Script = Callable[[Keep, str, str], str]


def _refuse_existing(name: str, then: list[str]) -> str:
    """`tart clone` replaces an existing VM without a word: ask first."""
    return (
        f"if {shlex.join(tart.get(name))} >/dev/null 2>&1; then "
        f"echo {shlex.quote(name + ' exists; nothing was done')}; exit 1; fi; {shlex.join(then)}"
    )


def _snapshot(keep: Keep, name: str, _: str) -> str:
    return _refuse_running(keep, "a clone of it would be torn") + _refuse_existing(
        name, tart.clone(keep.guest.name, name)
    )


def _refuse_running(keep: Keep, why: str) -> str:
    refusal = shlex.quote(f"{keep.guest.name} is running: {why}; stop it")
    return f"if {_running(keep)}; then echo {refusal}; exit 1; fi; "


def _running(keep: Keep) -> str:
    return f'{shlex.join(tart.get(keep.guest.name))} | grep -q \'"State" *: *"running"\''


def _ip(keep: Keep, *_: str) -> str:
    """Tart's lease file answers for a stopped guest too."""
    refusal = shlex.quote(f"{keep.guest.name} is not running: it has no address")
    return (
        f"if ! {_running(keep)}; then echo {refusal}; exit 1; fi; {tart.address(keep.guest.name)}"
    )


def _delete(keep: Keep, name: str, _: str) -> str:
    if name == keep.guest.name:
        refusal = f"{name} is the declared guest, and nothing brings its data back; to delete it: "
        by_hand = shlex.join([tart.TART, "delete", name])
        return f"echo {shlex.quote(refusal + by_hand)}; exit 1"
    return shlex.join([tart.TART, "delete", name])


def _set(keep: Keep, *_: str) -> str:
    guest = keep.guest
    command = [tart.TART, "set", guest.name, "--disk-size", str(guest.disk_gb)]
    command += ["--cpu", str(guest.cpu), "--memory", str(guest.memory_mb)]
    return _refuse_running(keep, "its files must not change under it") + shlex.join(command)


def _run_guest(keep: Keep, _: str, home: str) -> str:
    """Root's SUID copy of softnet must come first on the PATH, as it does for the supervisor."""
    command = tart_run(keep.guest, keep.egress, home=home, tart=tart.TART)
    return f'PATH="/opt/clawkeep/libexec:$PATH" {shlex.join(command)}'


def _stop(keep: Keep, *_: str) -> str:
    """Unload the job, whose supervisor shuts the guest down; without a job, ask the guest."""
    job = f"gui/$(id -u)/{VM_LABEL}"
    return (
        f"if launchctl print {job} >/dev/null 2>&1; then launchctl bootout {job}; "
        f"while launchctl print {job} >/dev/null 2>&1; do sleep 0.2; done; "
        f"else {shlex.join(tart.execute(keep.guest.name, SHUT_DOWN))}; fi"
    )


SCRIPTS: dict[str, tuple[str, Script]] = {
    "list": ("list the host's local VMs", lambda _k, *_: shlex.join(tart.list_local())),
    "get": ("show the guest's size and state", lambda k, *_: shlex.join(tart.get(k.guest.name))),
    "ip": ("print the guest's address and who knew it", _ip),
    "clone": (
        "clone the declared image, never over an existing VM",
        lambda k, *_: _refuse_existing(k.guest.name, tart.clone(k.guest.image, k.guest.name)),
    ),
    "set": ("set the declared size; the guest must be stopped", _set),
    "run": (
        "run the guest in the foreground, as its supervisor would",
        _run_guest,
    ),
    "stop": (
        "shut the guest down and leave it down until `apply`; `tart stop` would cut its power",
        _stop,
    ),
    "delete": (
        "delete a VM by name; never a running one, nor the declared guest",
        _delete,
    ),
    "snapshot": ("clone the stopped guest under a new name", _snapshot),
}
NEED_NAME = ("delete", "snapshot")
CHANGES = frozenset({"clone", "set", "stop", "delete", "snapshot"})


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (summary, _) in SCRIPTS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        action.add_argument(
            "--dry-run", action="store_true", help="print the exact command and run nothing"
        )
        if name in NEED_NAME:
            action.add_argument("name", help="the VM's name")


def _home() -> str:
    """Return the home folder of the host's user; an example while no host is there to ask."""
    try:
        host = target()
    except NoTargetError:
        return "/Users/me"
    return str(Path.home()) if host.local else f"/Users/{host.user or getpass.getuser()}"


def _run(options: argparse.Namespace) -> int:
    try:
        keep = declared.keep()
        script = SCRIPTS[options.action][1](keep, getattr(options, "name", ""), _home())
        if options.dry_run:
            say(script)
            return 0
        return _on_host(script, options.action)
    except BusyError as busy:
        explain(str(busy))
        return BUSY
    except (ConfigError, NoTargetError, TransportError, PyinfraError, OSError) as error:
        explain(str(error))
        return 2


def _on_host(script: str, action: str) -> int:
    """Run `script` on the host, pass on what it prints, and return its exit status."""
    session = HostSession(target())
    turn = Turn(session.connection, f"clawkeep vm {action}") if action in CHANGES else None
    try:
        with turn or contextlib.nullcontext():
            # In a shell of its own: some scripts leave with `exit`.
            output = session.run(f"({script}\n) 2>&1; s=$?; echo; echo $s", timeout_s=3600)
    finally:
        session.close()
    body, _, status = output.rstrip("\n").rpartition("\n")
    if body := body.rstrip("\n"):
        say(body)
    return int(status) if status.isdigit() else 2


VERB = Verb(
    summary="tart's verbs as this keep uses them, with --dry-run",
    run=_run,
    arguments=_arguments,
    epilog="exit status: tart's own; 2 when nothing was tried, 75 while others are at work on the\n"
    "guest\n\n"
    "example: clawkeep vm clone --dry-run",
)
