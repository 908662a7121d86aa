"""From formulae to kegs: dependencies, checks, locks, downloads, pouring, linking, caveats.

Source: reference/macos.md §7; Homebrew/brew Library/Homebrew/install.rb, formula_installer.rb,
ask.rb, diagnostic.rb, lock_file.rb (6.0.18).
"""

import fcntl
import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import keg, taps, trust
from .arguments import Arguments
from .download import extracted, fetch_formulae
from .formulary import Formula, Formulary
from .layout import HOMEBREW, Prefix
from .output import BrewError, error, heading, say, warn


def outdated(prefix: Prefix, formula: Formula) -> bool:
    """Whether the formula is installed, but not in its current version."""
    kegs = keg.versions(prefix, formula.name)
    return bool(kegs) and formula.version not in kegs


def load(prefix: Prefix, formulary: Formulary, name: str, line: list[str]) -> Formula:
    """Return the formula, once its tap is trusted.

    Raises:
        UnavailableError: no such formula.
        BrewError: its tap is not trusted.
    """
    formula = formulary.find(name, taps.tapped(prefix))
    trust.require(formula, line)
    return formula


def pour_all(prefix: Prefix, formulary: Formulary, wanted: list[Formula], args: Arguments) -> None:
    """Install the formulae and what they need, or nothing when something cannot be had.

    Raises:
        BrewError: untrusted dependency, unwritable prefix, another `brew`, failed download.
    """
    plan = _with_dependencies(prefix, formulary, wanted, args.line)
    _require_writable(prefix)
    for formula in plan:
        if formula.deprecated:
            warn(f"{formula.full_name} has been deprecated {formula.deprecated}")
        if keg.missing_sources(prefix, formula):
            keg.pour(prefix, formula, on_request=True)
    if args.has("--dry-run"):
        say(heading(f"Would install {len(plan)} formula{'e' * (len(plan) > 1)}:"))
        say(" ".join(formula.name for formula in plan))
        return
    _ask(plan, wanted)
    with _locks(prefix, plan, args):
        fetch_formulae(prefix, plan)
        for formula in plan:
            extracted(prefix, formula)
            _pour_and_link(prefix, formula, on_request=formula in wanted)


def _with_dependencies(
    prefix: Prefix, formulary: Formulary, wanted: list[Formula], line: list[str]
) -> list[Formula]:
    """Dependencies first. One from a tap that is not trusted is refused like any other formula."""
    plan: list[Formula] = []

    def add(formula: Formula) -> None:
        for name in formula.dependencies:
            dependency = load(prefix, formulary, name, line)
            if not keg.versions(prefix, dependency.name) or outdated(prefix, dependency):
                add(dependency)
        if formula not in plan:
            plan.append(formula)

    for formula in wanted:
        add(formula)
    return plan


def _require_writable(prefix: Prefix) -> None:
    folders = prefix.unwritable()
    if not folders:
        return
    shown, words, user = "\n".join(folders), " ".join(folders), getpass.getuser()
    raise BrewError(
        f"The following directories are not writable by your user:\n{shown}\n\n"
        f"You should change the ownership of these directories to your user.\n"
        f"  sudo chown -R {user} {words}\n\n"
        f"And make sure that your user has write permission.\n  chmod u+w {words}"
    )


def _ask(plan: list[Formula], wanted: list[Formula]) -> None:
    """Ask mode: only on a terminal, and only when more is installed than was named."""
    if "HOMEBREW_NO_ASK" in os.environ or len(plan) == len(wanted):
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    say(heading("Do you want to proceed with the installation? [y/n]"))
    if sys.stdin.readline().strip().lower() != "y":
        raise SystemExit(1)


@contextmanager
def _locks(prefix: Prefix, plan: list[Formula], args: Arguments) -> Iterator[None]:
    """One lock per formula, as long as it is being installed."""
    held = []
    try:
        for formula in plan:
            path = prefix.state("locks") / f"{formula.name}.formula.lock"
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
            held.append(handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BrewError(
                    f"A `brew install {' '.join(args.line)}` process has already locked "
                    f"{HOMEBREW}/Cellar/{formula.name}.\n"
                    "Please wait for it to finish or terminate it to continue."
                ) from None
        yield
    finally:
        for handle in held:
            handle.close()


def _pour_and_link(prefix: Prefix, formula: Formula, *, on_request: bool) -> None:
    before = keg.versions(prefix, formula.name)
    on_request = on_request or bool(keg.receipt(prefix, formula.name).get("installed_on_request"))
    say(heading(f"Pouring {formula.name}--{formula.version}.arm64_sequoia.bottle.tar.gz"))
    keg.unlink(prefix, formula.name)
    folder = keg.pour(prefix, formula, on_request=on_request)
    if not formula.keg_only:
        try:
            keg.link(prefix, formula.name, formula.version)
        except BrewError as problem:
            error("The `brew link` step did not complete successfully")
            say(f"The formula built, but is not symlinked into {HOMEBREW}", str(problem))
    _tell_caveats(formula)
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    size = sum(path.lstat().st_size for path in files) / 1024
    say(f"🍺  {HOMEBREW}/Cellar/{formula.name}/{formula.version}: {len(files)} files, {size:.1f}KB")
    if "HOMEBREW_NO_INSTALL_CLEANUP" not in os.environ:
        for version in before:
            if version != formula.version:
                say(f"Removing: {HOMEBREW}/Cellar/{formula.name}/{version}...")
                keg.remove(prefix, formula.name, version)


def _tell_caveats(formula: Formula) -> None:
    words = formula.caveats.splitlines()
    if formula.keg_only:
        words += [
            f"{formula.name} is keg-only, which means it was not symlinked into {HOMEBREW},",
            f"because {formula.keg_only}.",
            "",
            f"If you need to have {formula.name} first in your PATH, run:",
            f"  echo 'export PATH=\"{HOMEBREW}/opt/{formula.name}/bin:$PATH\"' >> ~/.zshrc",
        ]
    if words:
        say(heading("Caveats"), *words)
