"""The operator sits at the Mac itself: the same command, with `@local` instead of SSH."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.keep import CHECKOUT, SMALL, project

pytestmark = pytest.mark.lab

HOME = "/Users/operator/clawkeep"
RUN = f"cd {HOME} && export CLAWKEEP_HOST=@local PATH={HOME}/.venv/bin:$PATH && "
INSTALL = f"""set -e
cd {HOME}
export NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1
/opt/homebrew/bin/brew install -q python@3.13
/opt/homebrew/bin/python3.13 -m venv .venv
.venv/bin/pip install -q ./clawkeep-*.whl
"""


def checkout(tmp_path: Path) -> bytes:
    """Return a tar of a small project and of the wheel of this checkout."""
    folder = project(tmp_path / "project", SMALL)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", str(folder), str(CHECKOUT)],
        check=True,
    )  # fmt: skip
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in folder.iterdir():
            if path.name not in {"clawkeep", "connectors"}:
                archive.add(path, path.name)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_keep_is_built_and_kept_from_the_mac_itself(lab: Lab, tmp_path: Path) -> None:
    def operator(script: str) -> subprocess.CompletedProcess[str]:
        return lab.exec("host", ["/bin/zsh", "-lc", script], user="operator")

    unpack = lab.command(
        "host", ["/bin/sh", "-c", f"mkdir -p {HOME} && tar xf - -C {HOME}"], user="operator"
    )
    subprocess.run(unpack, input=checkout(tmp_path), check=True)
    installed = operator(INSTALL)
    assert installed.returncode == 0, installed.stderr
    first = operator(RUN + "pyinfra inventory.py deploy.py -y 2>&1")
    assert first.returncode == 0, first.stdout[-4000:]
    status = operator(RUN + "clawkeep status")
    assert status.returncode == 0, status.stdout
    assert status.stdout.count("  ok ") == 4
    before = len(lab.calls())
    second = operator(RUN + "pyinfra inventory.py deploy.py -y 2>&1")
    assert second.returncode == 0
    assert [call["argv"] for call in lab.calls()[before:] if call["mutates"]] == []
