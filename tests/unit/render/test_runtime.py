"""The runtime's one file: it is a program that Python runs, and the same for the same modules."""

from __future__ import annotations

import subprocess
from pathlib import Path

from clawkeep.render.runtime import program

MODULES = {
    "deep.er.look": "import deep.empty as e\n\ndef main(argv):\n    print(argv[1:], e.__name__)\n"
    "    return 7\n",
    "deep.empty": "",
}


def test_it_runs_with_its_packages_arguments_and_status(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_bytes(program(MODULES, "deep.er.look:main"))
    file.chmod(0o755)
    # Without the site's packages, and whatever the environment says.
    environment = {"PYTHONPATH": "/nowhere", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [str(file), "a", "b c"], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stdout) == (7, "['a', 'b c'] deep.empty\n"), done.stderr


def test_the_same_modules_are_the_same_bytes() -> None:
    shuffled = dict(reversed(MODULES.items()))
    one = program(MODULES, "deep.er.look:main")
    assert one == program(shuffled, "deep.er.look:main")
    assert one.startswith(b"#!/usr/bin/python3 -IS\nPK")
    assert b"def main(argv)" in one  # Plain text: whoever audits it can read it.
