"""Password hashes of the lab's accounts: sha512 crypt in /private/etc/shadow.

A Mac keeps SALTED-SHA512-PBKDF2 in the user's record; the lab's sshd and sudo read shadow through
PAM, so that is where the truth is here.
"""

import ctypes
import ctypes.util
import hmac
import secrets
import string

SALT_CHARACTERS = string.ascii_letters + string.digits + "./"
ROUNDS = 5000


def _crypt(password: str, setting: str) -> str:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    hashed: bytes | None = library.crypt(password.encode(), setting.encode())
    return hashed.decode() if hashed else "*0"


def hash(password: str) -> str:  # noqa: A001 - passwords.hash() reads as what it is
    """Return the sha512 crypt of `password` with a fresh salt."""
    salt = "".join(secrets.choice(SALT_CHARACTERS) for _ in range(16))
    return _crypt(password, f"$6$rounds={ROUNDS}${salt}$")


def verify(password: str, hashed: str) -> bool:
    """Say whether `password` hashes to `hashed`; a locked or empty field never matches."""
    if not hashed.startswith("$"):
        return False
    return hmac.compare_digest(_crypt(password, hashed), hashed)
