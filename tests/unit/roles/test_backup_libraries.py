"""What root runs for backups: of what a user's pip brought, only what our own lock names."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from roles.operations.backup import INSTALL, LOCK, PACKAGES, locked
from tests.unit.roles.test_scripts import World

# The user's pip "downloads" what lies in $W/index; everything else the real Python does.
PYTHON = f"""
case "$*" in
*"-m pip download"*) while [ "$1" != --dest ]; do shift; done; cp "$W"/index/*.whl "$2" ;;
*) exec {sys.executable} "$@" ;;
esac"""
AESGCM = "cryptography/hazmat/primitives/ciphers/aead.py"


def wheel(folder: Path, text: str = "AESGCM = 1\n") -> str:
    """Make a wheel; return its hash."""
    path = folder / "cryptography-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        package = Path(AESGCM).parent
        while package != Path():
            file.writestr(f"{package}/__init__.py", "")
            package = package.parent
        file.writestr(AESGCM, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    (tmp_path / "index").mkdir()
    (tmp_path / "opt").mkdir()
    made.tool("sudo", 'shift; exec "$@"')
    made.tool("python", PYTHON)
    made.tool("shasum", 'shift 2; exec sha256sum "$@"')
    return made


def install(world: World, digest: str) -> tuple[int, str]:
    lines = f"cryptography==1 \\\n    --hash=sha256:{digest}\n"
    python = str(world.folder / "bin/python")
    done = world.run(INSTALL, python, str(world.folder / "opt"), "the-mark", stdin=lines)
    return done.returncode, done.stderr


def test_what_the_lock_names_is_laid_down(world: World) -> None:
    assert install(world, wheel(world.folder / "index")) == (0, "")
    vendor = world.folder / "opt/vendor"
    assert (vendor / AESGCM).read_text() == "AESGCM = 1\n"
    assert (vendor / ".lock").read_text() == "the-mark\n"
    assert not (vendor / "wheels").exists()
    assert [p.name for p in (world.folder / "opt").iterdir()] == ["vendor"]


def test_another_wheel_is_neither_unpacked_nor_run(world: World) -> None:
    install(world, wheel(world.folder / "index"))
    ran = world.folder / "ran"
    digest = hashlib.sha256(b"another").hexdigest()
    wheel(world.folder / "index", f"open({str(ran)!r}, 'w')\nAESGCM = 1\n")
    status, said = install(world, digest)
    assert status == 1
    assert "whose hash our lock does not have" in said
    assert not ran.exists()
    assert (world.folder / "opt/vendor" / AESGCM).read_text() == "AESGCM = 1\n"
    assert [p.name for p in (world.folder / "opt").iterdir()] == ["vendor"]


def test_what_does_not_run_here_does_not_replace_what_does(world: World) -> None:
    install(world, wheel(world.folder / "index"))
    status, said = install(world, wheel(world.folder / "index", "raise ImportError('arch')\n"))
    assert (status, "arch" in said) == (1, True)
    assert (world.folder / "opt/vendor" / AESGCM).read_text() == "AESGCM = 1\n"


def test_our_lock_names_all_of_it_with_hashes() -> None:
    lines = locked(LOCK.read_text())
    assert [line.partition("==")[0] for line in lines.splitlines() if "==" in line] == list(
        PACKAGES
    )
    # Wheels of a Mac and of the lab are among them: the lock is for every machine.
    assert lines.count("--hash=sha256:") > 40
    assert "via" not in lines
