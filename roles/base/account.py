"""The guest's accounts: the agent's user, automatic login, the image's public password.

macOS's own tools lie about success: `sysadminctl` exits 0 on failure and takes passwords on argv,
`-autologin` over SSH fails with exit 0, and opendirectoryd keeps new records in memory until it is
told to flush (reference/macos.md §5). So every script here checks what it did, passwords travel
on stdin and reach the tools through a terminal of their own, and each script ends by flushing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Generator
from importlib import resources

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.render import kcpassword
from roles.probe import Answer, Probe, ask, change, want

#: What was set last, as hashes: the proof that a script ran to its end.
MARKS = "/var/db/clawkeep"

LOGIN_WINDOW = "/Library/Preferences/com.apple.loginwindow"


def _ok(answer: Answer) -> bool:
    return answer.asked and answer.status == 0


def _user_probe(user: str) -> Probe[bool]:
    return Probe(
        f"user {user}",
        f"id -Gn {user} | grep -Eq '(^| )admin( |$)' && [ -d /Users/{user} ] && "
        f"{{ ! dscl . -read /Groups/com.apple.access_ssh || "
        f"dseditgroup -o checkmember -m {user} com.apple.access_ssh; }} && "
        f"[ -e {MARKS}/user-{user} ]",
        _ok,
        sudo=True,
    )


def user(name: str, user: str) -> None:
    """Have an administrator `user` with a home, allowed to use SSH."""
    want(_user_probe(user))
    _user(name=name, user=user)


@operation()
def _user(user: str) -> Generator[StringCommand, None, None]:
    if ask(_user_probe(user)):
        host.noop(f"{user} is there")
        return
    yield in_guest("create", user=user, password=secrets.token_urlsafe(24))


def _login_probe(user: str) -> Probe[bool]:
    return Probe(
        f"automatic login {user}",
        f'[ "$(defaults read {LOGIN_WINDOW} autoLoginUser)" = {user} ] && '
        f'[ "$(stat -f "%Lp %Su" /etc/kcpassword)" = "600 root" ] && '
        f'[ "$(shasum -a 256 < /etc/kcpassword)" = "$(cat {MARKS}/automatic-login)" ]',
        _ok,
        sudo=True,
    )


def automatic_login(name: str, user: str) -> None:
    """Have `user` logged in at boot: the guest agent and launchd's gui domain need a session."""
    want(_login_probe(user))
    _automatic_login(name=name, user=user)


@operation()
def _automatic_login(user: str) -> Generator[StringCommand, None, None]:
    if ask(_login_probe(user)):
        host.noop(f"{user} is logged in at boot")
        return
    # Nobody needs to know it: SSH takes keys only, and kcpassword is the one place it is kept.
    password = secrets.token_urlsafe(24)
    content = kcpassword.encode(password)
    yield in_guest(
        "login",
        user=user,
        password=password,
        kcpassword=base64.b64encode(content).decode(),
        digest=hashlib.sha256(content).hexdigest(),
    )


# The password is printed in the image's documentation: it may stand on argv. A refusal alone proves
# nothing, dscl may have failed for another reason: the mark says that we replaced it.
PASSWORD_REPLACED = Probe(
    "public password",
    f"[ -e {MARKS}/password-admin ] && ! dscl . -authonly admin admin",
    _ok,
    sudo=True,
)


def default_password(name: str) -> None:
    """Have admin's password, which everybody knows, replaced by one that nobody does."""
    want(PASSWORD_REPLACED)
    _default_password(name=name)


@operation()
def _default_password() -> Generator[StringCommand, None, None]:
    if ask(PASSWORD_REPLACED):
        host.noop("the public password is gone")
        return
    yield in_guest("replace", user="admin", password=secrets.token_urlsafe(24))


UPDATES = "/Library/Preferences/com.apple.SoftwareUpdate"
UPDATE_KEYS = (
    "AutomaticCheckEnabled",
    "AutomaticDownload",
    "CriticalUpdateInstall",
    "AutomaticallyInstallMacOSUpdates",
)
SETTINGS = Probe(
    "settings",
    f"[ $(defaults read {UPDATES} | grep -Ec '^ *({'|'.join(UPDATE_KEYS)}) = 0;$') "
    f"= {len(UPDATE_KEYS)} ]",
    _ok,
    sudo=True,
)


def settings(name: str) -> None:
    """Have no automatic updates: an update is a decision, with a snapshot before it."""
    want(SETTINGS)
    _settings(name=name)


@operation()
def _settings() -> Generator[StringCommand, None, None]:
    if ask(SETTINGS):
        host.noop("automatic updates are off")
        return
    # `--schedule off` deletes AutomaticCheckEnabled, so the defaults come after it.
    writes = "; ".join(f"defaults write {UPDATES} {key} -bool false" for key in UPDATE_KEYS)
    yield change(f"softwareupdate --schedule off >/dev/null; set -e; {writes}", sudo=True)


def in_guest(step: str, **values: str) -> StringCommand:
    """Return the command that runs one step of `guest/accounts.py` as root in the guest.

    The program and its values, secrets among them, travel on stdin: nothing of it is on argv, in
    a log or on disk. The guest's own /usr/bin/python3 (3.9, Command Line Tools) runs it.
    """
    program = (resources.files("roles.base") / "guest" / "accounts.py").read_text()
    call = f"main({json.dumps({'step': step, **values})!r})"
    return change("exec /usr/bin/python3 -I -", sudo=True, stdin=f"{program}\n{call}\n")
