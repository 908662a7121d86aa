"""As much of SFTP 3 as a repository needs, over the pipe of a program that speaks it.

The program is the system's own `ssh -s HOST sftp`: its keys, its pins, its ciphers. Source:
draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL §4 for `posix-rename@openssh.com` (replaces what
is there, atomically) and `fsync@openssh.com`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import struct
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

from clawkeep.backup.errors import BackupError
from clawkeep.backup.wire import (
    HAS_MODE,
    Attributes,
    attributes_of,
    code_of,
    names_of,
    packed,
    packed_text,
    texts,
)

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT = 1, 2, 3, 4, 5, 6, 7
OPENDIR, READDIR, REMOVE, MKDIR, STAT, RENAME = 11, 12, 13, 14, 17, 18
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED = 101, 102, 103, 104, 105, 200
FLAG_READ, FLAG_WRITE, FLAG_CREATE, FLAG_TRUNCATE, FLAG_EXCLUSIVE = 1, 2, 8, 16, 32
OK, END, NO_SUCH_FILE = 0, 1, 2

BLOCK: Final = 32 * 1024
"""Bytes that every server takes and gives in one message."""

AHEAD: Final = 64
"""Messages on the way at a time: 2 MB, so that a long line is filled."""

LARGEST: Final = 1 << 20


class SftpError(BackupError):
    """The server refuses, or is gone. `code` is SFTP's, None when the connection broke."""

    def __init__(self, text: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(text)


class Sftp:
    """A connection. Everything raises SftpError."""

    def __init__(self, command: Sequence[str], who: str, silent_s: float = 60) -> None:
        self.who, self.silent_s = who, silent_s
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise SftpError(f"{who}: {command[0]}: {error.strerror}") from error
        if not (self._process.stdin and self._process.stdout):
            raise AssertionError("pipes were asked for")
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._number = 0
        self._rest = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._send(INIT, struct.pack(">I", 3), numbered=False)
        kind, body = self._receive()
        if kind != VERSION or len(body) < 4:
            raise SftpError(f"{who}: speaks no SFTP")
        self.extensions = frozenset(texts(body[4:])[::2])

    def close(self) -> None:
        """End the connection."""
        self._process.kill()
        self._process.communicate()
        self._selector.close()

    def open(self, path: str, flags: int) -> bytes:
        """Return a handle. A new file is for its owner alone."""
        mode = struct.pack(">II", HAS_MODE, 0o600)
        return self._handle(
            self._ask(OPEN, packed_text(path) + struct.pack(">I", flags) + mode), path
        )

    def close_handle(self, handle: bytes) -> None:
        """Give a handle back."""
        self._expect_ok(self._ask(CLOSE, packed(handle)), "close")

    def write(self, handle: bytes, pieces: Iterator[bytes], path: str, offset: int = 0) -> None:
        """Write into a file at `offset`."""
        waiting = 0
        try:
            for piece in pieces:
                with memoryview(piece) as view:
                    for start in range(0, len(view), BLOCK):
                        block = bytes(view[start : start + BLOCK])
                        head = packed(handle) + struct.pack(">Q", offset)
                        self._send(WRITE, head + packed(block))
                        offset, waiting = offset + len(block), waiting + 1
                        if waiting >= AHEAD:
                            waiting -= 1
                            self._expect_ok(self._receive(), path)
        finally:
            # What was asked is answered: the next question must not get these answers.
            problem: SftpError | None = None
            for _ in range(waiting):
                try:
                    self._expect_ok(self._receive(), path)
                except SftpError as error:
                    problem = problem or error
                    if error.code is None:
                        break
        if problem:
            raise problem

    def read(self, handle: bytes, size: int, path: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's content from `offset`: `size` bytes, or to its end. Read it to its end."""
        asked: list[int] = []
        end, ended = offset + size, False
        while asked or (offset < end and not ended):
            while len(asked) < AHEAD and offset < end and not ended:
                length = min(BLOCK, end - offset)
                self._send(READ, packed(handle) + struct.pack(">QI", offset, length))
                asked.append(length)
                offset += length
            length = asked.pop(0)
            kind, body = self._receive()
            if kind == STATUS and code_of(body) == END:
                ended = True
                continue
            if kind != DATA or ended:
                self._refused(kind, body, path)
            # Only the end of a file is shorter than what was asked.
            ended = len(body) - 4 < length
            yield body[4:]

    def stat(self, path: str) -> Attributes:
        """Return what is known of a file, links not followed."""
        kind, body = self._ask(LSTAT, packed_text(path))
        if kind != ATTRS:
            self._refused(kind, body, path)
        return attributes_of(body)[0]

    def list(self, path: str) -> list[tuple[str, Attributes]]:
        """Return what is in a folder."""
        handle = self._handle(self._ask(OPENDIR, packed_text(path)), path)
        found = list[tuple[str, Attributes]]()
        while (answer := self._ask(READDIR, packed(handle)))[0] == NAME:
            found += names_of(answer[1])
        if code_of(answer[1]) != END:
            self._refused(*answer, path)
        self.close_handle(handle)
        return [(name, about) for name, about in found if name not in {".", ".."}]

    def mkdir(self, path: str) -> None:
        """Make a folder for its owner alone; one that is there will do."""
        mode = struct.pack(">II", HAS_MODE, 0o700)
        kind, body = self._ask(MKDIR, packed_text(path) + mode)
        if code_of(body) != OK:
            with contextlib.suppress(SftpError):
                if self.stat(path).folder:
                    return
            self._refused(kind, body, path)

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there will do."""
        kind, body = self._ask(REMOVE, packed_text(path))
        if code_of(body) not in {OK, NO_SUCH_FILE}:
            self._refused(kind, body, path)

    def replace(self, old: str, new: str) -> None:
        """Rename over what is there, atomically."""
        name = "posix-rename@openssh.com"
        if name not in self.extensions:
            raise SftpError(f"{self.who}: its SFTP server cannot replace a file ({name})")
        self._expect_ok(
            self._ask(EXTENDED, packed_text(name) + packed_text(old) + packed_text(new)), new
        )

    def rename(self, old: str, new: str) -> None:
        """Rename; OpenSSH refuses when `new` is there."""
        self._expect_ok(self._ask(RENAME, packed_text(old) + packed_text(new)), new)

    def sync(self, handle: bytes) -> None:
        """Have a file on the medium, where the server can say so."""
        if "fsync@openssh.com" in self.extensions:
            self._expect_ok(
                self._ask(EXTENDED, packed_text("fsync@openssh.com") + packed(handle)), "fsync"
            )

    def _ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self._send(kind, body)
        return self._receive()

    def _send(self, kind: int, body: bytes, *, numbered: bool = True) -> None:
        number = b""
        if numbered:
            self._number += 1
            number = struct.pack(">I", self._number & 0xFFFFFFFF)
        message = struct.pack(">IB", 1 + len(number) + len(body), kind) + number + body
        try:
            while message:
                message = message[os.write(self._in, message) :]
        except OSError as error:
            raise self._gone() from error

    def _receive(self) -> tuple[int, bytes]:
        """Return the next answer; they come in the order of the questions."""
        (length,) = struct.unpack(">I", self._exactly(4))
        if not 1 <= length <= LARGEST:
            raise SftpError(f"{self.who}: speaks no SFTP")
        message = self._exactly(length)
        # OpenSSH answers in order; the number is not looked at, the kind is.
        return message[0], message[1:] if message[0] == VERSION else message[5:]

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            if not self._selector.select(self.silent_s):
                raise SftpError(f"{self.who}: no answer for {self.silent_s:.0f} s")
            if not (data := os.read(self._out, 1 << 18)):
                raise self._gone()
            self._rest += data
        found = bytes(self._rest[:size])
        del self._rest[:size]
        return found

    def _gone(self) -> SftpError:
        self._process.kill()
        said = self._process.communicate()[1].decode(errors="replace").strip().splitlines()
        words = "".join(c if c.isprintable() else "?" for c in " ".join(said[-3:]))[:300]
        return SftpError(f"{self.who}: the connection ended{': ' + words if words else ''}")

    def _handle(self, answer: tuple[int, bytes], path: str) -> bytes:
        if answer[0] != HANDLE:
            self._refused(*answer, path)
        return answer[1][4:]

    def _expect_ok(self, answer: tuple[int, bytes], path: str) -> None:
        if answer[0] != STATUS or code_of(answer[1]) != OK:
            self._refused(*answer, path)

    def _refused(self, kind: int, body: bytes, path: str) -> None:
        code = code_of(body) if kind == STATUS else None
        words = texts(body[4:])[0] if kind == STATUS and len(body) > 8 else f"answer {kind}"
        plain = "".join(c if c.isprintable() else "?" for c in words)[:100]
        raise SftpError(f"{self.who}: {path}: {plain}", -1 if code is None else code)
