"""The state of one parse: tokens ahead, macros, what was collected, what was complained about.

Source: reference/pf-grammar.md (exit status and messages; statement order; inline anchors).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ..environment import Environment
from ..lexer import Lexer, Token
from ..rules import Address, Rule

OPTION, SCRUB, QUEUE, TRANSLATION, FILTER = range(1, 6)
MAX_ANCHOR_NAME = 63
ORDER = "Rules must be in order: options, normalization, queueing, translation, filtering"


class StatementError(Exception):
    """The statement is wrong and its error is already reported."""


@dataclass
class Table:
    """A `table` statement. `entries` are addresses (possibly negated)."""

    name: str
    const: bool = False
    persist: bool = False
    initialised: bool = False
    entries: list[Address] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@dataclass
class Parsed:
    """What a file says. `rulesets` is keyed by anchor path below the anchor being loaded."""

    rulesets: dict[str, list[Rule]] = field(default_factory=lambda: {"": []})
    tables: list[Table] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    skipped: list[str] | None = None
    load_anchors: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    echo: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Context:
    """Tokens with one of look-ahead, and everything a statement may change."""

    def __init__(
        self, text: str, name: str, environment: Environment, macros: dict[str, str], anchor: str
    ) -> None:
        self.fixed_macros = frozenset(macros)
        self.macros = dict(macros)
        self.environment = environment
        self.anchor = anchor
        self.parsed = Parsed()
        self.order = 0
        self.require_order = True
        self.block_policy = "drop"
        self.if_bound = False
        self.inside: list[str] = []
        self.unnamed = 0
        self._files: list[tuple[str, Lexer]] = [(name, Lexer(text, self.macros))]
        self._ahead: Token | None = None
        self._where = (name, 1)

    # -- tokens ---------------------------------------------------------------------------------

    def peek(self) -> Token:
        """Look at the next token."""
        if self._ahead is None:
            self._ahead = self._read()
        return self._ahead

    def next(self) -> Token:
        """Take the next token."""
        token = self.peek()
        self._ahead = None
        return token

    def _read(self) -> Token:
        name, lexer = self._files[-1]
        token = lexer.token()
        self._where = (name, lexer.line)
        if lexer.complaint:
            self.complain(lexer.complaint)
        if token.kind == "EOF" and len(self._files) > 1:
            self._files.pop()
            return self._read()
        return token

    def include(self, name: str, text: str) -> None:
        """Read `text` (the file `name`) before the rest of the present file."""
        self._files.append((name, Lexer(text, self.macros)))

    @property
    def depth(self) -> int:
        """How many files are being read inside one another."""
        return len(self._files)

    def accept(self, kind: str) -> Token | None:
        """Take the next token if it is of this kind."""
        return self.next() if self.peek().kind == kind else None

    def expect(self, *kinds: str) -> Token:
        """Take the next token, which must be of one of these kinds."""
        if self.peek().kind not in kinds:
            self.syntax_error()
        return self.next()

    def newlines(self) -> None:
        """Skip newlines, where the grammar allows them (inside braces)."""
        while self.accept("\n"):
            pass

    # -- errors ---------------------------------------------------------------------------------

    def complain(self, message: str) -> None:
        """Report an error at the present line; parsing goes on."""
        name, line = self._where
        self.parsed.errors.append(f"{name}:{line}: {message}")

    def fail(self, message: str) -> NoReturn:
        """Report an error and give the statement up."""
        self.complain(message)
        raise StatementError

    def syntax_error(self) -> NoReturn:
        """Report the only error that the grammar itself has."""
        self.fail("syntax error")

    # -- what statements need -------------------------------------------------------------------

    def enter(self, section: int) -> None:
        """Check the order of statements and move on to `section`."""
        if self.require_order and self.order > section:
            self.fail(ORDER)
        self.order = section

    def add(self, rule: Rule) -> None:
        """Append a rule to the ruleset being read."""
        self.parsed.rulesets.setdefault("/".join(self.inside), []).append(rule)

    def rule_number(self) -> int:
        """Return the number that the next rule gets in its ruleset."""
        return len(self.parsed.rulesets.get("/".join(self.inside), []))
