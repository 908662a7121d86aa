"""SSH keys: the operator's, the host's, and the ones that every guest of an image shares."""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
IMAGE_SEED = b"ghcr.io/cirruslabs/macos-sequoia-base: the same host keys in every clone"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class KeyPair:
    """A key as OpenSSH's two files: private (PEM text) and public (one line, no newline)."""

    private: str
    public: str


def generate(comment: str) -> KeyPair:
    """Make a new ed25519 pair."""
    return _pair(ed25519.Ed25519PrivateKey.generate(), comment)


def host_keys(comment: str) -> dict[str, KeyPair]:
    """Make a machine's own host keys by type: ed25519 and ecdsa (RSA is slow to make)."""
    ecdsa = ec.generate_private_key(ec.SECP256R1())
    return {"ed25519": generate(comment), "ecdsa": _pair(ecdsa, comment)}


def image_host_keys() -> dict[str, KeyPair]:
    """Derive the guest image's host keys: the same in every lab, since real images share theirs.

    Source: reference/tart.md §5 (nothing in the templates regenerates them).
    """
    seed = hashlib.sha256(IMAGE_SEED).digest()
    scalar = int.from_bytes(hashlib.sha256(seed).digest()) % (P256_ORDER - 1) + 1
    return {
        "ed25519": _pair(ed25519.Ed25519PrivateKey.from_private_bytes(seed), ""),
        "ecdsa": _pair(ec.derive_private_key(scalar, ec.SECP256R1()), ""),
    }


def _pair(key: PrivateKey, comment: str) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private.decode(), f"{public.decode()} {comment}".rstrip())
