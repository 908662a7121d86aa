"""`brew`: finds the command, refuses root, records the call and runs it.

Source: reference/macos.md §7; Homebrew/brew Library/Homebrew/brew.sh (6.0.18).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..calls import record
from . import brewfile, bundle, described, install, keg, pouring, queries, taps, trust, uninstall
from .arguments import Arguments, parse
from .formulary import NEWER, Formulary, UnavailableError, split
from .layout import LAB_SOURCES, Prefix
from .output import BrewError, error, say

Run = Callable[[Prefix, Formulary, Arguments], int]
Mutates = Callable[[Prefix, Formulary, Arguments], bool]

ROOT_REFUSED = """\
Running Homebrew as root is extremely dangerous and no longer supported.
As Homebrew does not drop privileges on installation you would be giving all
build scripts full access to your system."""
USAGE = """\
Example usage:
  brew search TEXT|/REGEX/
  brew info [FORMULA|CASK...]
  brew install FORMULA|CASK...
  brew update
  brew upgrade [FORMULA|CASK...]
  brew uninstall FORMULA|CASK...
  brew list [FORMULA|CASK...]"""


@dataclass(frozen=True)
class Command:
    """One command: what runs it, whether it would change anything, and the flags it accepts.

    `root` is when root may run it: `always`, `bare` (without names; Homebrew answers these before
    it looks at who asks), or `never`.
    """

    run: Run
    mutates: Mutates
    flags: frozenset[str] = frozenset()
    root: str = "never"


def _never(_prefix: Prefix, _formulary: Formulary, _args: Arguments) -> bool:
    return False


def _always(_prefix: Prefix, _formulary: Formulary, _args: Arguments) -> bool:
    return True


def _installs(prefix: Prefix, formulary: Formulary, args: Arguments) -> bool:
    if args.has("--dry-run") or args.has("--cask"):
        return False
    return install.changes(prefix, formulary, args) or _taps_or_trusts(prefix, args)


def _taps_or_trusts(prefix: Prefix, args: Arguments) -> bool:
    for name in args.names:
        tap, short = split(name)
        known = {tap} & set(trust.entries("tap")) or f"{tap}/{short}" in trust.entries("formula")
        if tap and not (tap in taps.tapped(prefix) and known):
            return True
    return False


def _upgrades(prefix: Prefix, formulary: Formulary, args: Arguments) -> bool:
    names = [split(name)[1] for name in args.names] or keg.installed(prefix)
    for name in names:
        try:
            formula = formulary.find(name, taps.tapped(prefix))
        except UnavailableError:
            continue
        if pouring.outdated(prefix, formula) and not args.has("--dry-run"):
            return True
    return False


def _taps_new(prefix: Prefix, _formulary: Formulary, args: Arguments) -> bool:
    return bool(args.names) and args.names[0].lower().replace("/homebrew-", "/") not in taps.tapped(
        prefix
    )


def _trusts_new(_prefix: Prefix, _formulary: Formulary, args: Arguments) -> bool:
    known = {name for kind in trust.KINDS for name in trust.entries(kind)}
    return any(name.lower() not in known for name in args.names)


def _untrusts(_prefix: Prefix, _formulary: Formulary, args: Arguments) -> bool:
    return not _trusts_new(_prefix, _formulary, args) and bool(args.names)


def _removes(prefix: Prefix, _formulary: Formulary, args: Arguments) -> bool:
    return any(keg.versions(prefix, split(name)[1]) for name in args.names)


def _cleans(prefix: Prefix, _formulary: Formulary, args: Arguments) -> bool:
    return bool(uninstall.superseded(prefix)) and not args.has("--dry-run")


def _bundles(prefix: Prefix, formulary: Formulary, args: Arguments) -> bool:
    verb, file = bundle.subcommand(args), args.flags.get("--file", "")
    if verb in {"check", "list"} or (verb == "cleanup" and not args.has("--force")):
        return False
    if verb in {"dump", "cleanup"}:
        return file != "-" or verb == "cleanup"
    try:
        entries = brewfile.read(file)
    except BrewError:
        return False
    if any(name not in trust.entries(kind) for entry in entries for kind, name in entry.trusts):
        return True
    return bool(bundle.missing(prefix, formulary, entries, no_upgrade=bundle.no_upgrade(args)))


def _flags(words: str) -> frozenset[str]:
    return frozenset(f"--{word}" for word in words.split())


_INSTALL = _flags(
    "formula cask force dry-run ask no-ask overwrite skip-link build-from-source force-bottle "
    "ignore-dependencies only-dependencies as-dependency display-times HEAD greedy"
)
_TRUST = _flags("tap formula cask command json")
COMMANDS = {
    "--version": Command(queries.version, _never, root="always"),
    "--prefix": Command(queries.show_prefix, _never, _flags("installed"), root="always"),
    "--cellar": Command(queries.show_cellar, _never, root="bare"),
    "--repository": Command(queries.show_repository, _never, root="bare"),
    "config": Command(queries.config, _never),
    "shellenv": Command(queries.shellenv, _never, root="always"),
    "list": Command(
        queries.list_,
        _never,
        _flags("formula cask versions pinned full-name one-per-line"),
        root="bare",
    ),
    "info": Command(described.info, _never, _flags("json installed formula cask")),
    "fetch": Command(
        queries.fetch, _never, _flags("formula deps force retry force-bottle bottle-tag")
    ),
    "outdated": Command(queries.show_outdated, _never, _flags("json formula cask greedy")),
    "deps": Command(queries.deps, _never, _flags("installed tree direct")),
    "leaves": Command(queries.leaves, _never, _flags("installed-on-request")),
    "services": Command(queries.services, _never, _flags("json all"), root="always"),
    "doctor": Command(queries.doctor, _never),
    "update": Command(queries.update, _always, _flags("force auto-update")),
    "install": Command(install.install, _installs, _INSTALL),
    "reinstall": Command(install.reinstall, _removes, _INSTALL),
    "upgrade": Command(install.upgrade, _upgrades, _INSTALL),
    "uninstall": Command(
        uninstall.uninstall, _removes, _flags("formula cask force ignore-dependencies zap")
    ),
    "link": Command(uninstall.link, _removes, _flags("force overwrite dry-run")),
    "unlink": Command(uninstall.unlink, _removes, _flags("dry-run")),
    "pin": Command(uninstall.pin, _removes),
    "unpin": Command(uninstall.unpin, _removes),
    "cleanup": Command(uninstall.cleanup, _cleans, _flags("dry-run prune")),
    "tap": Command(taps.tap, _taps_new, _flags("force custom-remote repair"), root="bare"),
    "untap": Command(taps.untap, _always, _flags("force")),
    "trust": Command(taps.trust_command, _trusts_new, _TRUST),
    "untrust": Command(taps.untrust_command, _untrusts, _TRUST - {"--json"}),
    "bundle": Command(
        bundle.bundle,
        _bundles,
        _flags("file no-upgrade upgrade force tap formula cask all jobs global"),
    ),
}
ALIASES = {
    "ls": "list",
    "rm": "uninstall",
    "remove": "uninstall",
    "-v": "--version",
    "ln": "link",
    "up": "update",
    "abv": "info",
    "instal": "install",
    "uninstal": "uninstall",
    "dr": "doctor",
}


def running_as_root() -> bool:
    """Whether `brew` was started by root or with `sudo`."""
    return os.geteuid() == 0


def main(argv: list[str], *, root: Path = Path("/")) -> int:
    """Run `brew` with `argv` (`argv[0]` is the program) and return its exit status."""
    word = argv[1] if len(argv) > 1 else ""
    name = ALIASES.get(word, word)
    prefix = Prefix(root, LAB_SOURCES)
    command = COMMANDS.get(name)
    if command is None or not _allowed(command, argv[2:]):
        record(argv, mutates=False)
        return _refuse(name, command)
    formulary = Formulary.load(newer=root / NEWER)
    try:
        args = parse(argv[2:], command.flags)
    except BrewError as problem:
        record(argv, mutates=False)
        error(str(problem))
        return 1
    record(argv, mutates=command.mutates(prefix, formulary, args))
    try:
        return command.run(prefix, formulary, args)
    except (BrewError, UnavailableError) as problem:
        error(str(problem))
        return 1


def _allowed(command: Command, words: list[str]) -> bool:
    bare = all(word.startswith("-") for word in words)
    return not running_as_root() or command.root == "always" or (command.root == "bare" and bare)


def _refuse(name: str, command: Command | None) -> int:
    if command is not None or (name and running_as_root()):
        error(ROOT_REFUSED)
    elif name in {"", "--help", "-h", "help"}:
        say(USAGE)
        return 0 if name else 1
    else:
        error(f"Unknown command: brew {name}")
    return 1
