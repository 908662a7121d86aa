"""Secrets in the macOS keychain, read with `security`.

It says with its exit status what is wrong: the OSStatus modulo 256 (reference/macos.md §10). With
`-w` it prints a password that is not all printable ASCII as hexadecimal digits, without saying so;
`-g` tells the two apart, by quotes.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from clawkeep.secrets.error import SecretError
from clawkeep.secrets.process import run
from clawkeep.secrets.secret import Secret

SECURITY: Final = "/usr/bin/security"
TIMEOUT_S: Final = 60.0
"""Seconds; macOS may ask the person at the screen whether `security` may read the item."""

HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
IN_HEX: Final = re.compile(r"^password: 0x([0-9A-Fa-f]+)", re.MULTILINE)

UNLOCK = (
    "the keychain is locked, and this session may not ask for its password (over SSH none may); "
    "run: security unlock-keychain"
)
REASONS: Final = {
    36: UNLOCK,  # errSecInteractionNotAllowed, -25308
    44: "the keychain has no such item; run: security add-generic-password -s {service} "
    "-a {account} -w",  # errSecItemNotFound, -25300
    51: UNLOCK,  # errSecAuthFailed, -25293
    128: "somebody at the screen refused `security` the item",  # userCanceledErr, -128
}


def password(
    service: str, account: str, *, security: str = SECURITY, platform: str = sys.platform
) -> Secret:
    """Return a generic password of the keychains that are searched.

    Raises SecretError with what to do, on anything but macOS too.
    """
    if platform != "darwin":
        raise SecretError(
            "the keychain is on macOS only, and this is not; take another kind of reference here"
        )
    find = [security, "find-generic-password", "-s", service, "-a", account]
    ran = run([*find, "-w"], timeout_s=TIMEOUT_S)
    if ran.status != 0:
        reason = REASONS.get(ran.status, f"`security` left with {ran.status}")
        raise SecretError(reason.format(service=service, account=account))
    text = ran.out.removesuffix("\n")
    if HEX.fullmatch(text) and (found := IN_HEX.search(run([*find, "-g"], timeout_s=60).err)):
        try:
            text = bytes.fromhex(found[1]).decode()
        except ValueError:
            raise SecretError("the item holds what is no UTF-8 text") from None
    if not text:
        raise SecretError("the item is empty")
    return Secret(text)
