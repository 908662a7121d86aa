"""The words after `brew <command>`: switches, `--name=value` flags and names.

Source: Homebrew/brew Library/Homebrew/cli/parser.rb.
"""

from dataclasses import dataclass, field

from .output import BrewError

GLOBAL_SWITCHES = {"-q": "--quiet", "-v": "--verbose", "-d": "--debug", "-h": "--help"}
SAME = {
    "--formulae": "--formula",
    "--casks": "--cask",
    "--taps": "--tap",
    "--commands": "--command",
    "-f": "--force",
    "-n": "--dry-run",
    "-1": "--one-per-line",
    "-s": "--build-from-source",
    **GLOBAL_SWITCHES,
}
VALUED = frozenset({"--file", "--json", "--jobs", "--prune", "--bottle-arch", "--bottle-tag"})


@dataclass(frozen=True)
class Arguments:
    """A parsed command line; `line` is all of it, as Homebrew's `ARGV`."""

    names: list[str] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)
    line: list[str] = field(default_factory=list)

    def has(self, flag: str) -> bool:
        """Whether the switch or flag was given."""
        return flag in self.flags


def parse(words: list[str], allowed: frozenset[str]) -> Arguments:
    """Sort the words into names and flags.

    Raises:
        BrewError: a flag that the command does not know, or one that lacks its value.
    """
    names: list[str] = []
    flags: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word == "--":
            names.extend(rest)
        elif not word.startswith("-") or word == "-":
            names.append(word)
        else:
            flag, joined, value = word.partition("=")
            flag = SAME.get(flag, flag)
            if flag not in allowed and flag not in GLOBAL_SWITCHES.values():
                raise BrewError(f"invalid option: {word}")
            if flag in VALUED and not joined and flag != "--json":
                value = next(rest, "")
                if not value:
                    raise BrewError(f"missing argument: {word}")
            flags[flag] = value
    return Arguments(names, flags, words)
