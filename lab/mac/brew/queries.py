"""The commands that only look, such as `list`, `info`, `outdated`, `deps` and `leaves`.

Source: Homebrew/brew Library/Homebrew/list.sh, cmd/list.rb, cmd/info.rb, cmd/shellenv.sh (6.0.18).
"""

import json
import os
from typing import Any

from . import bottle, cache, keg, taps, trust
from .arguments import Arguments
from .described import find
from .download import fetch_api, fetch_formulae
from .formulary import CORE, Formula, Formulary, UnavailableError, split
from .layout import BREW_VERSION, HOMEBREW, Prefix
from .output import BrewError, error, say, tell, warn
from .pouring import outdated
from .uninstall import dependents

SHELLENV = """\
export HOMEBREW_PREFIX="/opt/homebrew";
export HOMEBREW_CELLAR="/opt/homebrew/Cellar";
export HOMEBREW_REPOSITORY="/opt/homebrew";
fpath[1,0]="/opt/homebrew/share/zsh/site-functions";
export FPATH;
export PATH="/opt/homebrew/bin:/opt/homebrew/sbin${PATH+:$PATH}";
[ -z "${MANPATH-}" ] || export MANPATH=":${MANPATH#:}";
export INFOPATH="/opt/homebrew/share/info:${INFOPATH:-}";"""


def version(_prefix: Prefix, _formulary: Formulary, _args: Arguments) -> int:
    """`brew --version`."""
    say(f"Homebrew {BREW_VERSION}")
    return 0


