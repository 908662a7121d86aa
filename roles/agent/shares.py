"""The shared folders as the agent's side finds them: what must not be written cannot be.

`tart run` enforces `:ro` on the host. That it does is looked at from where it counts.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Guest
from roles.agent.checkout import refuse
from roles.probe import Answer, Probe, ask, want
from roles.told import told

# `test -w` is false on a read-only file system whatever the modes say, and for root besides: root
# asks, since what root cannot write nobody can.
LOOK = """for p in {paths}; do
  if [ ! -d "$p" ]; then echo absent; elif [ -w "$p" ]; then echo writable; else echo fixed; fi
done"""


def _probe(guest: Guest) -> Probe[list[str]]:
    paths = shlex.join(str(mount.guest_path) for mount in guest.mounts)
    return Probe("shared folders", LOOK.format(paths=paths), _lines, sudo=True)


def _lines(answer: Answer) -> list[str]:
    return answer.text.split()


def fixed(name: str, guest: Guest) -> None:
    """Have no shared folder that the guest may write although it is declared read-only."""
    want(_probe(guest))
    _fixed(name=name, guest=guest)


@operation()
def _fixed(guest: Guest) -> Generator[StringCommand, None, None]:
    found = ask(_probe(guest))
    states = dict(zip((mount.name for mount in guest.mounts), found, strict=False))
    wrong = [m.name for m in guest.mounts if m.read_only and states.get(m.name) == "writable"]
    if wrong:
        yield refuse(
            f"{host.name}: {', '.join(wrong)}: declared read-only, and the guest can write there; "
            "look at the running `tart run` (clawkeep vm), and have it started anew"
        )
        return
    for mount in guest.mounts:
        wanted = "fixed" if mount.read_only else "writable"
        if (state := states.get(mount.name, wanted)) != wanted:
            # Not ours to mend, and NanoClaw needs no share: said, and that is all.
            told(mount.name, f"is {state} in the guest, expected {wanted}")
    host.noop(f"{len(guest.mounts)} shared folders are as declared")
