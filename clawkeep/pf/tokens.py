"""Words of a text, one after the other, and where they stand when one of them is in the way.

Source: reference/pf-grammar.md (continuation works anywhere, also in comments; CRLF is an error;
the last line must end in a newline).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from .errors import PfSyntaxError
from .names import KEYWORDS

Item = TypeVar("Item")

_BLANK = r"(?:[ \t]+|\\\n|#(?:\\\n|[^\n])*)*"
_WORD = r'[^\s(){}<>!=,#"\'\\]+'
_TOKEN = re.compile(rf"{_BLANK}(\n|\"[^\"\\\n]*\"|'[^'\\\n]*'|><|<>|->|{_WORD}|.)")
_END, _NEWLINE = "", "\n"


class Tokens:
    """A cursor on a text. Positions are looked up only when they are asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Two ends: a look-ahead of one needs no check of its own.
        self._all: list[str] = [*_TOKEN.findall(text), _END, _END]
        self._at = 0
        self._line = 1
        self._continued = "\\\n" in text
        self.peek = self._all[0]

    @property
    def line(self) -> int:
        """Line of the next token."""
        return self._position(self._at)[0] if self._continued else self._line

    @property
    def at(self) -> int:
        """A mark of the next token, for `fail`."""
        return self._at

    def next(self) -> str:
        """Take the next token; "" at the end of the text."""
        token = self.peek
        if token == _NEWLINE:
            self._line += 1
        self._at += 1
        self.peek = self._all[self._at] if token else _END
        return token

    def accept(self, token: str) -> bool:
        """Take the next token if it is `token`."""
        if self.peek != token:
            return False
        self.next()
        return True

    def expect(self, token: str) -> None:
        """Take the next token, which must be `token`."""
        if self.peek != token:
            self.wrong("the end of the line" if token == _NEWLINE else f"'{token}'")
        self.next()

    def string(self, what: str) -> str:
        """Take a name: a quoted text, or a word that is neither reserved nor a number."""
        token = self.peek
        if token[:1] in {'"', "'"} and len(token) > 1:
            return self.next()[1:-1]
        plain = token[:1].isalnum() or token[:1] in {"_", "/", "-"}
        if not plain or token in KEYWORDS or token.isdigit():
            self.wrong(what)
        if "/" in token:
            self.fail(f"{token!r} must be quoted")
        return self.next()

    def number(self, what: str, top: int) -> int:
        """Take a number of 0..`top`."""
        token = self.peek
        if not (token.isascii() and token.isdigit()):
            self.wrong(what)
        if int(token) > top:
            self.fail(f"illegal value {token}: expected {what} of 0 to {top}")
        self.next()
        return int(token)

    def items(self, item: Callable[[Tokens], Item]) -> list[Item]:
        """Read `item` or `{ item [,] item }`. A newline may stand in braces, after no comma."""
        if not self.accept("{"):
            return [item(self)]
        found: list[Item] = []
        self.newlines()
        while True:
            found.append(item(self))
            self.newlines()
            if self.accept("}"):
                return found
            self.accept(",")

    def newlines(self) -> None:
        """Skip newlines."""
        while self.peek == "\n":
            self.next()

    def wrong(self, expected: str) -> NoReturn:
        """Raise PfSyntaxError: the next token is not what was `expected`."""
        found = {"\n": "the end of the line", _END: "the end of the text"}.get(self.peek)
        found = found or (self.peek if self.peek.isprintable() else repr(self.peek))
        self.fail(f"expected {expected}, found {found}")

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        """Raise PfSyntaxError at the next token, or at the one marked by `at`."""
        raise PfSyntaxError(*self._position(self._at if at is None else at), reason)

    def _position(self, index: int) -> tuple[int, int]:
        offset = len(self._text)
        for number, match in enumerate(_TOKEN.finditer(self._text)):
            if number == index:
                offset = match.start(1)
                break
        before = self._text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
