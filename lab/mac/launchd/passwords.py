"""crypt(3), by way of libcrypt: Python's own module for it is on its way out."""

import ctypes
import hmac
import secrets


def matches(password: str, stored: str) -> bool:
    """Check a password against a shadow field; locked accounts match nothing, empty ones ""."""
    if not stored:
        return not password
    computed = _crypt(password, stored)
    return computed is not None and hmac.compare_digest(computed, stored)


def hashed(password: str) -> str:
    """Return a sha512 crypt of the password, freshly salted."""
    return _crypt(password, f"$6$rounds=5000${secrets.token_hex(8)}$") or "*"


def _crypt(password: str, setting: str) -> str | None:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    result: bytes | None = library.crypt(password.encode(), setting.encode())
    return None if result is None else result.decode()
