"""Homebrew on the host and in the guest.

pyinfra's own brew operation is never idempotent for `node@22` or `user/tap/formula`, and reports
"nothing installed" where brew is not on the PATH of a plain SSH command
(reference/pyinfra.md §4, reference/macos.md §7).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Sequence
from contextlib import nullcontext

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.cache.wants import Plan
from clawkeep.profiles import HOMEBREW
from connectors.tart import TartConnector
from connectors.window import LONGEST, Window
from roles import cache
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

PREFIX = "/opt/homebrew"
BREW = f"{PREFIX}/bin/brew"

# brew 6 asks before it installs, and updates itself when it is in the mood.
QUIET = (
    "export HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_INSTALL_CLEANUP=1 HOMEBREW_NO_INSTALL_UPGRADE=1 "
    "HOMEBREW_NO_ENV_HINTS=1 HOMEBREW_NO_ANALYTICS=1 HOMEBREW_NO_ASK=1 NONINTERACTIVE=1"
)


def _kegs(answer: Answer) -> dict[str, list[str]] | None:
    """Read `Cellar/NAME/VERSION/INSTALL_RECEIPT.json` lines; None when there is no Homebrew."""
    if not answer.asked:
        return {}
    lines = answer.text.split()
    if BREW not in lines:
        return None
    kegs: dict[str, list[str]] = {}
    for line in lines:
        if line.endswith("/INSTALL_RECEIPT.json"):
            name, version = line.split("/")[-3:-1]
            kegs.setdefault(name, []).append(version)
    return kegs


#: Installed formulas and versions. The receipts are read, not `brew list`: that starts Ruby.
KEGS = Probe("kegs", f"ls -d {BREW} {PREFIX}/Cellar/*/*/INSTALL_RECEIPT.json", _kegs)


def formulas(
    name: str,
    names: Sequence[str],
    at_least: dict[str, str] | None = None,
    stock: Plan | None = None,
) -> None:
    """Have formulas installed; `user/tap/formula` is trusted by being named in full.

    `at_least` gives minimum versions by short name; older ones are upgraded. With a `stock`, what
    is missing comes from the host's cache alone, and no window opens.
    """
    want(KEGS)
    _formulas(name=name, names=list(names), at_least=dict(at_least or {}), stock=stock)


@operation()
def _formulas(
    names: list[str], at_least: dict[str, str], stock: Plan | None
) -> Generator[StringCommand, None, None]:
    kegs = ask(KEGS)
    if kegs is None:
        yield change(f"echo '{host.name}: no Homebrew at {PREFIX}; install it first' >&2; exit 1")
        return
    missing = [full for full in names if _short(full) not in kegs]
    old = [
        f for f in names if f not in missing and _older(kegs[_short(f)], at_least.get(_short(f)))
    ]
    if not missing and not old:
        host.noop(f"{len(names)} formulas are installed")
        return
    if stock:
        for formula in missing:
            told(formula, "from the cache", "+")
        found = cache.items(cache.keys(stock, "formula", missing))
        yield change(_from_cache(missing), stdin=cache.listed(found))
        return
    with provisioning_window(HOMEBREW) as window:
        proxy = window.environment if window else ""
        for formula in missing:
            told(formula, "installed", "+")
        for formula in old:
            told(formula, "upgraded")
        for verb, due in (("install", missing), ("upgrade", old)):
            if due:
                yield change(f"{QUIET}; {proxy} set -e; {_trust(due)}{_brew(verb, due)}")
    if at_least:
        yield change(_version_check(at_least))


# A tap is cloned as brew clones it, and called by its own address, or its formulas would need the
# trust of another one. brew 6 refuses bottles by path, and believes what it finds in its cache.
CLONE_TAP = r"""tap() {
  p="$(/opt/homebrew/bin/brew --repository)/Library/Taps/${1%/*}/homebrew-${1#*/}"
  if [ ! -d "$p" ]; then
    rm -rf "$p.new"; git clone --quiet --origin=origin "$d/taps/$1.bundle" "$p.new"
    git -C "$p.new" remote set-url origin "https://github.com/${1%/*}/homebrew-${1#*/}"
    mv "$p.new" "$p"
  fi
}
"""


def _from_cache(names: list[str]) -> str:
    """Return the script that installs formulas from what the host's cache has for them."""
    taps = dict.fromkeys(name.rpartition("/")[0] for name in names if name.count("/") == 2)
    lines = [
        f"d={PREFIX}/var/clawkeep/cached-formulas",
        cache.STAGE,
        *([CLONE_TAP] if taps else []),
        *(shlex.join(["tap", tap]) for tap in taps),
        f'{QUIET}; export HOMEBREW_CACHE="$d/homebrew"',
        f"{_trust(names)}{_brew('install', names)} </dev/null",
    ]
    return "\n".join(lines)


def _brew(verb: str, names: list[str]) -> str:
    return shlex.join([BREW, verb, "--quiet", *names])


def _trust(names: list[str]) -> str:
    """Return the command that trusts exactly the tapped formulas among `names`.

    brew 6 refuses formulas of third-party taps; a full name on `install` trusts only itself, not
    the formula of the same tap that it depends on (reference/macos.md §7).
    """
    tapped = [name for name in names if name.count("/") == 2]
    return f"{shlex.join([BREW, 'trust', '--formula', *tapped])} >/dev/null; " if tapped else ""


def _version_check(at_least: dict[str, str]) -> str:
    """Return a script that fails when a formula is still older than required."""
    lines = [
        f"v=$(ls {PREFIX}/Cellar/{name} | sort -t. -k1,1n -k2,2n -k3,3n | tail -n 1); "
        f'[ "$(printf "%s\\n%s\\n" {version} "$v" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = '
        f'{version} ] || {{ echo "{name} $v is older than {version}" >&2; exit 1; }}'
        for name, version in at_least.items()
    ]
    return "\n".join(lines)


def provisioning_window(names: Sequence[str]) -> Window | nullcontext[None]:
    """Return the guest's way to the internet for one command; the host needs none.

    What a guest lacks opens it, and a guest can see to it that it lacks something: so it is said.
    """
    connector = host.connector
    if not isinstance(connector, TartConnector) or not host.state.is_executing:
        return nullcontext()
    connector.connect()
    host.log(f"    window: open to {', '.join(names)} while this runs, at most {LONGEST}")
    return Window(connector.on_host.transport(), names)


def _short(formula: str) -> str:
    return formula.rsplit("/", 1)[-1]


def _older(versions: list[str], least: str | None) -> bool:
    return least is not None and max(map(_key, versions)) < _key(least)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
