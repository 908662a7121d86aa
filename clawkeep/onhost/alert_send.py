"""How alerts leave the host: posted by an unprivileged user, or shown in the Mac user's session.

The addresses are root's; a process of the unprivileged user gets one of them, on its stdin, for
one post. So what talks to the network is not root, and whoever becomes that user finds no address
on the disk.
"""

from __future__ import annotations

import json
import pwd
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from clawkeep.alerts import Alert, Hook, HookError, Message, Outcome, Route, hooks
from clawkeep.alerts.hooks import Request
from clawkeep.alerts.words import shortened
from clawkeep.onhost import clock, paths, store, world
from clawkeep.onhost.jobs import LAUNCHCTL

LIMIT_S = 35.0
SUDO, OSASCRIPT = "/usr/bin/sudo", "/usr/bin/osascript"
SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)",
          "end run")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What hooks.json says: the hooks, who posts, and in whose session notifications are shown."""

    hooks: tuple[Hook, ...] = ()
    user: str = ""
    owner_uid: int = -1


def settings() -> Settings:
    """Read hooks.json; none of it when there is no such file. Raises HookError, OSError."""
    text = store.read(paths.HOOKS)
    if text is None:
        return Settings()
    found = hooks.parse(text)
    try:
        data = json.loads(text)
        return Settings(found, str(data["user"]), int(data["owner_uid"]))
    except (ValueError, TypeError, KeyError):
        raise HookError("the file of the hooks is damaged; converge again") from None


def routes() -> list[Route]:
    """Return whom alerts are told to; a ping hears of them otherwise. Raises HookError, OSError."""
    return [hook.route for hook in settings().hooks if hook.kind != "ping"]


def keep() -> str:
    """Return what this host calls itself."""
    return socket.gethostname().partition(".")[0] or "the keep"


def deliver(settings: Settings, hook: Hook, message: Message) -> Outcome:
    """Bring a message to a hook; a ping is told that all is well."""
    if hook.kind == "notification":
        title, text = hooks.lines(message, keep(), clock.now())
        return _show(settings, title, text)
    if hook.kind == "ping":
        return ping(settings, hook, ())
    return _post(settings, hook.request(message, keep(), clock.now()))


def ping(settings: Settings, hook: Hook, standing: Sequence[Alert]) -> Outcome:
    """Tell a dead man's switch which alerts stand."""
    return _post(settings, hook.ping(standing, keep()))


def _post(settings: Settings, request: Request) -> Outcome:
    text = json.dumps({"url": request.url, "body": request.body, "headers": dict(request.headers)})
    try:
        account = pwd.getpwnam(settings.user)
    except KeyError:
        return Outcome("retry", f"the host has no user {settings.user!r} to post as")
    if account.pw_uid == 0:
        return Outcome("retry", "nothing is posted as root")
    try:
        done = world.run(
            [str(paths.PROGRAM), "alert", "post"],
            text=text,
            timeout_s=LIMIT_S,
            **world.as_user(account.pw_uid, account.pw_gid, cwd="/"),
        )
        return Outcome(**json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Outcome("retry", f"not done in {LIMIT_S:.0f} s")
    except OSError as error:
        return Outcome("retry", f"it could not be posted: {error.strerror}")
    except (ValueError, TypeError):
        return Outcome("retry", f"posting ended with status {done.returncode} and no outcome")


def _show(settings: Settings, title: str, text: str) -> Outcome:
    uid = settings.owner_uid
    if uid <= 0:
        return Outcome("retry", "nobody's session is known")
    script = [word for line in SCRIPT for word in ("-e", line)]
    command = [LAUNCHCTL, "asuser", str(uid), SUDO, "-n", "-u", f"#{uid}", OSASCRIPT, *script,
               shortened(title, 120), shortened(text, 300)]  # fmt: skip
    try:
        done = world.run(command, timeout_s=LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return Outcome("retry", type(error).__name__)
    if done.returncode == 0:
        return Outcome("sent")
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return Outcome("retry", f"osascript: {said[-1] if said else done.returncode}")
