"""The base snapshot: a stopped, consistent copy of the guest as it was first complete."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep import tart
from clawkeep.render.plist import VM_LABEL
from clawkeep.supervisor import log_file
from roles import launchd
from roles.base.vm import VMS, WAIT_RUNNING, stop
from roles.probe import ask, change, want


def taken(
    name: str, guest: str, copy: str, domain: launchd.Domain, digest: str, image: str
) -> None:
    """Have a snapshot called `copy`; one that exists is never touched.

    `tart clone` does not refuse a running VM, it copies a torn disk (reference/tart.md §1.3): the
    guest is shut down first and started again after.
    """
    want(VMS)
    want(launchd.state(domain, VM_LABEL))
    metadata = json.dumps({"role": "base", "guest": guest, "image": image, "model": digest})
    _taken(name=name, guest=guest, copy=copy, domain=domain, metadata=metadata)


@operation()
def _taken(
    guest: str, copy: str, domain: launchd.Domain, metadata: str
) -> Generator[StringCommand, None, None]:
    if copy in ask(VMS):
        host.noop(f"{copy} exists")
        return
    mark = ask(launchd.state(domain, VM_LABEL)).mark
    yield stop(guest, domain)
    new = f"{copy}.new"
    yield change(
        "set -e\n"
        f"if {shlex.join(tart.get(new))} >/dev/null 2>&1; then {tart.TART} delete {new}; fi\n"
        f"if {shlex.join(tart.get(copy))} >/dev/null 2>&1; then\n"
        f"  echo '{copy} appeared meanwhile; it is left as it is' >&2; exit 1\n"
        "fi\n"
        f"{shlex.join(tart.clone(guest, new))}\n"
        f"{tart.TART} rename {new} {copy}\n"
        'mkdir -p "$HOME/.clawkeep/snapshots"\n'
        'printf \'%s\\n\' "$1" | sed "s/}$/, \\"taken\\": \\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\"}/" '
        f'> "$HOME/.clawkeep/snapshots/{copy}.json"',
        metadata,
    )
    yield change(
        START, domain.target, f"{domain.folder}/{VM_LABEL}.plist",
        f"{launchd.LOADED}/{VM_LABEL}", mark,
        everywhere=True,
    )  # fmt: skip
    yield change(
        WAIT_RUNNING, shlex.join(tart.get(guest)), f"{domain.target}/{VM_LABEL}",
        log_file(guest),
    )  # fmt: skip


# The mark that `stop` removed is set again: the job runs with what it was last loaded with.
START = r"""set -eu
i=0
until m=$(launchctl bootstrap "$1" "$2" 2>&1); do
  i=$((i+1)); [ $i -lt 6 ] || { echo "launchctl bootstrap $1 $2: $m" >&2; exit 1; }
  sleep 1
done
printf '%s\n' "$4" | sudo -n sh -c 'cat > "$1"' clawkeep "$3"
"""
