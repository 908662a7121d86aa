"""The VM itself: cloned once, sized by difference, run by its supervisor."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep import state as keep_state
from clawkeep import tart
from clawkeep.model import Guest
from clawkeep.render.plist import VM_LABEL
from clawkeep.supervisor import log_file
from connectors.pins import Pin
from roles import launchd
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told


def _vms(answer: Answer) -> dict[str, tart.VM]:
    if answer.asked and answer.status != 0:
        # "Cannot tell" must not read as "there is none": that would be cloned over.
        raise PyinfraError(f"{host.name}: `{shlex.join(tart.list_local())}` failed; run it there")
    if not answer.text:
        return {}
    return {vm.name: vm for vm in tart.parse_list(answer.text)}


#: The host's local VMs by name; none where tart is not installed yet.
VMS = Probe("vms", f"[ ! -x {tart.TART} ] || {shlex.join(tart.list_local())}", _vms)


def _size_probe(name: str) -> Probe[tart.Size | None]:
    return Probe(
        f"size {name}",
        f"[ ! -x {tart.TART} ] || {shlex.join(tart.get(name))}",
        lambda answer: tart.parse_get(answer.text) if answer.asked and answer.text else None,
    )


def cloned(name: str, guest: Guest) -> None:
    """Have a VM of the guest's name; made from the declared image when there is none."""
    want(VMS)
    _cloned(name=name, guest=guest.name, image=guest.image)


@operation()
def _cloned(guest: str, image: str) -> Generator[StringCommand | FunctionCommand, None, None]:
    if guest in ask(VMS):
        host.noop(f"{guest} exists")
        return
    # Cloned under another name first: a run that is killed leaves no half guest under the real
    # one. `tart clone` replaces an existing VM without a word, so the name is checked again.
    yield FunctionCommand(forget_pin, [guest], {})
    new = f"{guest}.new"
    yield change(
        "set -e\n"
        f"if {shlex.join(tart.get(new))} >/dev/null 2>&1; then {tart.TART} delete {new}; fi\n"
        f"{shlex.join(tart.clone(image, new))}\n"
        f"if {shlex.join(tart.get(guest))} >/dev/null 2>&1; then\n"
        f"  echo '{guest} appeared meanwhile; it is left as it is' >&2; exit 1\n"
        "fi\n"
        f"{tart.TART} rename {new} {guest}"
    )


def forget_pin(guest: str) -> None:
    """Drop the host key of the guest that was: a new clone brings another."""
    Pin(keep_state.folder(host.name, guest), guest).forget()


def sized(name: str, guest: Guest, domain: launchd.Domain) -> None:
    """Have the declared CPU, memory and disk; a running guest is shut down for it."""
    want(_size_probe(guest.name))
    want(VMS)
    declared = tart.Size(guest.cpu, guest.memory_mb, guest.disk_gb)
    _sized(name=name, guest=guest.name, size=declared, domain=domain)


@operation()
def _sized(
    guest: str, size: tart.Size, domain: launchd.Domain
) -> Generator[StringCommand, None, None]:
    now = ask(_size_probe(guest))
    if now == size:
        host.noop(f"{guest} has {size.cpu} CPU, {size.memory_mb} MB, {size.disk_gb} GB")
        return
    if now is None:
        yield change(f"echo '{guest}: tart does not know it' >&2; exit 1")
        return
    try:
        command = tart.set_size(guest, size, now)
    except ValueError as error:
        yield change('echo "$1" >&2; exit 1', str(error))
        return
    told(guest, f"{now} -> {size}")
    if (vm := ask(VMS).get(guest)) and vm.running:
        yield stop(guest, domain)
    yield change(shlex.join(command))


def stop(guest: str, domain: launchd.Domain) -> StringCommand:
    """Return the command that shuts the guest down cleanly and waits until it is stopped.

    The job is unloaded first, or launchd would start the guest again in the middle of whatever
    the caller wants of it (reference/tart.md §4). Its supervisor does the clean shutdown.
    """
    return change(
        STOP, domain.target, VM_LABEL, f"{launchd.LOADED}/{VM_LABEL}", shlex.join(tart.get(guest)),
        guest, everywhere=True,
    )  # fmt: skip


STOP = r"""set -eu
sudo -n rm -f "$3"
launchctl bootout "$1/$2" >/dev/null 2>&1 || true
i=0
while launchctl print "$1/$2" >/dev/null 2>&1; do
  i=$((i+1)); [ $i -lt 2000 ] || { echo "$2 is still draining after 200 s" >&2; exit 1; }
  sleep 0.1
done
if eval "$4" | grep -q '"State" *: *"running"'; then
  echo "$5 still runs although its job is unloaded: something else started it; stop it first" >&2
  exit 1
fi
"""


def agent(name: str, guest: str, domain: launchd.Domain, plist: bytes) -> None:
    """Have the guest's LaunchAgent loaded, and the guest running."""
    launchd.job(name=name, domain=domain, plist=plist)
    want(VMS)
    _running(name=f"{name} and runs now", guest=guest, domain=domain)


@operation()
def _running(guest: str, domain: launchd.Domain) -> Generator[StringCommand, None, None]:
    vm = ask(VMS).get(guest)
    if vm and vm.running:
        host.noop(f"{guest} runs")
        return
    yield change(
        WAIT_RUNNING, shlex.join(tart.get(guest)), f"{domain.target}/{VM_LABEL}", log_file(guest)
    )


WAIT_RUNNING = r"""set -eu
launchctl kickstart "$2" >/dev/null 2>&1 || true
i=0
until eval "$1" | grep -q '"State" *: *"running"'; do
  i=$((i+1))
  if [ $i -ge 300 ]; then
    echo "the guest did not start within 60 s; ~/$3 says:" >&2
    tail -n 8 "$HOME/$3" >&2; exit 1
  fi
  sleep 0.2
done
"""
