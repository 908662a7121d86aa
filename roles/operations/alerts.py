"""Alerts: the file of the hooks, which root alone reads, and the job that watches and sends."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.alerts import Hook, HookError
from clawkeep.model import AlertHook, Keep
from clawkeep.model.alerts import seconds
from clawkeep.onhost import paths
from clawkeep.render.plist import CLAWKEEP, property_list
from clawkeep.secrets import Secret
from roles import launchd
from roles.agent import secrets
from roles.base import runtime
from roles.identity import identity
from roles.probe import Probe, ask, change, want
from roles.told import told

LABEL = "com.nanoclaw.alerts"
ERRORS = paths.STATE / "alerts.err.log"

# Root's: it reads the addresses and what root alone knows of the keep. What it posts, it posts as
# the bridges' user (clawkeep/onhost/alert_send.py).
DAEMON = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "alert", "run"],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(ERRORS),
    }
)


def somebody_told(keep: Keep) -> None:
    """Have the declared hooks in place, and the job that serves them.

    Called in deploy code: an address that cannot be had ends the run before anything is changed.
    """
    text = settings(keep, identity().uid)
    secrets.placed(
        name="Host | where alerts go",
        user="root",
        files=[secrets.SecretFile(str(paths.HOOKS), text)],
        python=runtime.PYTHON,
    )
    launchd.job(
        name="Host | somebody is told of what is wrong",
        domain=launchd.SYSTEM,
        plist=DAEMON,
        needs=runtime.contents(runtime.program()),
    )


def settings(keep: Keep, owner_uid: int) -> Secret:
    """Return hooks.json with the addresses in it. Raises PyinfraError, which never shows one."""
    wanted = {
        f"{index} {name}": reference
        for index, hook in enumerate(keep.alerts)
        for name, reference in hook.references.items()
    }
    given = secrets.resolved(wanted)
    hooks = []
    for index, hook in enumerate(keep.alerts):
        values = _values(hook)
        for name in hook.references:
            values[name] = given[f"{index} {name}"].reveal().strip()
        try:
            Hook(**values)
        except HookError as error:
            raise PyinfraError(f"alerts[{index}] ({hook.called}): {error}") from None
        hooks.append(values)
    data = {"user": keep.host.bridge_user, "owner_uid": owner_uid, "hooks": hooks}
    return Secret(json.dumps(data) + "\n")


def _values(hook: AlertHook) -> dict[str, Any]:
    return {
        "name": hook.called,
        "kind": hook.hook,
        "least": hook.min,
        "repeat_s": seconds(hook.repeat),
        "recovery": hook.recovery,
        "per_hour": hook.per_hour,
        "every_s": seconds(hook.every),
        "plain_http": hook.plain_http,
    }


def _left() -> Probe[list[str]]:
    plist = f"{launchd.SYSTEM.folder}/{LABEL}.plist"
    return Probe(
        "what is left of alerts",
        f"ls {plist} {paths.HOOKS} {launchd.LOADED}/{LABEL}; launchctl list | grep -o '{LABEL}$'",
        lambda answer: sorted(set(answer.text.split())),
        sudo=True,
    )


def nobody_told(name: str) -> None:
    """Have no job and no address of alerts; the queue stays, for whoever declares a hook again."""
    want(_left())
    _nobody_told(name=name)


#: The addresses go first.
END = f'rm -f "$5"\n{launchd.UNLOAD}'


@operation()
def _nobody_told() -> Generator[StringCommand, None, None]:
    left = ask(_left())
    if not left:
        host.noop("no hook is declared, and none is there")
        return
    for each in left:
        told(each, "no longer declared", "-")
    plist = f"{launchd.SYSTEM.folder}/{LABEL}.plist"
    yield change(
        END, launchd.SYSTEM.target, LABEL, plist,
        f"{launchd.LOADED}/{LABEL}", str(paths.HOOKS), sudo=True, everywhere=True,
    )  # fmt: skip
