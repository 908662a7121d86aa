"""Secrets in Vaultwarden, read with Bitwarden's own client, `bw`.

What it answers was tried with bw 2026.6: `--response` puts one JSON object on stdout, also for a
failure; a key in BW_SESSION that does not fit is "Vault is locked."; `get item` searches, so that
part of another item's name finds that item; it reads a local copy, which `sync` renews
(reference/macos.md §10).
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clawkeep.secrets.error import SecretError
from clawkeep.secrets.process import run
from clawkeep.secrets.secret import Secret

TIMEOUT_S: Final = 60.0
SESSION: Final = "BW_SESSION"
#: Where Homebrew puts it on a Mac whose shell did not say so.
ELSEWHERE: Final = "/opt/homebrew/bin"
MOST_TWINS: Final = 20

NOT_INSTALLED = "`bw`, Bitwarden's client, is not installed; run: brew install bitwarden-cli"
NOT_LOGGED_IN = (
    "`bw` is not logged in; run: bw config server https://YOUR-VAULT; bw login; "
    f'export {SESSION}="$(bw unlock --raw)"'
)
LOCKED = (
    f"the vault is locked, or {SESSION} is not of its latest unlock; "
    f'run: export {SESSION}="$(bw unlock --raw)"'
)


class Vault:
    """The operator's unlocked vault, its local copy renewed once when the first item is read.

    The session key stays in the environment, where `bw` looks for it. `warn` is told when the
    server could not be reached and an older copy serves.
    """

    def __init__(
        self, warn: Callable[[str], None], environment: Mapping[str, str] = os.environ
    ) -> None:
        self._warn = warn
        # With it `bw` prints what it decrypts on stderr.
        self._environment = {k: v for k, v in environment.items() if k != "BITWARDENCLI_DEBUG"}
        self._program = ""
        self._items: dict[str, dict[str, Any]] = {}

    def field(self, item: str, field: str) -> Secret:
        """Return one field of one item. Raises SecretError with what to do.

        A field is `login.password`, `login.username`, `notes` or the name of a custom one.
        """
        if not self._program:
            self._open()
        if item not in self._items:
            self._items[item] = self._item(item)
        return _field(self._items[item], field)

    def _open(self) -> None:
        path = self._environment.get("PATH", os.defpath)
        program = shutil.which("bw", path=f"{path}:{ELSEWHERE}")
        if program is None:
            raise SecretError(NOT_INSTALLED)
        status = self._ask(program, "status").data.get("template", {})
        if status.get("status") == "unauthenticated":
            raise SecretError(NOT_LOGGED_IN)
        if status.get("status") != "unlocked":
            raise SecretError(LOCKED)
        synced = self._ask(program, "sync")
        if not synced.success:
            self._warn(
                f"the vault {status.get('serverUrl')} could not be asked for changes "
                f"({synced.message}); its copy of {status.get('lastSync')} serves"
            )
        self._program = program

    def _item(self, item: str) -> dict[str, Any]:
        """Return the item that is called exactly `item`, by name or id."""
        answer = self._ask(self._program, "get", "item", item)
        if answer.success:
            found = [dict(answer.data)]
        elif isinstance(answer.data, list):
            found = [self._by_id(str(one)) for one in answer.data[:MOST_TWINS]]
        elif answer.message == "Not found.":
            found = []
        else:
            raise SecretError(f"`bw get item` failed: {_explained(answer.message)}")
        exact = [one for one in found if item in {one.get("id"), one.get("name")}]
        if len(exact) == 1:
            return exact[0]
        if exact:
            ids = ", ".join(str(one.get("id")) for one in exact)
            raise SecretError(
                f"the vault has several items of that name; take one by its id: {ids}"
            )
        names = sorted({str(one.get("name")) for one in found})
        near = f"; there is {', '.join(map(repr, names))}" if names else ""
        raise SecretError(f"the vault has no item of that name{near}")

    def _by_id(self, identity: str) -> dict[str, Any]:
        answer = self._ask(self._program, "get", "item", identity)
        if not answer.success:
            raise SecretError(f"`bw get item` failed: {_explained(answer.message)}")
        return dict(answer.data)

    def _ask(self, program: str, *words: str) -> _Answer:
        ran = run(
            [program, "--nointeraction", "--response", *words],
            timeout_s=TIMEOUT_S,
            environment=self._environment,
        )
        # Some versions say other things first.
        lines = [line for line in ran.out.splitlines() if line.startswith("{")]
        try:
            data = json.loads(lines[-1])
            success = bool(data["success"]) and ran.status == 0
            return _Answer(success, data.get("data") or {}, self._clean(data.get("message")))
        except (IndexError, KeyError, TypeError, AttributeError, ValueError):
            # `from None`: the exception carries the text.
            raise SecretError(
                f"`bw {words[0]}` left with {ran.status} and no answer that can be read; "
                "try it by hand"
            ) from None

    def _clean(self, message: object) -> str:
        """Return the first line of what `bw` says, in any case without the session key."""
        line = next(iter(str(message or "").splitlines()), "")[:200]
        session = self._environment.get(SESSION)
        return line.replace(session, f"<{SESSION}>") if session else line


@dataclass(frozen=True)
class _Answer:
    success: bool
    data: Any
    message: str

    def __repr__(self) -> str:
        return f"<answer, success={self.success}>"


def _explained(message: str) -> str:
    return {"Vault is locked.": LOCKED, "You are not logged in.": NOT_LOGGED_IN}.get(
        message, message
    )


def _field(item: Mapping[str, Any], field: str) -> Secret:
    group, dot, name = field.partition(".")
    values: list[object]
    if field == "notes":
        values = [item.get("notes")]
    elif dot and group == "login" and name in {"password", "username"}:
        values = [(item.get("login") or {}).get(name)]
    else:
        wanted = name if dot and group == "fields" else field
        custom = item.get("fields") or []
        values = [one.get("value") for one in custom if one.get("name") == wanted]
        if len(values) > 1:
            raise SecretError(f"the item has {len(values)} fields of that name; rename one")
        if not values:
            raise SecretError(_no_field(wanted, [str(one.get("name")) for one in custom]))
    if not isinstance(values[0], str) or not values[0]:
        raise SecretError("this field of the item is empty")
    return Secret(values[0])


def _no_field(wanted: str, custom: list[str]) -> str:
    known = [*dict.fromkeys(custom), "login.password", "login.username", "notes"]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it may be {', '.join(known)}"
    return f"the item has no field of that name{hint}"
