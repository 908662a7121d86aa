"""`brew uninstall`, `link`, `unlink`, `pin`, `unpin` and `cleanup`.

Source: Homebrew/brew Library/Homebrew/cmd/uninstall.rb, uninstall.rb, cmd/link.rb (6.0.18).
"""

from . import keg, trust
from .arguments import Arguments
from .formulary import CORE, Formulary, split
from .layout import HOMEBREW, Prefix
from .output import BrewError, error, heading, say, warn


def dependents(prefix: Prefix, name: str) -> list[str]:
    """Installed formulae that need `name`."""
    return [
        other
        for other in keg.installed(prefix)
        for need in keg.receipt(prefix, other).get("runtime_dependencies", [])
        if split(need["full_name"])[1] == name
    ]


def unneeded(prefix: Prefix) -> list[str]:
    """Formulae that came as dependencies and are needed by none any more."""
    return [
        name
        for name in keg.installed(prefix)
        if keg.receipt(prefix, name).get("installed_as_dependency") and not dependents(prefix, name)
    ]


def uninstall(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """Remove kegs, their links and their trust; then what nothing needs any more.

    Raises:
        BrewError: another installed formula needs it.
    """
    status = 0
    names = [split(name)[1] for name in args.names]
    for name in names:
        kegs = keg.versions(prefix, name)
        if not kegs:
            if not args.has("--force"):
                error(f"No such keg: {HOMEBREW}/Cellar/{name}")
                status = 1
            continue
        _require_unneeded(prefix, name, names, args)
        tap = keg.tap_of(prefix, name)
        for version in kegs:
            _remove(prefix, name, version)
        if tap not in {"", CORE, *trust.entries("tap")}:
            trust.discard("formula", f"{tap}/{name}")
    left = unneeded(prefix)
    if left:
        say(heading(f"Autoremoving {len(left)} unneeded formula{'e' * (len(left) > 1)}:"), *left)
        for name in left:
            for version in keg.versions(prefix, name):
                _remove(prefix, name, version)
    return status


def _require_unneeded(prefix: Prefix, name: str, going: list[str], args: Arguments) -> None:
    users = [user for user in dependents(prefix, name) if user not in going]
    if not users or args.has("--ignore-dependencies") or args.has("--force"):
        return
    version = keg.versions(prefix, name)[-1]
    raise BrewError(
        f"Refusing to uninstall {HOMEBREW}/Cellar/{name}/{version}\n"
        f"because it is required by {', '.join(users)}, which is currently installed.\n"
        "You can override this and force removal with:\n"
        f"  brew uninstall --ignore-dependencies {name}"
    )


def _remove(prefix: Prefix, name: str, version: str) -> None:
    say(f"Uninstalling {HOMEBREW}/Cellar/{name}/{version}...")
    try:
        keg.remove(prefix, name, version)
    except PermissionError as problem:
        raise BrewError(
            f"Could not remove {name} keg! Do so manually:\n  sudo rm -rf {problem.filename}"
        ) from problem


def link(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew link f`: a keg-only formula only with `--force`."""
    for name in (split(name)[1] for name in args.names):
        kegs = keg.versions(prefix, name)
        if not kegs:
            raise BrewError(f"No such keg: {HOMEBREW}/Cellar/{name}")
        formula = formulary.find(name, [keg.tap_of(prefix, name)])
        if keg.linked_version(prefix, name):
            warn(f"Already linked: {HOMEBREW}/Cellar/{name}/{kegs[-1]}")
        elif formula.keg_only and not args.has("--force"):
            warn(f"{name} is keg-only and must be linked with `--force`.")
        else:
            count = keg.link(prefix, name, kegs[-1])
            say(f"Linking {HOMEBREW}/Cellar/{name}/{kegs[-1]}... {count} symlinks created.")
    return 0


def unlink(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew unlink f`."""
    for name in (split(name)[1] for name in args.names):
        kegs = keg.versions(prefix, name)
        if not kegs:
            raise BrewError(f"No such keg: {HOMEBREW}/Cellar/{name}")
        count = keg.unlink(prefix, name)
        say(f"Unlinking {HOMEBREW}/Cellar/{name}/{kegs[-1]}... {count} symlinks removed.")
    return 0


def pin(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew pin f`: `brew upgrade` leaves it alone."""
    for name in (split(name)[1] for name in args.names):
        kegs = keg.versions(prefix, name)
        if not kegs:
            raise BrewError(f"{name} not installed")
        where = prefix.state("pinned") / name
        if where.is_symlink():
            warn(f"{name} already pinned")
            continue
        where.symlink_to(f"../../../Cellar/{name}/{kegs[-1]}")
    return 0


def unpin(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew unpin f`."""
    for name in (split(name)[1] for name in args.names):
        where = prefix.state("pinned") / name
        if where.is_symlink():
            where.unlink()
        else:
            warn(f"{name} not pinned")
    return 0


def superseded(prefix: Prefix) -> list[tuple[str, str]]:
    """Return (formula, version) of kegs that a newer one replaced."""
    return [
        (name, version)
        for name in keg.installed(prefix)
        for version in keg.versions(prefix, name)[:-1]
    ]


def cleanup(prefix: Prefix, _formulary: Formulary, args: Arguments) -> int:
    """`brew cleanup [-n]`: drop superseded kegs."""
    for name, version in superseded(prefix):
        verb = "Would remove" if args.has("--dry-run") else "Removing"
        say(f"{verb}: {HOMEBREW}/Cellar/{name}/{version}...")
        if not args.has("--dry-run"):
            keg.remove(prefix, name, version)
    return 0
