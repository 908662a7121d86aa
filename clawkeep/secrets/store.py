"""secrets.sealed of a project: secrets by name, encrypted, beside the declaration."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clawkeep.secrets.error import SecretError
from clawkeep.secrets.files import held, replace
from clawkeep.secrets.sealed import UnknownKeyError, key_id, new_key, seal, unseal
from clawkeep.secrets.sealing import KeyRing
from clawkeep.secrets.secret import Secret

FILE: Final = "secrets.sealed"
LARGEST: Final = 1024 * 1024
"""Bytes. A secret is a few dozen."""


@dataclass(frozen=True)
class Sealed:
    """One secret and when it was sealed, as 2026-11-21T10:00:00Z."""

    value: Secret
    at: str


@dataclass(frozen=True)
class Store:
    """The sealed secrets of the project in `folder`. Everything raises SecretError."""

    folder: Path
    ring: KeyRing
    clock: Callable[[], float] = time.time

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def all(self) -> dict[str, Sealed]:
        """Return every secret by name; none when nothing was ever sealed here."""
        content = self._content()
        return {} if content is None else self._opened(content, self.ring.read())

    def get(self, name: str) -> Secret:
        """Return one secret."""
        sealed = self.all()
        if name not in sealed:
            known = f"it has {', '.join(sorted(sealed))}" if sealed else "nothing is sealed yet"
            raise SecretError(
                f"{self.path} has no secret of that name ({known}); run: clawkeep secrets seal NAME"
            )
        return sealed[name].value

    def put(self, name: str, value: Secret) -> bool:
        """Seal a secret; return whether one of that name was replaced.

        The first one makes the sealing key.
        """
        with self._changing():
            keys = self._keys()
            sealed = self._current(keys)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
            self._write({**sealed, name: Sealed(value, at)}, keys[0])
            return name in sealed

    def remove(self, name: str) -> None:
        """Forget a secret."""
        with self._changing():
            self.get(name)
            keys = self.ring.read()
            sealed = self._current(keys)
            del sealed[name]
            self._write(sealed, keys[0])

    def rotate(self, *, keep_old: bool = False) -> tuple[str, str]:
        """Seal all of it with a new key; return the ids of the old one and the new one.

        The new key is written down before anything is sealed with it, and the old one goes when
        the new file was read back: whenever this is killed, what is on disk can be opened, and
        doing it again brings it to its end. With `keep_old` the old keys stay behind the new one.
        """
        with self._changing():
            old = self.ring.read()
            sealed = self._current(old)
            if not old or self._content() is None:
                raise SecretError(f"nothing is sealed in {self.path}; there is nothing to rotate")
            key = new_key()
            self.ring.write([key, *old])
            self._write(sealed, key)
            if self._current([key]) != sealed:
                raise SecretError(f"{self.path} does not read back as written; the old key stays")
            if not keep_old:
                self.ring.write([key])
            return key_id(old[0]), key_id(key)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the project and the keys, which may be other projects' too."""
        try:
            with contextlib.ExitStack() as stack:
                for folder in sorted({self.folder.resolve(), *self.ring.folders()}):
                    stack.enter_context(held(folder))
                yield
        except OSError as error:
            raise SecretError(f"{error.filename or self.folder}: {error.strerror}") from error

    def _keys(self) -> tuple[bytes, ...]:
        """Return the keys; make the first one when nothing was sealed yet."""
        keys = self.ring.read()
        if not keys:
            if self._content() is not None:
                raise SecretError(self._no_key())
            keys = (new_key(),)
            self.ring.write(keys)
        return keys

    def _no_key(self) -> str:
        return (
            f"{self.path} is sealed, and there is no key at {self.ring.place}; bring the key that "
            "belongs to it: without it nothing can be read"
        )

    def _content(self) -> bytes | None:
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretError(f"{self.path}: {error.strerror}") from error
        if len(content) > LARGEST:
            raise SecretError(f"{self.path} is larger than {LARGEST >> 20} MB: another file?")
        return content

    def _current(self, keys: Sequence[bytes]) -> dict[str, Sealed]:
        content = self._content()
        return {} if content is None else self._opened(content, keys)

    def _opened(self, content: bytes, keys: Sequence[bytes]) -> dict[str, Sealed]:
        if not keys:
            raise SecretError(self._no_key())
        try:
            text = unseal(content, keys)
        except UnknownKeyError as error:
            raise SecretError(
                f"{self.path} is sealed with the key {error.key}, and {self.ring.place} holds "
                f"{', '.join(map(key_id, keys))}; bring the key that belongs to it"
            ) from None
        except SecretError as error:
            raise SecretError(f"{self.path} {error}") from None
        data: dict[str, dict[str, str]] = json.loads(text)
        return {name: Sealed(Secret(one["value"]), one["at"]) for name, one in data.items()}

    def _write(self, sealed: Mapping[str, Sealed], key: bytes) -> None:
        data = {n: {"value": s.value.reveal(), "at": s.at} for n, s in sorted(sealed.items())}
        replace(self.path, seal(json.dumps(data), key))
