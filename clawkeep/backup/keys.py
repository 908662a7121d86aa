"""One key opens a repository: it unwraps a master key, from which all others are derived.

`config`, the repository's one object that is not encrypted, holds the master key wrapped with the
operator's key: 32 random bytes in hex, or a passphrase through scrypt (RFC 7914). AES-256-GCM
throughout, each object with associated data that say which repository it belongs to, what it is and
what it is called, so that no object can stand for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from clawkeep.backup.errors import BackupError, DamageError

FORMAT: Final = 1
RAW: Final = re.compile(r"clawkeep-backup-key-([0-9a-f]{64})")
SHORTEST_PASSPHRASE: Final = 16
SCRYPT_N: Final = 1 << 17
"""128 MiB and about 0.4 s a guess, with r = 8, p = 1."""

SCRYPT_MOST: Final = 1 << 20
NONCE: Final = 12
TAG: Final = 16
CHUNK_OVERHEAD: Final = NONCE + TAG


class WrongKeyError(BackupError):
    """The key is not the one that the repository was made with."""


def new_key() -> str:
    """Return a new raw key, as it is written down."""
    return f"clawkeep-backup-key-{os.urandom(32).hex()}"


def checked(text: str) -> str:
    """Return a key or passphrase without the line end of its file. Raises BackupError."""
    key = text.strip()
    if key.startswith("clawkeep-backup-key-") and not RAW.fullmatch(key):
        raise BackupError("the backup key is not complete: expected 64 hexadecimal digits in it")
    if len(key) < SHORTEST_PASSPHRASE:
        raise BackupError(
            f"a passphrase for backups has at least {SHORTEST_PASSPHRASE} characters; "
            "`clawkeep backup key new FILE` makes a key"
        )
    return key


def new_config(key: str, *, scrypt_n: int = SCRYPT_N) -> bytes:
    """Return the `config` of a new repository that `key` opens."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "id": os.urandom(16).hex(),
        "salt": os.urandom(32).hex(),
        **({"kdf": "raw"} if RAW.fullmatch(key) else {"kdf": "scrypt", "n": scrypt_n}),
    }
    nonce = os.urandom(NONCE)
    sealed = AESGCM(_wrapping(key, head)).encrypt(nonce, os.urandom(32), _bound(head))
    return _written({**head, "master": base64.b64encode(nonce + sealed).decode()})


def _written(config: dict[str, Any]) -> bytes:
    return json.dumps(config, indent=1, sort_keys=True).encode() + b"\n"


def opened(config: bytes, key: str) -> Keys:
    """Return the keys of the repository with this `config`.

    Raises WrongKeyError; DamageError for what is no config, BackupError for one of a later version.
    """
    head, sealed = _parsed(config)
    try:
        cipher = AESGCM(_wrapping(key, head))
        master = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _bound(head))
    except InvalidTag:
        raise WrongKeyError(
            "the key does not open this repository: it was made with another one, or its `config` "
            "was altered; `clawkeep backup key --help` says where copies of it should be"
        ) from None
    return Keys(bytes.fromhex(head["id"]), master)


def _parsed(config: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        head = json.loads(config)
        # JSON can say the same in several ways: only the one that was written counts.
        sound = _written(head) == config
        sealed = base64.b64decode(head.pop("master"), validate=True)
        version, kdf = head["format"], head["kdf"]
        sound &= len(bytes.fromhex(head["id"])) == 16 and len(bytes.fromhex(head["salt"])) == 32
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise DamageError("config: was cut or altered; put back a copy of it") from None
    if version != FORMAT:
        raise BackupError(f"config: is of format {version!r:.20}, this Clawkeep knows {FORMAT}")
    cost = head.get("n")
    asked = kdf == "raw" or (
        kdf == "scrypt" and type(cost) is int and 1 < cost <= SCRYPT_MOST and not cost & (cost - 1)
    )
    if not (sound and asked and len(sealed) == NONCE + 32 + TAG):
        raise DamageError("config: was cut or altered; put back a copy of it")
    return head, sealed


def _wrapping(key: str, head: dict[str, Any]) -> bytes:
    salt = bytes.fromhex(head["salt"])
    if head["kdf"] == "scrypt":
        return Scrypt(salt=salt, length=32, n=head["n"], r=8, p=1).derive(key.encode())
    raw = RAW.fullmatch(key)
    # A passphrase for a raw repository opens it as little as another raw key.
    secret = bytes.fromhex(raw[1]) if raw else hashlib.sha256(key.encode()).digest()
    return _derived(secret, salt, b"clawkeep backup wrapping key")


def _bound(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _derived(secret: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(secret)


@dataclass(frozen=True, repr=False)
class Keys:
    """What is derived of a repository's master key; shows nothing of itself."""

    repository: bytes
    master: bytes

    def __post_init__(self) -> None:
        for name in ("naming", "chunks", "streams"):
            purpose = f"clawkeep backup {name}".encode()
            object.__setattr__(self, f"_{name}", _derived(self.master, None, purpose))

    def _sub(self, name: str) -> bytes:
        key: bytes = getattr(self, f"_{name}")
        return key

    def chunk_id(self, data: bytes | bytearray | memoryview) -> str:
        """Return the name of a chunk: keyed, so that a name tells nothing about the content."""
        return hmac.digest(self._sub("naming"), data, "sha256").hex()

    def seal_chunk(self, name: str, data: bytes | bytearray | memoryview) -> tuple[bytes, bytes]:
        """Return a chunk as it is stored, in two pieces: nonce; ciphertext and tag.

        Its key is its own, so that a nonce can repeat only where the content does.
        """
        nonce = os.urandom(NONCE)
        return nonce, self._cipher(name).encrypt(nonce, data, self._about(b"chunk", name))

    def open_chunk(self, name: str, blob: bytes) -> bytes:
        """Return the content of the chunk of that name. Raises DamageError."""
        if len(blob) < CHUNK_OVERHEAD:
            raise DamageError(f"chunk {name[:12]}…: was cut")
        try:
            about = self._about(b"chunk", name)
            return self._cipher(name).decrypt(blob[:NONCE], blob[NONCE:], about)
        except InvalidTag:
            raise DamageError(f"chunk {name[:12]}…: was cut, altered or exchanged") from None

    def _cipher(self, name: str) -> AESGCM:
        return AESGCM(hmac.digest(self._sub("chunks"), name.encode(), "sha256"))

    def stream(self, name: str, salt: bytes) -> tuple[AESGCM, bytes]:
        """Return cipher and associated data for the segments of the object `name`."""
        return AESGCM(_derived(self._sub("streams"), salt, name.encode())), self._about(
            b"stream", name
        )

    def _about(self, kind: bytes, name: str) -> bytes:
        return b"\0".join((b"clawkeep backup 1", kind, self.repository, name.encode()))
