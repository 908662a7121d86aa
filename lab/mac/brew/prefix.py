"""Homebrew as an image ships it: the folders, `brew` itself and the formulae already poured.

Called by the image builder on the developer's machine; nothing is downloaded.
Source: reference/macos.md §7, reference/tart.md §5.
"""

import os
import sys
from pathlib import Path

from ..forkserver import entry
from . import keg
from .formulary import Formula, Formulary
from .layout import Prefix

BOTTLES = Path(__file__).resolve().parents[3] / ".cache" / "bottles"
"""The bottle cache that `lab.bottles` fills by default."""

LINUX = Path("/usr")
"""What `/System/Lab/linux` is while an image is built."""

PIP_CONF = """\
[global]
index-url = https://packages.lab.internet/simple/
cert = /etc/ssl/cert.pem
disable-pip-version-check = true
"""
NPMRC = """\
registry=https://npm.lab.internet/
cafile=/etc/ssl/cert.pem
fund=false
update-notifier=false
"""


def populate(
    root: Path, uid: int, gid: int, formulas: list[str], *, bottles: Path | None = None
) -> list[str]:
    """Install Homebrew under `root`, owned by `uid`:`gid`, with `formulas` poured and linked.

    A formula is named as for `brew install` (`jq`, `openai/tools/softnet`), optionally with an
    older version that the lab knows (`openai/tools/softnet=0.21.1`). Dependencies come along.

    Returns:
        The formulae that could not be poured because this machine lacks their programs.

    Raises:
        UnavailableError: a name is unknown to the lab.
    """
    sources = {
        "linux": LINUX,
        "bottle": bottles or BOTTLES,
        "python": Path(sys.base_prefix),
    }
    prefix = Prefix(root, sources)
    for folder in prefix.folders():
        folder.mkdir(parents=True, exist_ok=True)
    _write_brew(prefix)
    _write_registry_settings(root, prefix)
    skipped = _pour_all(prefix, formulas)
    _give(prefix.path, uid, gid)
    return skipped


def _write_brew(prefix: Prefix) -> None:
    brew = prefix.path / "bin" / "brew"
    brew.write_text(entry.script("brew.cli"))
    brew.chmod(0o755)


def _write_registry_settings(root: Path, prefix: Prefix) -> None:
    """Configure the lab's index and registry as a company's mirror would be.

    pip on a Mac reads the first file, pip on Linux (which the lab's interpreter is) the second.
    """
    for path in (root / "Library/Application Support/pip/pip.conf", root / "private/etc/pip.conf"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PIP_CONF)
    (prefix.path / "etc" / "npmrc").write_text(NPMRC)


def _pour_all(prefix: Prefix, formulas: list[str]) -> list[str]:
    formulary = Formulary.load()
    skipped = []
    for wanted in formulas:
        name, _, version = wanted.partition("=")
        formula = formulary.find(name, [])
        try:
            _pour_with_dependencies(prefix, formulary, formula.at(version or formula.version))
        except keg.NotInLabError:
            skipped.append(wanted)
    return skipped


def _pour_with_dependencies(prefix: Prefix, formulary: Formulary, formula: Formula) -> None:
    for name in formula.dependencies:
        dependency = formulary.find(name, [])
        if not keg.versions(prefix, dependency.name):
            _pour_with_dependencies(prefix, formulary, dependency)
    if formula.tap != "homebrew/core":
        organisation, _, repository = formula.tap.partition("/")
        (prefix.taps / organisation / f"homebrew-{repository}").mkdir(parents=True, exist_ok=True)
    keg.pour(prefix, formula, on_request=True)
    if not formula.keg_only:
        keg.link(prefix, formula.name, formula.version)


def _give(folder: Path, uid: int, gid: int) -> None:
    for path, folders, files in os.walk(folder):
        os.chown(path, uid, gid)
        for name in (*folders, *files):
            os.chown(Path(path, name), uid, gid, follow_symlinks=False)
