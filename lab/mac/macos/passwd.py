"""passwd: changes a password, on a terminal or from stdin lines (old, new, new)."""

import os
import pwd

from ..calls import record
from . import accounts, directory, passwords
from .console import complain, is_root, read_secret


def main(argv: list[str]) -> int:
    """Run `passwd [USER]`."""
    record(argv, mutates=True)
    name = argv[-1] if len(argv) > 1 else pwd.getpwuid(os.getuid()).pw_name
    print(f"Changing password for {name}.", flush=True)
    with directory.editing() as node:
        user = node.users.get(name)
        if user is None:
            complain(f"passwd: Unknown user name '{name}'.")
            return 1
        if not is_root():
            complain("passwd: DS error: eDSPermissionError")
            return 1
        new = read_secret("New password:")
        again = read_secret("Retype new password:")
        if new != again:
            complain("passwd: Mismatch; try again, EOF to quit.")
            return 1
        if passwords.verify(new, user.password):
            complain("passwd: the new password is the old one")
        accounts.set_password(user, new)
    return 0
