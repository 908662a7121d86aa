"""Swift's ArgumentParser, as far as tart uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import UsageError


@dataclass(frozen=True)
class Command:
    """One subcommand's words.

    Attributes:
        positionals: names in order; `…` at the end of one: the rest, at least one; `?`: optional.
        options: long names that take a value; `x|name` adds the short form.
        flags: long names that do not; same.
        repeated: options whose values add up; others keep the last one.
        passthrough: the last positional takes every remaining word, options too.
    """

    name: str
    positionals: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    passthrough: bool = False

    def usage(self) -> str:
        """Return the usage line and the hint under it."""
        words = [f"[--{_long(name)} <{_long(name)}>]" for name in self.options]
        words += [f"[--{name} <{name}> ...]" for name in self.repeated]
        words += [f"[--{_long(flag)}]" for flag in self.flags]
        for name in self.positionals:
            shown = f"<{name.rstrip('…?')}>" + (" ..." if name.endswith("…") else "")
            words.append(f"[{shown}]" if name.endswith("?") else shown)
        line = " ".join(["tart", self.name, *words])
        return f"Usage: {line}\n  See 'tart {self.name} --help' for more information."


@dataclass
class Values:
    """The words of one call, sorted."""

    positionals: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, list[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    def integer(self, name: str, top: int = 2**64 - 1) -> int | None:
        """Return an option as an unsigned integer up to `top`. Raises UsageError."""
        text = self.options.get(name)
        if text is None:
            return None
        if not text.isdecimal() or int(text) > top:
            raise UsageError(f"The value '{text}' is invalid for '--{name} <{name}>'")
        return int(text)


def _long(flag: str) -> str:
    return flag.rpartition("|")[2]


def parse(command: Command, words: list[str]) -> Values:
    """Sort the words after the subcommand. Raises UsageError."""
    values = Values(repeated={name: [] for name in command.repeated})
    spelt = (*command.flags, *command.options)
    shorts = {word[0]: f"--{_long(word)}" for word in spelt if "|" in word}
    rest = list(words)
    only_positionals = False
    while rest:
        word = rest.pop(0)
        if command.passthrough and values.positionals:
            values.positionals += [word, *rest]
            break
        if only_positionals or not word.startswith("-") or word == "-":
            values.positionals.append(word)
        elif word == "--":
            only_positionals = True
        elif word.startswith("--"):
            _long_word(command, values, word, rest)
        else:
            rest = _spelt_out(shorts, word) + rest
    _check_positionals(command, values.positionals)
    return values


def _long_word(command: Command, values: Values, word: str, rest: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    if name in map(_long, command.flags) and not equals:
        values.flags.add(name)
        return
    if name not in map(_long, command.options) and name not in command.repeated:
        raise UsageError(f"Unknown option '--{name}'")
    if not equals:
        if not rest or rest[0].startswith("-"):
            raise UsageError(f"Missing value for '--{name} <{name}>'")
        value = rest.pop(0)
    _store(values, name, value)


def _spelt_out(shorts: dict[str, str], word: str) -> list[str]:
    """Write `-it` as its long words. Raises UsageError."""
    try:
        return [shorts[letter] for letter in word[1:]]
    except KeyError as error:
        raise UsageError(f"Unknown option '{word}'") from error


def _store(values: Values, name: str, value: str) -> None:
    if name in values.repeated:
        values.repeated[name].append(value)
    else:
        values.options[name] = value


def _check_positionals(command: Command, given: list[str]) -> None:
    needed = [name for name in command.positionals if not name.endswith("?")]
    if len(given) < len(needed):
        raise UsageError(f"Missing expected argument '<{needed[len(given)].rstrip('…')}>'")
    endless = command.passthrough or any(name.endswith("…") for name in command.positionals)
    if not endless and len(given) > len(command.positionals):
        raise UsageError(f"Unexpected argument '{given[len(command.positionals)]}'")
