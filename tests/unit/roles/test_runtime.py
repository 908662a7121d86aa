"""Root's Python: laid down from what a user's uv brought, not run before it is only root's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from roles.base.runtime import INSTALL_PYTHON
from tests.unit.roles.test_scripts import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files that root owns")

SCRIPT = INSTALL_PYTHON.replace("/opt/homebrew/bin/uv", "uv")

# The last argument but one is the folder; python3 notes that it was run.
UV = r"""
b=$6/cpython-3.12.9-macos-aarch64-none; mkdir -p "$b/bin" "$b/lib/python3.12"
cat > "$b/bin/python3.12" <<X
#!/bin/sh
echo ran >> "$W/ran"
X
chmod 755 "$b/bin/python3.12"
ln -s python3.12 "$b/bin/python3"
ln -s ../bin/python3 "$b/lib/python"
ln -s .. "$b/lib/up"
ln -s python3.12 "$b/lib/python3"
echo x > "$b/lib/python3.12/os.py"
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.tool("uv", UV)
    (tmp_path / "opt/python/bin").mkdir(parents=True)
    (tmp_path / "opt/python/bin/python3").write_text("the one before\n")
    return made


def install(world: World) -> tuple[int, str]:
    done = world.run(SCRIPT, "3.12", str(world.folder / "opt"))
    return done.returncode, done.stderr


def test_a_build_whose_links_stay_inside_is_laid_down_and_tried(world: World) -> None:
    assert install(world) == (0, "")
    assert (world.folder / "opt/python/lib/python3.12/os.py").read_text() == "x\n"
    assert (world.folder / "opt/python/bin/python3").readlink() == Path("python3.12")
    assert (world.folder / "ran").read_text() == "ran\n"
    assert os.listdir(world.folder / "opt") == ["python"]


@pytest.mark.parametrize(
    "spoilt",
    [
        'ln -s /etc/passwd "$b/lib/x"',
        'ln -s ../../../x "$b/lib/x"',
        'ln -s ../../python/bin "$b/lib/x"',
        'ln -s nowhere/at/all "$b/lib/x"',
        'rm "$b/bin/python3"; ln -s "$b/bin/python3.12" "$b/bin/python3"',
        'ln -s ../.. "$b/lib/x y"',
        'mkfifo "$b/lib/x"',
    ],
)
def test_what_leads_out_of_the_build_is_never_run_by_root(world: World, spoilt: str) -> None:
    world.tool("uv", UV + spoilt)
    status, said = install(world)
    assert (status, "not for root to run" in said) == (1, True)
    kept(world)


@pytest.mark.parametrize(
    ("tool", "what"),
    [
        ("chown", '/bin/chown 65534 "$W"/opt/.python.*/lib/python3.12/os.py 2>&- || :'),
        ("chmod", '/bin/chmod "$@"; /bin/chmod g+w "$W"/opt/.python.*/lib 2>&- || :'),
        ("chmod", '/bin/chmod "$@"; /bin/chmod o+w "$W"/opt/.python.*/bin/python3.12 2>&- || :'),
    ],
)
def test_what_others_may_change_is_never_run_by_root(world: World, tool: str, what: str) -> None:
    world.tool(tool, what)
    status, said = install(world)
    assert (status, "not only root may change it" in said) == (1, True)
    kept(world)


def kept(world: World) -> None:
    assert not (world.folder / "ran").exists()
    assert os.listdir(world.folder / "opt") == ["python"]
    assert (world.folder / "opt/python/bin/python3").read_text() == "the one before\n"
