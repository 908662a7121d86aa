"""`brew bundle check | install | list | dump | cleanup`.

Source: reference/macos.md §7; Homebrew/brew Library/Homebrew/bundle/ (6.0.18).
"""

import os
from pathlib import Path

from . import brewfile, keg, taps, trust
from .arguments import Arguments
from .formulary import CORE, Formula, Formulary, UnavailableError, split
from .install import install, upgrade
from .layout import Prefix
from .output import BrewError, UsageError, error, say, tell
from .pouring import outdated
from .uninstall import uninstall

SUBCOMMANDS = ("install", "upgrade", "check", "list", "dump", "cleanup")


def subcommand(args: Arguments) -> str:
    """Return the word after `bundle`, `install` when there is none."""
    return args.names[0] if args.names else "install"


def bundle(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """Run one subcommand.

    Raises:
        UsageError: it is not one that the lab knows.
        BrewError: whatever the subcommand reports.
    """
    verb = subcommand(args)
    if verb not in SUBCOMMANDS:
        raise UsageError(f"unknown subcommand: {verb}")
    if verb == "dump":
        return _dump(prefix, args)
    entries = brewfile.read(args.flags.get("--file", ""))
    if verb == "check":
        return _check(prefix, formulary, entries, args)
    if verb == "list":
        kinds = [k for k, flag in (("tap", "--tap"), ("cask", "--cask")) if args.has(flag)]
        say(*(entry.name for entry in entries if entry.kind in (kinds or ["brew"])))
        return 0
    if verb == "cleanup":
        return _cleanup(prefix, formulary, entries, args)
    return _install(prefix, formulary, entries, args)


def missing(
    prefix: Prefix, formulary: Formulary, entries: list[brewfile.Entry], *, no_upgrade: bool
) -> list[str]:
    """Return what `check --verbose` lists, in Homebrew's order: taps, casks, formulae."""
    reason = "needs to be installed." if no_upgrade else "needs to be installed or updated."
    tapped = taps.tapped(prefix)
    found = [
        f"Tap {e.name} needs to be tapped."
        for e in entries
        if e.kind == "tap" and e.name not in tapped
    ]
    found += [f"Cask {entry.name} {reason}" for entry in entries if entry.kind == "cask"]
    for entry in entries:
        if entry.kind != "brew":
            continue
        if not _satisfied(prefix, formulary, entry.name, no_upgrade=no_upgrade):
            found.append(f"Formula {entry.name} {reason}")
        elif entry.link is not None and entry.link != _is_linked(prefix, entry.name):
            found.append(
                f"Formula {entry.name} needs to be {'linked' if entry.link else 'unlinked'}."
            )
    return found


def _is_linked(prefix: Prefix, name: str) -> bool:
    return bool(keg.linked_version(prefix, split(name)[1]))


def _formula(prefix: Prefix, formulary: Formulary, name: str) -> Formula | None:
    try:
        return formulary.find(name, taps.tapped(prefix))
    except UnavailableError:
        return None


def _satisfied(prefix: Prefix, formulary: Formulary, name: str, *, no_upgrade: bool) -> bool:
    formula = _formula(prefix, formulary, name)
    short = formula.name if formula else split(name)[1]
    if not keg.versions(prefix, short):
        return False
    tap = split(name)[0]
    if tap and keg.tap_of(prefix, short) != tap:
        return False
    return no_upgrade or formula is None or not outdated(prefix, formula)


def no_upgrade(args: Arguments) -> bool:
    """`--no-upgrade`, or its environment variable, unless `upgrade` was asked for."""
    wanted = args.has("--upgrade") or subcommand(args) == "upgrade"
    return not wanted and (args.has("--no-upgrade") or "HOMEBREW_BUNDLE_NO_UPGRADE" in os.environ)


def _check(
    prefix: Prefix, formulary: Formulary, entries: list[brewfile.Entry], args: Arguments
) -> int:
    found = missing(prefix, formulary, entries, no_upgrade=no_upgrade(args))
    if not found:
        if not args.has("--quiet"):
            say("The Brewfile's dependencies are satisfied.")
        return 0
    tell("brew bundle can't satisfy your Brewfile's dependencies.")
    if args.has("--verbose"):
        tell(*(f"→ {line}" for line in found))
    else:
        tell("Run `brew bundle check --verbose` to list unmet dependencies.")
    tell("Satisfy missing dependencies with `brew bundle install`.")
    return 1


def _install(
    prefix: Prefix, formulary: Formulary, entries: list[brewfile.Entry], args: Arguments
) -> int:
    """Trust what the file says, then tap and install entry by entry, past any failure."""
    for entry in entries:
        for kind, name in entry.trusts:
            trust.add(kind, name)
    failures = 0
    for entry in entries:
        try:
            done = _install_entry(prefix, formulary, entry, args)
        except (BrewError, UnavailableError) as problem:
            error(str(problem))
            done = False
        if not done:
            tell(f"{'Tapping' if entry.kind == 'tap' else 'Installing'} {entry.name} has failed!")
            failures += 1
    if failures:
        noun = "dependency" if failures == 1 else "dependencies"
        tell(f"`brew bundle` failed! {failures} Brewfile {noun} failed to install")
        return 1
    if not args.has("--quiet"):
        noun = "dependency" if len(entries) == 1 else "dependencies"
        say(f"`brew bundle` complete! {len(entries)} Brewfile {noun} now installed.")
    return 0


def _install_entry(
    prefix: Prefix, formulary: Formulary, entry: brewfile.Entry, args: Arguments
) -> bool:
    if entry.kind == "tap":
        if entry.name in taps.tapped(prefix):
            return _using(entry, args)
        say(f"Tapping {entry.name}")
        taps.add(prefix, formulary, entry.name)
        return True
    if entry.kind == "cask":
        say(f"Installing {entry.name}")
        return install(prefix, formulary, Arguments([entry.name], {"--cask": ""})) == 0
    if _satisfied(prefix, formulary, entry.name, no_upgrade=no_upgrade(args)):
        return _using(entry, args)
    tap = split(entry.name)[0]
    if tap:
        taps.add(prefix, formulary, tap)
    formula = formulary.find(entry.name, taps.tapped(prefix))
    trust.require(formula)
    there = (
        bool(keg.versions(prefix, formula.name)) and keg.tap_of(prefix, formula.name) == formula.tap
    )
    say(f"{'Upgrading' if there else 'Installing'} {entry.name}")
    line = Arguments([entry.name], {}, [entry.name])
    return (upgrade if there else install)(prefix, formulary, line) == 0


def _using(entry: brewfile.Entry, args: Arguments) -> bool:
    if not args.has("--quiet"):
        say(f"Using {entry.name}")
    return True


def _dump(prefix: Prefix, args: Arguments) -> int:
    lines = [
        f'tap "{name}"' + (", trusted: true" if name in trust.entries("tap") else "")
        for name in taps.tapped(prefix)
    ]
    for name in keg.installed(prefix):
        if not keg.receipt(prefix, name).get("installed_on_request"):
            continue
        tap = keg.tap_of(prefix, name)
        full = name if tap in {"", CORE} else f"{tap}/{name}"
        lines.append(
            f'brew "{full}"' + (", trusted: true" if full in trust.entries("formula") else "")
        )
    text = "".join(f"{line}\n" for line in lines)
    file = args.flags.get("--file", "") or "Brewfile"
    if file == "-":
        say(*lines)
        return 0
    if Path(file).exists() and not args.has("--force"):
        raise BrewError(f"{Path(file).resolve()} already exists")
    Path(file).write_text(text)
    return 0


def extras(
    prefix: Prefix, formulary: Formulary, entries: list[brewfile.Entry]
) -> tuple[list[str], list[str]]:
    """(formulae, taps) that are there, but neither in the Brewfile nor needed by what is."""
    kept: set[str] = set()

    def keep(name: str) -> None:
        formula = _formula(prefix, formulary, name)
        short = formula.name if formula else split(name)[1]
        if short not in kept:
            kept.add(short)
            for need in keg.receipt(prefix, short).get("runtime_dependencies", []):
                keep(need["full_name"])

    for entry in entries:
        if entry.kind == "brew":
            keep(entry.name)
    named = {entry.name for entry in entries if entry.kind == "tap"}
    named |= {split(entry.name)[0] for entry in entries if entry.kind == "brew"}
    formulae = [name for name in keg.installed(prefix) if name not in kept]
    return formulae, [name for name in taps.tapped(prefix) if name not in named]


def _cleanup(
    prefix: Prefix, formulary: Formulary, entries: list[brewfile.Entry], args: Arguments
) -> int:
    formulae, unused_taps = extras(prefix, formulary, entries)
    if not args.has("--force"):
        for title, names in (("uninstall formulae", formulae), ("untap", unused_taps)):
            if names:
                say(f"Would {title}:", *names)
        if formulae or unused_taps:
            say("Run `brew bundle cleanup --force` to make these changes.")
            return 1
        return 0
    trust.replace(target for entry in entries for target in entry.trusts)
    if formulae:
        uninstall(prefix, formulary, Arguments(formulae, {"--force": ""}))
        say(f"Uninstalled {len(formulae)} formula{'e' * (len(formulae) > 1)}")
    if unused_taps:
        taps.untap(prefix, formulary, Arguments(unused_taps, {"--force": ""}))
    return 0
