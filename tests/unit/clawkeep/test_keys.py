"""The operator's key pair for a guest."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clawkeep import keys


def test_a_pair_is_made_once_and_then_kept(tmp_path: Path) -> None:
    first = keys.ensure(tmp_path, "clawkeep@keep")
    again = keys.ensure(tmp_path, "clawkeep@keep")
    assert first == again
    assert first.private.read_bytes() == again.private.read_bytes()


def test_the_private_half_is_for_its_owner_alone_and_nothing_else_lies_beside_it(
    tmp_path: Path,
) -> None:
    pair = keys.ensure(tmp_path, "x")
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["id_ed25519"]


def test_the_public_line_belongs_to_the_private_key_and_bears_the_comment(tmp_path: Path) -> None:
    pair = keys.ensure(tmp_path, "clawkeep@keep")
    kind, key, comment = pair.public_line.split(" ")
    assert (kind, comment) == ("ssh-ed25519", "clawkeep@keep")
    assert paramiko.Ed25519Key.from_private_key_file(str(pair.private)).get_base64() == key


def test_a_run_killed_while_it_writes_leaves_no_half_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        keys.ensure(tmp_path, "x")
    assert not (tmp_path / "id_ed25519").exists()


def _pem(key: rsa.RSAPrivateKey | Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        _pem(rsa.generate_private_key(65537, 2048)),
        _pem(Ed25519PrivateKey.generate(), b"secret"),
    ],
    ids=["empty", "text", "rsa", "encrypted"],
)
def test_another_file_in_its_place_is_an_error_that_names_it_and_is_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "id_ed25519"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"id_ed25519: .*move it away and run again"):
        keys.ensure(tmp_path, "x")
    assert path.read_bytes() == content
