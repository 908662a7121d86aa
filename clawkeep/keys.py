"""The SSH key pair with which the operator's side enters one guest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class KeyPair:
    """One key pair on disk: the private file (0600) and the line for authorized_keys."""

    private: Path
    public_line: str


def ensure(folder: Path, comment: str) -> KeyPair:
    """Return the ed25519 key pair in `folder`; make it when there is none.

    The private half is written with 0600 under a temporary name and moved, so that a run killed
    in the middle leaves either no key or a whole one. The public line is derived each time: there
    is no second copy that could disagree.

    Raises ValueError when the file there is not an unencrypted ed25519 key.
    """
    path = folder / "id_ed25519"
    if not path.exists():
        _write_private(path, Ed25519PrivateKey.generate())
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path}: {error}; move it away and run again") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}: expected an ed25519 key; move it away and run again")  # noqa: TRY004
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private=path, public_line=f"{public.decode()} {comment}")


def _write_private(path: Path, key: Ed25519PrivateKey) -> None:
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
