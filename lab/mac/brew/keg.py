"""Kegs: what `brew` puts in the Cellar, and the links that make it visible.

Layout as on a Mac: `Cellar/<formula>/<version>/…` with `INSTALL_RECEIPT.json`, `opt/<formula>` for
every installed formula, `bin/<program>` only for those that are not keg-only.
Source: reference/macos.md §7; Homebrew/brew Library/Homebrew/keg.rb, install/check.rb.
"""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ..forkserver import entry
from .formulary import Formula
from .layout import BREW_VERSION, HOMEBREW, LAB_SOURCES, Prefix
from .output import BrewError

LINKED_FOLDERS = ("bin", "sbin")


class NotInLabError(BrewError):
    """The developer's machine lacks the program that the formula would bring."""


def versions(prefix: Prefix, name: str) -> list[str]:
    """Installed versions of a formula, oldest pour first; empty when it is not installed."""
    rack = prefix.cellar / name
    if not rack.is_dir():
        return []
    kegs = [keg for keg in rack.iterdir() if keg.is_dir() and not keg.name.startswith(".")]
    return [keg.name for keg in sorted(kegs, key=lambda keg: (keg.stat().st_mtime_ns, keg.name))]


def installed(prefix: Prefix) -> list[str]:
    """Names of all installed formulae, sorted."""
    if not prefix.cellar.is_dir():
        return []
    return sorted(rack.name for rack in prefix.cellar.iterdir() if versions(prefix, rack.name))


def receipt(prefix: Prefix, name: str) -> dict[str, Any]:
    """Return the newest keg's `INSTALL_RECEIPT.json`; empty when a pour was cut short before it."""
    kegs = versions(prefix, name)
    path = prefix.cellar / name / (kegs[-1] if kegs else "-") / "INSTALL_RECEIPT.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content


def tap_of(prefix: Prefix, name: str) -> str:
    """Return the tap an installed formula came from; empty when it is not known."""
    return str(receipt(prefix, name).get("source", {}).get("tap", ""))


def linked_version(prefix: Prefix, name: str) -> str:
    """Return the version whose programs are linked into `bin`; empty when none is."""
    link = prefix.state("linked") / name
    return os.readlink(link).rsplit("/", 1)[-1] if link.is_symlink() else ""


def missing_sources(prefix: Prefix, formula: Formula) -> list[str]:
    """Files of the formula that this developer's machine cannot provide."""
    missing = []
    for origin in (*formula.files.values(), *formula.etc.values(), *formula.needs):
        kind, _, value = origin.partition(":")
        if (
            kind in prefix.sources
            and not (prefix.sources[kind] / value.partition("\n")[0]).exists()
        ):
            missing.append(origin.partition("\n")[0])
    return missing


def pour(prefix: Prefix, formula: Formula, *, on_request: bool) -> Path:
    """Put the formula's files into its keg and point `opt` at it; links into `bin` are `link`'s.

    The keg appears in one rename, so a killed pour leaves no half keg.

    Raises:
        NotInLabError: a real program behind the formula is missing on the developer's machine.
    """
    lacking = missing_sources(prefix, formula)
    if lacking:
        raise NotInLabError(
            f"{formula.full_name}: bottle not available in this lab: the developer's machine has "
            f"no {', '.join(lacking)} (see `python -m lab.bottles`)"
        )
    rack = prefix.cellar / formula.name
    staging = rack / f".{formula.version}.{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        for name, origin in formula.files.items():
            _place(staging / name, origin, f"{HOMEBREW}/Cellar/{formula.name}/{formula.version}")
        _write_receipt(staging, formula, on_request)
        keg = rack / formula.version
        if keg.exists():
            shutil.rmtree(keg)
        staging.rename(keg)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _point(prefix.opt / formula.name, f"../Cellar/{formula.name}/{formula.version}")
    _settings(prefix, formula)
    return keg


