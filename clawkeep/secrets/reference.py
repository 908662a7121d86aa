"""References: where a secret is kept, written in its place.

vaultwarden:ITEM#FIELD      an item of a Vaultwarden or Bitwarden vault, by name or id
keychain:SERVICE/ACCOUNT    a generic password of the macOS keychain
sealed:NAME                 the project's own encrypted file, secrets.sealed
env:NAME                    a variable of the environment that clawkeep runs in
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

Scheme = Literal["vaultwarden", "keychain", "sealed", "env"]

FORMS: Final[dict[str, str]] = {
    "vaultwarden": "vaultwarden:item#field",
    "keychain": "keychain:service/account",
    "sealed": "sealed:name",
    "env": "env:NAME",
}
#: What people write when they mean one of ours.
OTHER_NAMES: Final = {
    "vault": "vaultwarden",
    "bitwarden": "vaultwarden",
    "bw": "vaultwarden",
    "security": "keychain",
    "seal": "sealed",
    "environ": "env",
    "environment": "env",
}
SEALED_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN: Final = (
    "is no reference; it may be the secret itself, so it is not shown. Put the secret away with "
    '`clawkeep secrets seal NAME` and write "sealed:NAME" here (a secret that has stood in a file '
    f"is better replaced by a new one); the forms are {', '.join(FORMS.values())}"
)


class BadReferenceError(ValueError):
    """Text that is no reference. The message shows nothing of it but a misspelt scheme."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where one secret is kept.

    `name` is the item, service, name or variable; `part` is the item's field or the service's
    account, which only these two schemes have.
    """

    scheme: Scheme
    name: str
    part: str = ""

    def __str__(self) -> str:
        separator = {"vaultwarden": "#", "keychain": "/"}.get(self.scheme, "")
        return f"{self.scheme}:{self.name}{separator}{self.part}"


def parse(value: object) -> Reference:
    """Return the reference that `value` is. Raises BadReferenceError, which never shows it."""
    if not isinstance(value, str):
        raise BadReferenceError(f"a reference is expected here, such as {FORMS['sealed']}")
    scheme, colon, rest = value.partition(":")
    if not colon or scheme not in get_args(Scheme):
        raise BadReferenceError(_no_scheme(scheme if colon else ""))
    match scheme:
        case "vaultwarden":
            return _vaultwarden(rest)
        case "keychain":
            return _keychain(rest)
        case "sealed":
            return Reference("sealed", sealed_name(rest))
        case _:
            return _variable(rest)


def sealed_name(name: str) -> str:
    """Return `name` when a sealed secret may be called so. Raises BadReferenceError."""
    if not SEALED_NAME.fullmatch(name):
        raise BadReferenceError(
            "the name of a sealed secret is 1 to 64 letters, digits, dots, hyphens and "
            "underscores, and begins with a letter or digit"
        )
    return name


def _vaultwarden(rest: str) -> Reference:
    item, mark, field = rest.partition("#")
    if not (mark and _word(item) and _word(field)) or "#" in field:
        raise BadReferenceError(
            f"expected {FORMS['vaultwarden']}: the item's name or id (the id, when the name holds "
            "a #), and the field: login.password, login.username, notes or the name of a custom one"
        )
    if item.startswith("-"):
        raise BadReferenceError("an item whose name begins with a hyphen is named by its id")
    return Reference("vaultwarden", item, field)


def _keychain(rest: str) -> Reference:
    service, slash, account = rest.rpartition("/")
    if not (slash and _word(service) and _word(account)):
        raise BadReferenceError(
            f"expected {FORMS['keychain']}; a service may hold slashes, an account none"
        )
    return Reference("keychain", service, account)


def _variable(rest: str) -> Reference:
    if not VARIABLE.fullmatch(rest):
        raise BadReferenceError(f"expected {FORMS['env']}: the name of a variable, without a $")
    return Reference("env", rest)


def _word(text: str) -> bool:
    """Tell whether `text` is visible and without spaces around it."""
    return bool(text) and text.isprintable() and text.strip() == text


def _no_scheme(scheme: str) -> str:
    known = [*FORMS, *OTHER_NAMES]
    near = difflib.get_close_matches(scheme, known, n=1, cutoff=0.75)
    if not (near and scheme.isascii() and scheme.isalpha() and len(scheme) <= 12):
        return PLAIN
    meant = OTHER_NAMES.get(near[0], near[0])
    return f"unknown scheme {scheme!r}; did you mean {FORMS[meant]}?"
