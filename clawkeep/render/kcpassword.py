"""/etc/kcpassword, from which macOS logs a user in by itself.

This hides a password from a glance, from nobody else: the key is the same on every Mac. The file
must be 0600 and root's. Source: reference/macos.md §5.
"""

from __future__ import annotations

from itertools import cycle

KEY = bytes.fromhex("7d895223d2bcddeaa3b91f")
BLOCK = 12


def encode(password: str) -> bytes:
    """Return the contents of /etc/kcpassword for a password.

    The UTF-8 text and its final NUL, filled up with NULs to a multiple of 12 bytes, XORed with the
    key. Raises ValueError for an empty password or one that holds a NUL.
    """
    if not password or "\0" in password:
        raise ValueError("a password for automatic login must not be empty or hold a NUL")
    plain = password.encode() + b"\0"
    return _xor(plain + bytes(-len(plain) % BLOCK))


def decode(content: bytes) -> str:
    """Return the password in the contents of /etc/kcpassword.

    Raises ValueError (UnicodeDecodeError is one) when the contents are not of that form.
    """
    password, nul, _ = _xor(content).partition(b"\0")
    if not nul:
        raise ValueError("no end of the password in kcpassword")
    return password.decode()


def _xor(data: bytes) -> bytes:
    return bytes(byte ^ key for byte, key in zip(data, cycle(KEY), strict=False))
