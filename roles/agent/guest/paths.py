"""Gives a compiled agent-runner paths that exist in this guest.

In a container the runner finds everything below /workspace and /home/node; on a Mac neither can
exist (reference/nanoclaw.md §2.4). Each run has a folder of its own instead, whose `home` is
HOME: the one thing that every child of the runner inherits, the MCP server included. /tmp, which
a container has for itself, would be shared by all agents, so it becomes the run's own too.

Only string literals can be rewritten; what looks like one of these paths and is none is an
error. Runs in the guest: standard library, Python 3.9.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from typing import NamedTuple

from sealed import MANIFEST, PathsError, listing, seal

#: What the literals become. HOME ends in `/home`, and what is before it is the run's own folder.
ROOTS = {
    "/workspace": "process.env.HOME.slice(0, -5)",
    "/home/node": "process.env.HOME",
    "/tmp": "process.env.HOME.slice(0, -5) + '/tmp'",  # noqa: S108
}

CODE = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
UNREAD = (".map", ".d.ts", ".d.mts", ".d.cts", ".md")


class _Grammar(NamedTuple):
    """As much of JavaScript as tells its literals apart, and what to look for in them."""

    root: re.Pattern[str]
    part: re.Pattern[str]
    lexeme: re.Pattern[str]
    regex: re.Pattern[str]
    escape: re.Pattern[str]
    template: re.Pattern[str]


@functools.lru_cache(maxsize=1)
def _grammar() -> _Grammar:
    """Compile it at the first use: the runtime imports this module and needs none of it."""
    return _Grammar(
        root=re.compile(r"(?<![\w.~*-])/(?:workspace|home/node|tmp)(?![\w-])"),
        part=re.compile(r"workspace(/.*)?|/home/?|(.*/)?-workspace(-.*)?", re.DOTALL),
        lexeme=re.compile(
            r"""(?P<space>\s+|//[^\n\u2028\u2029]*|/\*.*?\*/)
            |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
            |(?P<name>\#?[\w$\u0080-\U0010ffff\\]+)
            |(?P<mark>\+\+|--|\?\.|=>|[^\s\w])""",
            re.VERBOSE | re.DOTALL,
        ),
        regex=re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*"),
        escape=re.compile(
            r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL
        ),
        template=re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.DOTALL),
    )


#: After these an expression begins; after any other name there is none.
_BEFORE = frozenset(
    (
        *("return", "case", "typeof", "in", "of", "await", "yield", "throw", "void", "delete"),
        *("new", "instanceof", "else", "do", "default"),
    )
)
_CONDITIONS = frozenset(("if", "while", "for", "with"))


def rewrite(folder: str) -> dict[str, str]:
    """Rewrite the runner in `folder`, write its manifest there and return it: path to SHA-256.

    Files below a node_modules are sealed, not rewritten. Raises PathsError and OSError; then
    some files may be rewritten and the folder has no manifest.
    """
    changed = {}
    if os.path.lexists(os.path.join(folder, MANIFEST)):
        os.unlink(os.path.join(folder, MANIFEST))
    for path, info in listing(folder):
        if "node_modules" in path.split("/") or path.endswith(UNREAD) or stat.S_ISLNK(info.st_mode):
            continue
        with open(os.path.join(folder, path), "rb") as file:
            data = file.read()
        if path.endswith(CODE):
            try:
                text = data.decode()
            except UnicodeDecodeError:
                raise PathsError(f"{path}: is no UTF-8") from None
            after = rewrite_text(text, path)
            if after != text:
                changed[path] = after
        elif b"/workspace" in data or b"/home/node" in data:
            raise PathsError(f"{path}: names /workspace or /home/node, and is no JavaScript")
    if not changed:
        raise PathsError(f"{folder}: nothing names /workspace; is this NanoClaw's agent-runner?")
    for path, text in changed.items():
        _replace(os.path.join(folder, path), text.encode())
    return seal(folder)


def rewrite_text(text: str, name: str = "code") -> str:
    """Return JavaScript or TypeScript with its literals rewritten. Raises PathsError."""
    return _Code(text, name).rewritten()


class _Code:
    """One file, read token by token: as much of JavaScript's grammar as tells literals apart."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.at, self.of = text, name, 0, _grammar()
        # TypeScript does not know that HOME is set.
        self.home = "HOME!" if name.endswith("ts") else "HOME"
        self.done: list[str] = []
        self.before = ""  # the last token that is no space: its text, or a quote for a literal
        self.member = False  # whether that token is a property's name
        self.value = False  # whether an operand ends there, so that a slash divides
        self.joined = ""  # the literals of the present `'a' + 'b' + …`

    def rewritten(self) -> str:
        hashbang = re.match(r"#!.*", self.text)
        self._keep(hashbang.end() if hashbang else 0)
        self._code()
        if self.at < len(self.text):
            self._fail("a brace closes nothing")
        return "".join(self.done)

    def _fail(self, why: str) -> None:
        line = self.text.count("\n", 0, self.at) + 1
        raise PathsError(f"{self.name}:{line}: {why}")

    def _keep(self, end: int) -> None:
        self.done.append(self.text[self.at : end])
        self.at = end

    def _code(self) -> None:
        """Read to the end, or to the brace that closes a template's hole."""
        open_: list[tuple[str, bool]] = []  # brackets, and whether a condition stands in them
        while self.at < len(self.text):
            if self.text[self.at] == "`":
                self._template()
                continue
            if self._regex():
                continue
            found = self.of.lexeme.match(self.text, self.at)
            if found is None or found.group() in "\"'":
                self._fail("a literal does not end")
                return
            word = found.group()
            if found.lastgroup == "space":
                self._keep(found.end())
            elif found.lastgroup == "string":
                self._string(word)
            elif word == "}" and not open_:
                return
            else:
                self._other(word, open_, is_name=found.lastgroup == "name")

    def _other(self, word: str, open_: list[tuple[str, bool]], is_name: bool) -> None:
        condition = False
        if word in "([{":
            open_.append((word, word == "(" and self.before in _CONDITIONS and not self.member))
        elif word in ")]}":
            condition = open_.pop()[1] if open_ else False
        elif word == "/":
            self._outside()
        member = is_name and self.before in (".", "?.")
        self.value = (
            (is_name and (member or (word not in _BEFORE and word not in _CONDITIONS)))
            or word in ("]", "++", "--")
            or (word == ")" and not condition)
        )
        self._went(word, member)
        self._keep(self.at + len(word))

    def _went(self, word: str, member: bool = False) -> None:
        if word not in "+\"'`":
            self.joined = ""
        self.before, self.member = word, member

    def _outside(self) -> None:
        """Refuse a path that stands outside any literal: the slash divides."""
        if re.compile(r"/(workspace|home/node)\b").match(self.text, self.at):
            self._fail("a path stands outside a string literal")

    def _regex(self) -> bool:
        if self.value or self.text[self.at] != "/" or self.text[self.at + 1 : self.at + 2] in "/*":
            return False
        found = self.of.regex.match(self.text, self.at)
        if found is None:
            self._fail("a regular expression does not end")
        elif re.search(r"\bworkspace\b|home/node\b", found.group().replace("\\/", "/")):
            self._fail("a regular expression is about one of the paths")
        else:
            self._keep(found.end())
            self._went("/regex/")
            self.value = True
        return True

    def _string(self, word: str) -> None:
        quote, raw = word[0], word[1:-1]
        parts = self._split(raw)
        if len(parts) == 1:
            self._keep(self.at + len(word))
        else:
            self._check_place(starts=not parts[0])
            terms = []
            for index, part in enumerate(parts):
                terms += [part] if index % 2 else [quote + part + quote] if part else []
            self.done.append("(" + " + ".join(terms) + ")")
            self.at += len(word)
        self._went(quote)
        self.value = True

    def _template(self) -> None:
        tagged, begin = self.value, self.at
        self._keep(begin + 1)
        while self.text[self.at : self.at + 1] != "`":
            end = self._end_of_text()
            parts = self._split(self.text[self.at : end])
            if len(parts) > 1 and tagged:
                self._fail("a tagged template holds one of the paths")
            if len(parts) > 1 and not parts[0] and (self.at > begin + 1 or self.before == "+"):
                self._fail("a path's beginning is computed")
            self.done += ["${" + part + "}" if i % 2 else part for i, part in enumerate(parts)]
            self.at = end
            if self.text[end : end + 1] not in ("`", "$"):
                self._fail("a template does not end")
            if self.text[end] == "$":
                self._keep(end + 2)
                self.value = False
                self._went("${")
                self._code()
                if self.at >= len(self.text):
                    self._fail("a template does not end")
                self._keep(self.at + 1)
                self._went("}")
        self._keep(self.at + 1)
        self._went("`")
        self.value = True

    def _end_of_text(self) -> int:
        """Return where a template's text ends: at its end, or at a hole."""
        found = self.of.template.match(self.text, self.at)
        return found.end() if found else self.at

    def _split(self, raw: str) -> list[str]:
        """Cut a literal's text at the paths: text, expression, text, … Raises PathsError."""
        plain = self.of.escape.sub(_unescaped, raw)
        left = self.joined if self.before == "+" else ""
        pieces, at = [], 0
        for found in self.of.root.finditer(raw):
            if raw[: found.start()].endswith("/") or re.match(r"\.\w", raw[found.end() :]):
                self._fail(f"cannot tell whether {raw!r} holds one of the paths")
            expression = ROOTS[found.group()].replace("HOME", self.home)
            pieces += [raw[at : found.start()], expression]
            at = found.end()
        here, count = len(self.of.root.findall(plain)), len(pieces) // 2
        if (
            here != count
            or len(self.of.root.findall(left + plain)) > len(self.of.root.findall(left)) + here
        ):
            self._fail(f"{raw!r} is one of the paths in disguise")
        if not count and self.of.part.fullmatch(plain):
            self._fail(f"{raw!r} looks like a part of one of the paths")
        self.joined = left + plain
        return [*pieces, raw[at:]]

    def _check_place(self, starts: bool) -> None:
        """Refuse a literal where no expression may stand, or that another path precedes."""
        found = self.of.lexeme.match(self.text, self.at)
        after = found.end() if found else self.at
        while (space := self.of.lexeme.match(self.text, after)) and space.lastgroup == "space":
            after = space.end()
        following = self.text[after : after + 1]
        is_key = following == ":" and self.before in ("{", ",")
        if self.value or is_key or following == "(" or self._after_name():
            self._fail("a path stands where no expression can")
        if starts and self.before == "+":
            self._fail("a path's beginning is computed")

    def _after_name(self) -> bool:
        return bool(re.fullmatch(r"[\w$]+", self.before)) and self.before not in _BEFORE


def _unescaped(found: re.Match[str]) -> str:
    code = found.group(1) or found.group(2) or found.group(3)
    if code:
        return chr(min(int(code, 16), 0x10FFFF))
    return {"n": "\n", "t": "\t", "r": "\r", "\n": "", "\r\n": ""}.get(found[4], found[4])


def _replace(path: str, data: bytes) -> None:
    beside = path + ".new"
    with open(beside, "wb") as file:
        file.write(data)
    os.chmod(beside, stat.S_IMODE(os.stat(path).st_mode))
    os.replace(beside, path)