def show_repository(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew --repository [user/tap]`."""
    say(*(prefix.shown(taps.folder(prefix, taps.tap_name(name))) for name in args.names))
    if not args.names:
        say(HOMEBREW)
    return 0


def show_prefix(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew --prefix [f]`: the opt path, whether it is installed or not."""
    say(*(f"{HOMEBREW}/opt/{find(prefix, formulary, name).name}" for name in args.names))
    if not args.names:
        say(HOMEBREW)
    return 0


def show_cellar(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew --cellar [f]`."""
    say(*(f"{HOMEBREW}/Cellar/{find(prefix, formulary, name).name}" for name in args.names))
    if not args.names:
        say(f"{HOMEBREW}/Cellar")
    return 0


def shellenv(_prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew shellenv [shell]`: nothing when the PATH begins with Homebrew's folders already."""
    if os.environ.get("PATH", "").startswith(f"{HOMEBREW}/bin:{HOMEBREW}/sbin"):
        return 0
    shell = (args.names or [os.environ.get("SHELL", "/bin/zsh").rsplit("/", 1)[-1]])[0]
    lines = SHELLENV.splitlines()
    say(*(line for line in lines if shell == "zsh" or "FPATH" not in line.upper()))
    return 0


def config(prefix: Prefix, _formulary: Formulary, _args: Arguments) -> int:
    """`brew config`."""
    say(
        f"HOMEBREW_VERSION: {BREW_VERSION}",
        "ORIGIN: https://github.com/Homebrew/brew",
        f"HOMEBREW_PREFIX: {HOMEBREW}",
        "Homebrew Ruby: 4.0.1 => (lab stand-in)",
        "macOS: 15.6-arm64",
        "CLT: 16.4.0.0.1",
        "Rosetta 2: false",
        f"Taps: {len(taps.tapped(prefix))}",
    )
    return 0


def list_(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew list [--formula|--cask] [--versions] [name …]`.

    Status 1 when a name is not installed; with `--versions` silently so.
    """
    if args.has("--cask"):
        if args.names and not args.has("--versions"):
            error(f"Cask '{args.names[0]}' is not installed.")
        return 1 if args.names else 0
    if args.has("--versions"):
        return _list_versions(prefix, args)
    for name in (split(name)[1] for name in args.names):
        kegs = keg.versions(prefix, name)
        if not kegs:
            raise BrewError(f"No such keg: {HOMEBREW}/Cellar/{name}")
        folder = prefix.cellar / name / kegs[-1]
        say(*sorted(prefix.shown(path) for path in folder.rglob("*") if not path.is_dir()))
    if not args.names:
        say(*(name for name in keg.installed(prefix) if _listed(prefix, name, args)))
    return 0


def _listed(prefix: Prefix, name: str, args: Arguments) -> bool:
    return not args.has("--pinned") or (prefix.state("pinned") / name).is_symlink()


def _list_versions(prefix: Prefix, args: Arguments) -> int:
    status = 0
    for name in [split(name)[1] for name in args.names] or keg.installed(prefix):
        kegs = keg.versions(prefix, name)
        if kegs:
            say(f"{name} {' '.join(kegs)}")
        else:
            status = 1
    return status


def fetch(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew fetch name …`: bottles and manifests into the cache, and nothing else.

    A bottle of another kind of machine is a warning, exit 0.

    Raises:
        BrewError: something did not arrive.
    """
    formulae = [find(prefix, formulary, name) for name in args.names]
    tag = args.flags.get("--bottle-tag", bottle.TAG)
    if tag != bottle.TAG:
        warn(f"Bottle for tag :{tag} is unavailable.")
        return 0
    fetch_formulae(prefix, formulae)
    for formula in formulae:
        for download in cache.downloads(formula):
            say(f"Downloaded to: {download.path}")
    return 0


def show_outdated(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew outdated [--json]`: status 1 when a named formula is outdated, as on a Mac.

    Raises:
        BrewError: the list of formulae is in no cache, and cannot be had.
    """
    fetch_api(prefix)
    stale = []
    for name in [split(name)[1] for name in args.names] or keg.installed(prefix):
        try:
            formula = find(prefix, formulary, name)
        except (UnavailableError, BrewError):
            continue
        if outdated(prefix, formula):
            stale.append(formula)
    if args.has("--json"):
        rows = [_outdated_row(prefix, formula) for formula in stale]
        say(json.dumps({"formulae": rows, "casks": []}, indent=2))
    elif args.has("--verbose"):
        say(*(f"{f.full_name} ({keg.versions(prefix, f.name)[-1]}) < {f.version}" for f in stale))
    else:
        say(*(formula.full_name for formula in stale))
    return 1 if args.names and stale else 0


def _outdated_row(prefix: Prefix, formula: Formula) -> dict[str, Any]:
    pin = prefix.state("pinned") / formula.name
    return {
        "name": formula.full_name,
        "installed_versions": keg.versions(prefix, formula.name),
        "current_version": formula.version,
        "pinned": pin.is_symlink(),
        "pinned_version": pin.readlink().name if pin.is_symlink() else None,
    }


def deps(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew deps name`: direct and indirect dependencies."""
    seen: list[str] = []

    def walk(formula: Formula) -> None:
        for name in formula.dependencies:
            dependency = find(prefix, formulary, name)
            if dependency.full_name not in seen:
                walk(dependency)
                seen.append(dependency.full_name)

    for name in args.names:
        walk(find(prefix, formulary, name))
    say(*sorted(seen))
    return 0


def leaves(prefix: Prefix, _formulary: Formulary, _args: Arguments) -> int:
    """`brew leaves`: installed formulae that no other one needs."""
    for name in keg.installed(prefix):
        tap = keg.tap_of(prefix, name)
        if not dependents(prefix, name):
            say(name if tap in {"", CORE} else f"{tap}/{name}")
    return 0


def services(_prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew services list`; starting services is launchd's business in this lab.

    Raises:
        BrewError: any other subcommand.
    """
    if args.names[:1] not in ([], ["list"]):
        raise BrewError("brew services: only `list` is available in this lab")
    if not args.has("--json"):
        say("Name Status User File")
    return 0


def doctor(prefix: Prefix, _formulary: Formulary, _args: Arguments) -> int:
    """`brew doctor`: writable folders, trusted taps."""
    untrusted = [name for name in taps.tapped(prefix) if not _partly_trusted(name)]
    for name in untrusted:
        warn(f"The tap {name} is not trusted.\nRun `brew trust {name}` to trust it.")
    folders = prefix.unwritable()
    if folders:
        shown = "\n".join(folders)
        warn(f"The following directories are not writable by your user:\n{shown}")
    if not untrusted and not folders:
        say("Your system is ready to brew.")
    return 1 if untrusted or folders else 0


def update(_prefix: Prefix, _formulary: Formulary, _args: Arguments) -> int:
    """`brew update`: the lab's formulae never change."""
    tell("Already up-to-date.")
    return 0


def _partly_trusted(tap: str) -> bool:
    return tap in trust.entries("tap") or any(
        entry.startswith(f"{tap}/") for entry in trust.entries("formula")
    )
