"""`brew tap`, `untap`, `trust` and `untrust`.

Source: reference/macos.md §0, §7; Homebrew/brew Library/Homebrew/tap.rb, cmd/trust.rb,
cmd/untrust.rb, cmd/untap.rb (6.0.18).
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

from . import keg, trust
from .arguments import Arguments
from .download import clone
from .formulary import Formulary, is_core, split
from .layout import Prefix
from .output import BrewError, UsageError, heading, say, tell


def tapped(prefix: Prefix) -> list[str]:
    """Names of the tapped repositories, sorted: `openai/tools`."""
    if not prefix.taps.is_dir():
        return []
    found = prefix.taps.glob("*/homebrew-*")
    return sorted(
        f"{folder.parent.name}/{folder.name.removeprefix('homebrew-')}" for folder in found
    )


def tap_name(name: str) -> str:
    """`openai/tools` for `OpenAI/homebrew-tools`.

    Raises:
        BrewError: the name is not `user/repository`.
    """
    match = re.fullmatch(r"([\w-]+)/(?:homebrew-)?([\w-]+)", name.lower())
    if not match:
        raise BrewError(f"Invalid tap name: '{name}'")
    return f"{match[1]}/{match[2]}"


def add(prefix: Prefix, formulary: Formulary, name: str) -> None:
    """Clone a tap unless it is there.

    Raises:
        BrewError: the network or the name is at fault; nothing is left behind then.
    """
    if name in tapped(prefix) or is_core(name):
        return
    organisation, _, repository = name.partition("/")
    target = folder(prefix, name)
    tell(heading(f"Tapping {name}"), f"Cloning into '{prefix.shown(target)}'...")
    clone(prefix, name, target)
    if not formulary.tap_exists(name):
        remote = f"https://github.com/{organisation}/homebrew-{repository}"
        tell(f"remote: Repository not found.\nfatal: repository '{remote}/' not found")
        raise BrewError(f"Failure while executing; `git clone {remote}` exited with 128.")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except PermissionError as problem:
        raise BrewError(f"Permission denied @ dir_s_mkdir - {problem.filename}") from problem
    _commit(prefix, formulary, name, target)
    count = len(formulary.of_tap(name))
    tell(f"Tapped {count} formula{'e' * (count != 1)} ({count + 3} files, {count * 4}KB).")


def folder(prefix: Prefix, name: str) -> Path:
    """Return the repository of a tap."""
    organisation, _, repository = name.partition("/")
    return prefix.taps / organisation / f"homebrew-{repository}"


def _commit(prefix: Prefix, formulary: Formulary, name: str, target: Path) -> None:
    """Make the tap what a clone is: a git repository with its formulae, where there is git."""
    git = prefix.root / "usr/bin/git"
    if not git.exists():
        return
    (target / "Formula").mkdir()
    for formula in formulary.of_tap(name):
        text = f"# {formula.full_name} {formula.version}\n"
        (target / "Formula" / f"{formula.name}.rb").write_text(text)
    who = ["-c", "user.name=Lab", "-c", "user.email=lab@localhost", "-c", "safe.directory=*"]
    organisation, _, repository = name.partition("/")
    remote = f"https://github.com/{organisation}/homebrew-{repository}"
    for words in (
        ["init", "--quiet", "-b", "main"],
        ["remote", "add", "origin", remote],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "Formulae of the lab"],
    ):
        command = [str(git), *who, "-C", str(target), *words]
        subprocess.run(command, capture_output=True, check=True)


def tap_and_trust_item(prefix: Prefix, formulary: Formulary, name: str) -> None:
    """Do what naming `user/tap/formula` in full does: tap it, trust that one formula."""
    tap, short = split(name)
    if not tap or is_core(tap):
        return
    add(prefix, formulary, tap)
    known = any(formula.name == short for formula in formulary.of_tap(tap))
    if known and trust.add("formula", f"{tap}/{short}"):
        tell(heading(f"Trusted formula {tap}/{short}"))


def tap(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew tap [user/repository [URL]]`."""
    if not args.names:
        say(*tapped(prefix))
        return 0
    add(prefix, formulary, tap_name(args.names[0]))
    return 0


