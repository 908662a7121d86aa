"""Where the sealing key is, and what is refused there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clawkeep.secrets import Secret, SecretError, keychain
from clawkeep.secrets.sealed import new_key
from clawkeep.secrets.sealing import FileRing, KeychainRing, key_ring

KEYS = (new_key(), new_key())


def test_the_key_is_in_the_operators_configuration_unless_told_otherwise(tmp_path: Path) -> None:
    assert key_ring({"XDG_CONFIG_HOME": "/c"}) == FileRing(Path("/c/clawkeep/sealing.key"))
    assert key_ring({}).place == str(Path.home() / ".config/clawkeep/sealing.key")
    assert key_ring({"CLAWKEEP_SEALING_KEY_FILE": "/k"}) == FileRing(Path("/k"))
    assert key_ring({"CLAWKEEP_SEALING_KEYCHAIN": "claw/keep/me"}) == KeychainRing(
        "claw/keep", "me"
    )


def test_two_places_at_once_and_half_an_item_are_refused() -> None:
    with pytest.raises(SecretError, match="are both set; unset one"):
        key_ring({"CLAWKEEP_SEALING_KEYCHAIN": "a/b", "CLAWKEEP_SEALING_KEY_FILE": "/k"})
    for half in ("clawkeep", "/me", "clawkeep/"):
        with pytest.raises(SecretError, match="expected service/account"):
            key_ring({"CLAWKEEP_SEALING_KEYCHAIN": half})


def test_keys_come_back_in_their_order_from_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    ring = FileRing(tmp_path / "new" / "sealing.key")
    assert ring.read() == ()
    ring.folders()
    ring.write(KEYS)
    assert ring.read() == KEYS
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.path.parent.stat().st_mode) == 0o700
    assert os.listdir(ring.path.parent) == ["sealing.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o644])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    ring = FileRing(tmp_path / "key")
    ring.write(KEYS)
    ring.path.chmod(mode)
    with pytest.raises(SecretError, match=rf"mode {mode:o}\); run: chmod 600 .*; .* rotate"):
        ring.read()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "hunter2-planted",
        f"clawkeep-key-{'0' * 63}",
        f"clawkeep-key-{'0' * 64}\nhunter2-planted",
        "\x00\xff",
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    ring = FileRing(tmp_path / "key")
    ring.path.write_text(content)
    ring.path.chmod(0o600)
    with pytest.raises(SecretError, match="something else than sealing keys") as caught:
        ring.read()
    assert "hunter2" not in str(caught.value)


def test_a_folder_or_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        with pytest.raises(SecretError, match="is no regular file"):
            FileRing(tmp_path / name).read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    ring = FileRing(tmp_path / "key")
    ring.write(KEYS)
    os.chown(ring.path, 12345, 12345)
    with pytest.raises(SecretError, match="belongs to somebody else"):
        ring.read()


def test_a_key_in_the_keychain_is_read_and_left_to_its_owner_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = " ".join(f"clawkeep-key-{key.hex()}" for key in KEYS)
    monkeypatch.setattr(keychain, "password", lambda service, account: Secret(text))
    ring = KeychainRing("clawkeep", "sealing")
    assert ring.read() == KEYS
    with pytest.raises(SecretError, match="CLAWKEEP_SEALING_KEY_FILE") as caught:
        ring.write(KEYS)
    assert KEYS[0].hex() not in str(caught.value)


def test_a_key_that_the_keychain_does_not_give_is_an_error_that_names_the_item() -> None:
    with pytest.raises(SecretError, match=r"keychain item clawkeep/sealing: .*macOS"):
        KeychainRing("clawkeep", "sealing").read()
