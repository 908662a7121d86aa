"""Reading a Brewfile: the Ruby subset that people write in one.

Source: reference/macos.md §7; Homebrew/brew docs/Brew-Bundle-and-Brewfile.md, bundle/dsl.rb.
"""

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .output import BrewError

ENTRY = re.compile(r"""(tap|brew|cask)\s*\(?\s*(["'])([^"']+)\2\s*(?:,\s*(.*?))?\)?$""")
TRUSTED_ITEMS = re.compile(r"(formulae?|casks?|commands?):\s*(\[[^\]]*\]|\"[^\"]*\")")


@dataclass(frozen=True)
class Entry:
    """One line: its kind (`tap`, `brew`, `cask`), its name and what it says about trust and links.

    `trusts` are (kind, full name) pairs for the trust store; `link` is None when not said.
    """

    kind: str
    name: str
    trusts: tuple[tuple[str, str], ...] = ()
    link: bool | None = None


def read(file: str) -> list[Entry]:
    """Return the entries of a Brewfile; `-` is stdin, an empty name `./Brewfile`.

    Raises:
        BrewError: there is no such file, or a line is not a Brewfile's.
    """
    try:
        text = _stdin() if file == "-" else Path(file or "Brewfile").read_text()
    except FileNotFoundError:
        raise BrewError("No Brewfile found") from None
    return parse(text)


@cache
def _stdin() -> str:
    """Read standard input, once for the log and the work together."""
    return sys.stdin.read()


def parse(text: str) -> list[Entry]:
    """Return the entries of a Brewfile's text; an option may go on in the next line after a comma.

    Raises:
        BrewError: a line is neither an entry, a comment nor `cask_args`.
    """
    entries = []
    for line in re.sub(r"([,{\[])\s*\n\s*", r"\1 ", _without_comments(text)).splitlines():
        words = line.strip()
        if not words or words.startswith("cask_args"):
            continue
        match = ENTRY.match(words)
        if not match:
            raise BrewError(f"Invalid Brewfile: undefined method or syntax error in `{words}`")
        entries.append(_entry(match[1], match[3].lower(), match[4] or ""))
    return entries


def _without_comments(text: str) -> str:
    lines = (
        re.sub(r"""\s*#(?=([^"']*["'][^"']*["'])*[^"']*$).*""", "", line)
        for line in text.splitlines()
    )
    return "\n".join(lines)


def _entry(kind: str, name: str, options: str) -> Entry:
    if kind == "tap":
        name = name.replace("/homebrew-", "/")
    link = re.search(r"\blink:\s*(true|false)", options)
    return Entry(
        kind, name, tuple(_trusts(kind, name, options)), link[1] == "true" if link else None
    )


def _trusts(kind: str, name: str, options: str) -> list[tuple[str, str]]:
    if re.search(r"\btrusted:\s*true\b", options):
        if kind == "tap":
            return [("tap", name)]
        # An unqualified name maps to no tap, so there is nothing to trust.
        return [("formula" if kind == "brew" else "cask", name)] if name.count("/") == 2 else []
    if kind != "tap" or "trusted:" not in options:
        return []
    return [
        (
            {"f": "formula", "c": "cask"}.get(key[0], "") if key[:2] != "co" else "command",
            f"{name}/{item}",
        )
        for key, value in TRUSTED_ITEMS.findall(options)
        for item in re.findall(r'"([^"]+)"', value)
    ]