def untap(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew untap user/repository …`; refuses while one of its formulae is installed."""
    status = 0
    for name in map(tap_name, args.names):
        if name not in tapped(prefix):
            raise BrewError(f"No available tap {name}.")
        users = [
            formula.full_name
            for formula in formulary.of_tap(name)
            if keg.tap_of(prefix, formula.name) == name
        ]
        if users and not args.has("--force"):
            listed = "\n".join(users)
            tell(
                f"Error: Refusing to untap {name} because it contains the following installed "
                f"formulae:\n{listed}"
            )
            status = 1
            continue
        tell(f"Untapping {name}...")
        shutil.rmtree(folder(prefix, name))
        tell(f"Untapped {len(formulary.of_tap(name))} formulae.")
    return status


def trust_command(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew trust [--formula|--tap|…] [--json=v1] [name …]`."""
    kinds = [kind for kind in trust.KINDS if args.has(f"--{kind}")] or list(trust.KINDS)
    if args.has("--json"):
        if args.flags["--json"] != "v1":
            raise UsageError(f"invalid JSON version: {args.flags['--json']}")
        found = {trust.PLURALS[kind]: trust.entries(kind) for kind in kinds}
        say(json.dumps(found if len(kinds) > 1 else found[trust.PLURALS[kinds[0]]], indent=2))
        return 0
    if not args.names:
        _list_trusted(kinds)
    for name in args.names:
        kind, target = _target(prefix, formulary, name, args)
        if kind == "tap" and is_core(target):
            say(f"Official tap {target} is always trusted.")
            continue
        say(f"{'Trusted' if trust.add(kind, target) else 'Already trusted'} {kind}: {target}")
    return 0


def untrust_command(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew untrust [--formula|--tap|…] [name …]`; a tap takes its items along."""
    if not args.names:
        untrusted = [name for name in tapped(prefix) if name not in trust.entries("tap")]
        say(*(["Untrusted taps:", *(f"  {name}" for name in untrusted)] if untrusted else []))
        if not untrusted:
            say("No untrusted taps, formulae, casks or commands.")
    for name in args.names:
        kind, target = _target(prefix, formulary, name, args)
        removed = trust.discard(kind, target)
        if kind == "tap":
            for item in ("formula", "cask", "command"):
                for entry in trust.entries(item):
                    if entry.startswith(f"{target}/"):
                        removed = trust.discard(item, entry) or removed
        say(f"{'Untrusted' if removed else 'Not trusted'} {kind}: {target}")
    return 0


def _list_trusted(kinds: list[str]) -> None:
    say("All official taps and commands are trusted.")
    found = {kind: trust.entries(kind) for kind in kinds}
    for kind, names in found.items():
        if names:
            say(f"Trusted {trust.PLURALS[kind]}:", *(f"  {name}" for name in names))
    if not any(found.values()):
        say("No trusted taps, formulae, casks or commands.")


def _target(prefix: Prefix, formulary: Formulary, name: str, args: Arguments) -> tuple[str, str]:
    kinds = [kind for kind in trust.KINDS if args.has(f"--{kind}")]
    if kinds == ["tap"] or (not kinds and name.count("/") == 1):
        return "tap", tap_name(name)
    user_tap, short = split(name)
    if not user_tap:
        noun = {"formula": "Formulae", "cask": "Casks", "command": "Commands"}
        if kinds:
            raise UsageError(f"{noun[kinds[0]]} must be fully-qualified as <user>/<tap>/<name>.")
        raise UsageError(
            "Trust targets must be fully-qualified tap, formula, cask or command names."
        )
    if kinds:
        return kinds[0], f"{user_tap}/{short}"
    known = [formula.name for formula in formulary.of_tap(user_tap)]
    seen = user_tap in tapped(prefix) and short in known
    if seen or f"{user_tap}/{short}" in trust.entries("formula"):
        return "formula", f"{user_tap}/{short}"
    raise UsageError(f"No formula, cask or command found for {name}.")
