"""The guest's pinned host key, also when a run is killed while it changes."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
from pyinfra.connectors.sshuserclient.client import get_host_keys

from connectors.pins import Pin

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHjU3p6Jd0vYt0jQ5qv0oVtKp5cWn3m6o3u4XbMnpQrS"
TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpQ5cWn3m6o3u4XbMnpQrSHjU3p6Jd0vYt0jQ5qv0oV"


@pytest.fixture
def pin(tmp_path: Path) -> Pin:
    return Pin(tmp_path, "keep")


def test_nothing_is_trusted_before_a_key_is_pinned(pin: Pin) -> None:
    assert not pin.trusted()


def test_a_key_is_pinned_by_the_guests_name_without_its_comment(pin: Pin) -> None:
    pin.write(f"{ONE} root@admins-Mac.local\n")
    assert pin.path.read_text() == f"keep {ONE}\n"
    assert pin.trusted()


def test_a_new_key_replaces_the_old_one(pin: Pin) -> None:
    pin.write(ONE)
    pin.write(TWO)
    assert pin.path.read_text() == f"keep {TWO}\n"
    assert sorted(p.name for p in pin.path.parent.iterdir()) == ["known_hosts"]


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-rsa AAAA x", "tart: VM is not running", "* ssh-ed25519 AAAA"]
)
def test_what_is_no_ed25519_key_is_not_pinned(pin: Pin, text: str) -> None:
    pin.write(ONE)
    with pytest.raises(ValueError, match="keep: expected an ed25519 host key"):
        pin.write(text)
    assert pin.path.read_text() == f"keep {ONE}\n"


def test_a_run_killed_in_a_rotation_makes_the_next_one_learn_the_key_again(
    pin: Pin, tmp_path: Path
) -> None:
    pin.write(ONE)
    pin.begin_rotation()
    assert not Pin(tmp_path, "keep").trusted()
    Pin(tmp_path, "keep").write(TWO)
    assert pin.trusted()


def test_a_run_killed_between_the_new_pin_and_its_note_learns_it_again(
    pin: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin.begin_rotation()

    def killed(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            pin.write(TWO)
    assert pin.path.read_text() == f"keep {TWO}\n"
    assert not Pin(tmp_path, "keep").trusted()


def test_a_rotation_may_begin_twice(pin: Pin) -> None:
    pin.begin_rotation()
    pin.begin_rotation()
    assert not pin.trusted()


def test_a_forgotten_pin_is_gone_and_may_be_forgotten_again(pin: Pin) -> None:
    pin.write(ONE)
    pin.forget()
    pin.forget()
    assert not pin.trusted()


def test_pyinfra_sees_a_new_pin_in_the_same_process(pin: Pin) -> None:
    files = (str(pin.path),)
    pin.write(ONE)
    first: paramiko.HostKeys = get_host_keys(files)
    pin.write(TWO)
    second: paramiko.HostKeys = get_host_keys(files)
    assert [next(iter(keys["keep"].values())).get_base64() for keys in (first, second)] == [
        ONE.split()[1],
        TWO.split()[1],
    ]
