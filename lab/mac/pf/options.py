"""pfctl's command line. Source: pfctl(8); reference/pf-grammar.md (exit status)."""

from __future__ import annotations

import getopt
from dataclasses import dataclass, field

USAGE = """\
usage: pfctl [-AdeghmNnOPqRrvz] [-a anchor] [-D macro=value] [-F modifier]
\t[-f file] [-i interface] [-K host | network] [-k host | network]
\t[-o level] [-p device] [-s modifier]
\t[-t table -T command [address ...]] [-w interval] [-x level] [-E] [-X token]
"""
SHOW = (
    "nat", "queue", "rules", "Anchors", "Sources", "states", "info", "Interfaces", "labels",
    "timeouts", "memory", "Tables", "osfp", "References", "dummynet", "all",
)  # fmt: skip
CLEAR = ("nat", "queue", "rules", "Sources", "states", "info", "Tables", "osfp", "dummynet", "all")
TABLE = (
    "kill", "flush", "add", "delete", "load", "replace", "show", "test", "zero", "expire",
)  # fmt: skip
MAX_PATH = 1023


class UsageError(Exception):
    """The command line is wrong; the message, if any, comes before the usage text."""


@dataclass
class Options:
    """What was asked for."""

    anchor: str = ""
    recurse: bool = False
    file: str | None = None
    no_action: bool = False
    verbose: int = 0
    quiet: bool = False
    show: str | None = None
    clear: str | None = None
    table: str | None = None
    table_command: str | None = None
    addresses: list[str] = field(default_factory=list)
    killers: list[str] = field(default_factory=list)
    enable: bool = False
    disable: bool = False
    take_token: bool = False
    release_token: str | None = None
    zero: bool = False
    macros: dict[str, str] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)

    @property
    def mutates(self) -> bool:
        """Whether carrying this out changes pf."""
        if self.no_action:
            return False
        changes = self.file, self.clear, self.killers, self.take_token, self.release_token
        table = self.table_command not in {None, "show", "test"}
        return any((*changes, self.enable, self.disable, self.zero, table))


def parse_options(arguments: list[str]) -> Options:
    """Read the command line. Raises UsageError."""
    try:
        pairs, rest = getopt.getopt(arguments, "a:AdD:eEf:F:ghi:k:K:mnNo:OPp:qrRs:t:T:vw:x:X:z")
    except getopt.GetoptError as problem:
        raise UsageError(f"pfctl: illegal option -- {problem.opt}") from None
    options = Options()
    for flag, value in pairs:
        _one(options, flag, value)
    if (options.table_command is None and rest) or not pairs:
        raise UsageError
    if (options.table is None) != (options.table_command is None):
        raise UsageError
    options.addresses = rest
    return options


_PLAIN = {
    "-d": "disable", "-e": "enable", "-E": "take_token", "-n": "no_action", "-q": "quiet",
    "-z": "zero",
}  # fmt: skip
_PARTS = {"-N": "nat", "-R": "filter", "-O": "options", "-A": "altq"}
_LISTED = {"-s": ("show", SHOW), "-F": ("clear", CLEAR), "-T": ("table_command", TABLE)}
_VALUES = {"-f": "file", "-t": "table", "-X": "release_token"}
_WORDS = {"-s": "show modifier", "-F": "flush modifier", "-T": "table command"}


def _one(options: Options, flag: str, value: str) -> None:
    if flag in _PLAIN:
        setattr(options, _PLAIN[flag], True)
    elif flag in _PARTS:
        options.parts.add(_PARTS[flag])
    elif flag in _LISTED:
        name, known = _LISTED[flag]
        found = next((one for one in known if value and one.startswith(value)), None)
        if found is None:
            raise UsageError(f"pfctl: Unknown {_WORDS[flag]} '{value}'")
        setattr(options, name, found)
    elif flag in _VALUES:
        setattr(options, _VALUES[flag], value)
    else:
        _other(options, flag, value)


def _other(options: Options, flag: str, value: str) -> None:
    if flag == "-a":
        options.recurse = value.endswith("*")
        options.anchor = value.removesuffix("*").removesuffix("/") if options.recurse else value
    elif flag == "-D":
        name, equals, text = value.rpartition("=")
        if not equals:
            raise UsageError(f"pfctl: could not parse macro definition {value}")
        options.macros[name] = text
    elif flag == "-v":
        options.verbose += 1
    elif flag == "-k":
        options.killers.append(value)
    if flag == "-h" or len(options.killers) > 2:
        raise UsageError