def _settings(prefix: Prefix, formula: Formula) -> None:
    """Put the formula's files into the prefix's `etc`.

    A file that is there already and differs stays; the bottle's lies beside it as `NAME.default`.
    Source: Homebrew/brew Library/Homebrew/formula.rb (install_etc_var), install_renamed.rb.
    """
    for name, origin in formula.etc.items():
        where = prefix.path / "etc" / name
        fresh = where.with_name(f".{name}.{os.getpid()}")
        _place(fresh, origin, f"{HOMEBREW}/Cellar/{formula.name}/{formula.version}")
        if not fresh.is_symlink():
            fresh.chmod(0o644)
        same = where.is_file() and fresh.is_file() and fresh.read_bytes() == where.read_bytes()
        if os.path.lexists(where) and not same:
            where = where.with_name(f"{name}.default")
        fresh.replace(where)


def _place(path: Path, origin: str, keg: str) -> None:
    kind, _, value = origin.partition(":")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in LAB_SOURCES:
        path.symlink_to(LAB_SOURCES[kind] / value)
        return
    if kind in {"module", "warm"}:
        content = entry.script(value, warm=kind == "warm" and os.path.exists(entry.CLIENT))
    else:
        content = value.replace("{keg}", keg)
    path.write_text(content)
    path.chmod(0o444 if kind == "text" else 0o555)


def _write_receipt(keg: Path, formula: Formula, on_request: bool) -> None:
    content = {
        "homebrew_version": BREW_VERSION,
        "poured_from_bottle": True,
        "installed_on_request": on_request,
        "installed_as_dependency": not on_request,
        "time": int(time.time()),
        "source": {"tap": formula.tap, "versions": {"stable": formula.version}},
        "runtime_dependencies": [{"full_name": name} for name in formula.dependencies],
        "arch": "arm64",
    }
    (keg / "INSTALL_RECEIPT.json").write_text(json.dumps(content, indent=2) + "\n")


def link(prefix: Prefix, name: str, version: str) -> int:
    """Link a keg's programs into the prefix and return how many links were made.

    Raises:
        BrewError: something else already has one of the names.
    """
    wanted = _links(prefix, name, version)
    for where, target in wanted.items():
        if os.path.lexists(where) and not _belongs(where, name):
            raise BrewError(
                f"Could not symlink {where.parent.name}/{where.name}\n"
                f"Target {prefix.shown(where)}\nalready exists. You may want to remove it:\n"
                f"  rm '{prefix.shown(where)}'\n\nTo force the link and overwrite all conflicting "
                f"files:\n  brew link --overwrite {name}"
            )
        _point(where, target)
    _point(prefix.state("linked") / name, f"../../../Cellar/{name}/{version}")
    return len(wanted)


def unlink(prefix: Prefix, name: str) -> int:
    """Remove a formula's links from the prefix and return how many there were."""
    removed = 0
    for folder in LINKED_FOLDERS:
        for where in (prefix.path / folder).glob("*"):
            if _belongs(where, name):
                where.unlink()
                removed += 1
    (prefix.state("linked") / name).unlink(missing_ok=True)
    return removed


def remove(prefix: Prefix, name: str, version: str) -> None:
    """Delete one keg; with the last one, also `opt` and the links."""
    shutil.rmtree(prefix.cellar / name / version)
    if versions(prefix, name):
        return
    unlink(prefix, name)
    (prefix.opt / name).unlink(missing_ok=True)
    (prefix.state("pinned") / name).unlink(missing_ok=True)
    shutil.rmtree(prefix.cellar / name)


def _belongs(where: Path, name: str) -> bool:
    return where.is_symlink() and f"/Cellar/{name}/" in os.readlink(where)


def _links(prefix: Prefix, name: str, version: str) -> dict[Path, str]:
    keg = prefix.cellar / name / version
    return {
        prefix.path / folder / program.name: f"../Cellar/{name}/{version}/{folder}/{program.name}"
        for folder in LINKED_FOLDERS
        if (keg / folder).is_dir()
        for program in sorted((keg / folder).iterdir())
    }


def _point(where: Path, target: str) -> None:
    """Make `where` a link to `target`, replacing what it was in one step."""
    fresh = where.with_name(f".{where.name}.{os.getpid()}")
    where.parent.mkdir(parents=True, exist_ok=True)
    fresh.symlink_to(target)
    fresh.replace(where)
