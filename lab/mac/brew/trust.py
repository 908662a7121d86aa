"""Tap trust: whose formulae may be loaded, per user.

Source: reference/macos.md §7; Homebrew/brew docs/Tap-Trust.md, Library/Homebrew/trust.rb (6.0.18).
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .formulary import Formula, is_core
from .output import BrewError

KINDS = {
    "tap": "trustedtaps",
    "formula": "trustedformulae",
    "cask": "trustedcasks",
    "command": "trustedcommands",
}
PLURALS = {"tap": "taps", "formula": "formulae", "cask": "casks", "command": "commands"}


def store_path() -> Path:
    """`~/.homebrew/trust.json`, or under `$XDG_CONFIG_HOME/homebrew`.

    `~` is `$HOME`: `sudo -u admin brew …` without `-H` looks into the caller's home.
    """
    config = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(config) / "homebrew" if config else Path(os.environ["HOME"]) / ".homebrew"
    return folder / "trust.json"


def read() -> dict[str, list[str]]:
    """Return the store; empty when there is none or it is not readable JSON."""
    try:
        content = json.loads(store_path().read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: [str(entry).lower() for entry in entries] for key, entries in content.items()}


def entries(kind: str) -> list[str]:
    """Trusted names of one kind (`tap`, `formula`, `cask`, `command`)."""
    return read().get(KINDS[kind], [])


def trusted_formula(formula: Formula) -> bool:
    """Whether the formula may be loaded without being named in full."""
    if is_core(formula.tap) or "HOMEBREW_NO_REQUIRE_TAP_TRUST" in os.environ:
        return True
    return formula.tap in entries("tap") or formula.full_name in entries("formula")


def require(formula: Formula, named: Iterable[str] = ()) -> None:
    """Refuse a formula whose tap is not trusted.

    `named` are the words of the command line: an item, or a tap, that is named there in full is
    allowed for this command. A dependency is not, unless it is named too.

    Raises:
        BrewError: with Homebrew's two ways out.
    """
    words = {word.lower() for word in named}
    if trusted_formula(formula) or words & {formula.full_name, formula.tap}:
        return
    raise BrewError(
        f"Refusing to load formula {formula.full_name} from untrusted tap {formula.tap}.\n"
        f"Run `brew trust --formula {formula.full_name}` or `brew trust {formula.tap}` to trust it."
    )


def add(kind: str, name: str) -> bool:
    """Trust one name; False when it already was."""
    with _locked():
        store = read()
        names = store.setdefault(KINDS[kind], [])
        if name.lower() in names:
            return False
        store[KINDS[kind]] = sorted([*names, name.lower()])
        _write(store)
        return True


def discard(kind: str, name: str) -> bool:
    """Stop trusting one name; False when it was not trusted."""
    with _locked():
        store = read()
        names = store.get(KINDS[kind], [])
        if name.lower() not in names:
            return False
        names.remove(name.lower())
        store[KINDS[kind]] = names
        _write({key: value for key, value in store.items() if value})
        return True


def replace(targets: Iterable[tuple[str, str]]) -> None:
    """Make the store hold exactly these (kind, name) pairs, as a forced bundle cleanup does."""
    store: dict[str, list[str]] = {}
    for kind, name in targets:
        store[KINDS[kind]] = sorted({*store.get(KINDS[kind], []), name.lower()})
    with _locked():
        _write(store)


@contextmanager
def _locked() -> Iterator[None]:
    path = store_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_secure(path.parent, "trust store directory")
        with path.with_name("trust.json.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except PermissionError as problem:
        raise BrewError(f"Permission denied @ {problem.filename}") from problem


def _require_secure(path: Path, what: str) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        problem = "is not owned by the current user"
    elif status.st_mode & 0o022:
        problem = "is group or world writable"
    else:
        return
    raise BrewError(f"Refusing to write insecure trust store: {what} {path} {problem}.")


def _write(store: dict[str, list[str]]) -> None:
    path = store_path()
    if path.exists():
        _require_secure(path, "trust store")
    if not store:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_name(f".trust.json.{os.getpid()}")
    fresh.write_text(json.dumps(store, indent=2) + "\n")
    fresh.chmod(0o600)
    fresh.replace(path)
