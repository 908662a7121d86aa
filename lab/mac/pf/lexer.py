"""Tokens of pf.conf: words, numbers, quoted strings, operators, newlines; macros are expanded here.

Source: reference/pf-grammar.md (grammar facts: continuation, quoted labels, numbers, CRLF, macros).
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from .names import KEYWORDS

_ALNUM = frozenset(string.ascii_letters + string.digits)
_WORD = frozenset(
    string.ascii_letters
    + string.digits
    + "".join(c for c in string.punctuation if c not in "(){}<>!=/#,")
)
_DIGITS = frozenset(string.digits)
_PAIRS = {"<>": "PORTBINARY", "><": "PORTBINARY", "->": "ARROW"}
_ENDS_NUMBER = frozenset(" \t\n\r\v\f),/}=")
_TOO_LONG = 8096


@dataclass
class Token:
    """`kind` is a keyword, STRING, NUMBER, PORTBINARY, ARROW, ERROR, EOF or a character."""

    kind: str
    text: str = ""


class LexError(Exception):
    """What the lexer itself complains about, before the grammar's own `syntax error`."""


class Lexer:
    """Reads one file. `line` is the line of the last token, as error messages give it."""

    def __init__(self, text: str, macros: dict[str, str]) -> None:
        self._text = text
        self._at = 0
        self._next_line = 1
        self._expansion = ""
        self._expanding = False
        self._macros = macros
        self.line = 1
        self.complaint = ""
        self.used: set[str] = set()

    def token(self) -> Token:
        """Return the next token; never raises, an unreadable one has kind ERROR."""
        self.complaint = ""
        try:
            return self._token()
        except LexError as complaint:
            self.complaint = str(complaint)
            self._skip_line()
            return Token("ERROR")

    # -- characters -----------------------------------------------------------------------------

    def _get(self, *, quoted: bool = False) -> str:
        if self._expanding:
            if self._expansion:
                char, self._expansion = self._expansion[0], self._expansion[1:]
                return char
            self._expanding = False
        while True:
            char = self._text[self._at : self._at + 1]
            self._at += 1
            if char == "\\" and not quoted and self._text[self._at : self._at + 1] == "\n":
                self._at += 1
                self._next_line += 1
                continue
            return char

    def _unget(self, char: str) -> None:
        if not char:
            self._at = len(self._text)
        elif self._expanding:
            self._expansion = char + self._expansion
        else:
            self._at -= 1

    def _peek(self) -> str:
        char = self._get()
        self._unget(char)
        return char

    def _skip_line(self) -> None:
        self._expanding, self._expansion = False, ""
        while (char := self._get()) not in {"\n", ""}:
            pass
        if char:
            self._next_line += 1
        else:
            self._unget(char)

    # -- tokens ---------------------------------------------------------------------------------

    def _token(self) -> Token:
        char = self._first()
        if char == "":
            self._unget(char)
            return Token("EOF")
        if char == "\n":
            self.line = self._next_line
            self._next_line += 1
            return Token("\n")
        if char in {"'", '"'}:
            return self._quoted(char)
        if char + self._peek() in _PAIRS:
            pair = char + self._get()
            return Token(_PAIRS[pair], pair)
        return self._number(char) or self._word(char)

    def _first(self) -> str:
        """Skip blanks and comments, expand macros; return the character that begins a token."""
        while True:
            char = self._get()
            while char in {" ", "\t"}:
                char = self._get()
            self.line = self._next_line
            if char == "#":
                while (char := self._get()) not in {"\n", ""}:
                    pass
            if char != "$" or self._expanding:
                return char
            self._expand_macro()

    def _expand_macro(self) -> None:
        name = ""
        while (char := self._get()) in _ALNUM or char == "_":
            if not char:
                break
            name += char
        self._unget(char)
        if name not in self._macros:
            raise LexError(f"macro '{name}' not defined")
        self.used.add(name)
        self._expanding, self._expansion = True, self._macros[name]

    def _quoted(self, quote: str) -> Token:
        text = ""
        while (char := self._get(quoted=True)) != quote:
            if char == "":
                self._unget(char)
                return Token("EOF")
            if char == "\n":
                self._next_line += 1
                continue
            if char == "\\" and self._text[self._at : self._at + 1] == quote:
                char = self._get(quoted=True)
            text += char
            if len(text) >= _TOO_LONG:
                raise LexError("string too long")
        return Token("STRING", text)

    def _run(self, first: str, allowed: frozenset[str]) -> str:
        """Read on from `first` while characters are allowed."""
        found = [first]
        while (char := self._get()) in allowed:
            found.append(char)
            if len(found) >= _TOO_LONG:
                raise LexError("string too long")
        self._unget(char)
        return "".join(found)

    def _number(self, char: str) -> Token | None:
        if char != "-" and char not in _DIGITS:
            return None
        digits = self._run(char, _DIGITS)
        after = self._peek()
        if digits != "-" and (after == "" or after in _ENDS_NUMBER):
            if len(digits) > 18:
                raise LexError("number too large")
            return Token("NUMBER", digits)
        for digit in reversed(digits[1:]):
            self._unget(digit)
        return Token("-") if char == "-" else None

    def _word(self, char: str) -> Token:
        if char not in _ALNUM and char not in {":", "_"}:
            return Token(char)
        word = self._run(char, _WORD)
        return Token(word if word in KEYWORDS else "STRING", word)
