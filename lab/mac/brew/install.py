"""`brew install`, `reinstall` and `upgrade`.

Source: reference/macos.md §7; Homebrew/brew Library/Homebrew/cmd/install.rb, cmd/upgrade.rb,
install/check.rb (6.0.18).
"""

import os

from . import keg, taps
from .arguments import Arguments
from .download import fetch
from .formulary import CORE, Formula, Formulary, UnavailableError, split
from .layout import Prefix
from .output import BrewError, error, heading, say, tell, warn
from .pouring import load, outdated, pour_all

UPDATE_URL = "https://formulae.brew.sh/api/formula.jws.json"


def install(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """Install what is named; what is there already is left alone, with a warning.

    Returns:
        1 when a name is unknown, 0 otherwise.

    Raises:
        BrewError: anything that Homebrew reports as `Error: …` and stops at.
    """
    if not args.names:
        raise BrewError("Invalid usage: This command requires at least 1 formula or cask argument.")
    if args.has("--cask"):
        return _no_cask(args.names[0])
    _auto_update(prefix)
    for name in args.names:
        taps.tap_and_trust_item(prefix, formulary, name)
    try:
        formulae = [load(prefix, formulary, name, args.line) for name in args.names]
    except UnavailableError as problem:
        return _not_found(prefix, formulary, problem, args)
    wanted = [formula for formula in formulae if _install_wanted(prefix, formula, args)]
    if wanted:
        pour_all(prefix, formulary, wanted, args)
    return 0


def changes(prefix: Prefix, formulary: Formulary, args: Arguments) -> bool:
    """Whether `brew install` with these arguments would change the prefix."""
    try:
        formulae = [formulary.find(name, taps.tapped(prefix)) for name in args.names]
    except UnavailableError:
        return False
    return any(not keg.versions(prefix, f.name) or outdated(prefix, f) for f in formulae)


def reinstall(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """Pour the named formulae again; a file's SUID bit does not survive that."""
    formulae = []
    for name in args.names:
        formula = load(prefix, formulary, name, args.line)
        if not keg.versions(prefix, formula.name):
            raise BrewError(f"{formula.full_name} is not installed")
        formulae.append(formula)
    pour_all(prefix, formulary, formulae, args)
    return 0


def upgrade(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """Bring the named formulae, or all, to their current versions and drop the old kegs."""
    _auto_update(prefix)
    for name in args.names:
        taps.tap_and_trust_item(prefix, formulary, name)
    status, stale = 0, []
    for name in args.names or keg.installed(prefix):
        formula = _installed_formula(prefix, formulary, name, args)
        if formula is None:
            status = 1 if args.names else status
        elif not outdated(prefix, formula):
            if args.names:
                warn(f"{formula.full_name} {formula.version} already installed")
        elif (prefix.state("pinned") / formula.name).is_symlink():
            error(f"Not upgrading 1 pinned package:\n{formula.full_name} {formula.version}")
            status = 1 if args.names else status
        else:
            stale.append(formula)
    if stale:
        say(heading(f"Upgrading {len(stale)} outdated package{'s' * (len(stale) > 1)}:"))
        pour_all(prefix, formulary, stale, args)
    return status


def _installed_formula(
    prefix: Prefix, formulary: Formulary, name: str, args: Arguments
) -> Formula | None:
    tap = keg.tap_of(prefix, split(name)[1])
    full = name if "/" in name or tap in {"", CORE} else f"{tap}/{name}"
    try:
        formula = load(prefix, formulary, full, args.line)
    except UnavailableError as problem:
        error(str(problem))
        return None
    except BrewError as problem:
        if name in args.names:
            raise
        tell(f"Warning: {problem}")
        return None
    if not keg.versions(prefix, formula.name):
        error(f"{formula.full_name} not installed")
        return None
    return formula


def _auto_update(prefix: Prefix) -> None:
    """Ask for the list of formulae; a failure is not an error, the old list is used."""
    if "HOMEBREW_NO_AUTO_UPDATE" not in os.environ and prefix.path.is_dir():
        fetch(prefix, [UPDATE_URL], connect_timeout_s=5)


def _no_cask(name: str) -> int:
    warn(f"Cask '{name}' is unavailable: No Cask with this name exists.")
    say(heading("Searching for similarly named casks..."))
    error(f"No casks found for {name}.")
    return 1


def _not_found(
    prefix: Prefix, formulary: Formulary, problem: UnavailableError, args: Arguments
) -> int:
    warn(str(problem))
    if "/" in problem.name:
        return 1
    kinds = "formulae" if args.has("--formula") else "formulae and casks"
    say(heading(f"Searching for similarly named {kinds}..."))
    similar = formulary.search(problem.name, taps.tapped(prefix))
    if similar:
        say(heading("Formulae"), *similar, "", f"To install {similar[0]}, run:")
        say(f"  brew install {similar[0]}")
    else:
        error(f"No {kinds.replace(' and ', ' or ')} found for {problem.name}.")
    return 1


def _install_wanted(prefix: Prefix, formula: Formula, args: Arguments) -> bool:
    """Decide about a formula that may be there already, in Homebrew's words."""
    kegs = keg.versions(prefix, formula.name)
    if not kegs:
        return True
    origin = keg.tap_of(prefix, formula.name)
    if origin and origin != formula.tap:
        raise BrewError(
            f"{formula.name} was installed from the {origin} tap\n"
            f"but you are trying to install it from the {formula.tap} tap.\n"
            "Formulae with the same name from different taps cannot be installed at the same "
            "time.\n"
            "\nTo install this version, you must first uninstall the existing formula:\n"
            f"  brew uninstall {formula.name}\nThen you can install the desired version:\n"
            f"  brew install {formula.full_name}"
        )
    if outdated(prefix, formula):
        return _outdated_wanted(prefix, formula, kegs[-1])
    already = f"{formula.full_name} {formula.version} is already installed"
    if not formula.keg_only and not keg.linked_version(prefix, formula.name):
        warn(
            f"{already}, it's just not linked.\nTo link this version, run:\n"
            f"  brew link {formula.full_name}"
        )
    elif not args.has("--quiet"):
        warn(
            f"{already} and up-to-date.\nTo reinstall {formula.version}, run:\n"
            f"  brew reinstall {formula.name}"
        )
    return False


def _outdated_wanted(prefix: Prefix, formula: Formula, version: str) -> bool:
    pinned = (prefix.state("pinned") / formula.name).is_symlink()
    if "HOMEBREW_NO_INSTALL_UPGRADE" not in os.environ and not pinned:
        say(f"{formula.name} {version} is already installed but outdated (so it will be upgraded).")
        return True
    unpin = f"brew unpin {formula.full_name} && " if pinned else ""
    error(
        f"{formula.name} {version} is already installed\nTo upgrade to {formula.version}, run:\n"
        f"  {unpin}brew upgrade {formula.full_name}"
    )
    return False
