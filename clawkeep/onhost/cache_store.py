"""The cache's files: `sha256/<hash>`, all root's, and `index.json`, which says what they are.

Root takes files in: it reads what a user has laid down once, through a handle that follows no link,
hashes what it has copied, and runs nothing of it. A file gets its name when its hash was right, so
whatever is killed leaves no wrong one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clawkeep.cache.index import Index, Item, parse
from clawkeep.onhost import paths, store

PIECE = 1 << 20
INDEX = "index.json"


class CacheError(Exception):
    """Something is not as it must be; the text names it, and nothing was changed."""


@dataclass(frozen=True)
class Store:
    """One cache, by its folder."""

    folder: Path = paths.CACHE

    @property
    def blobs(self) -> Path:
        """Where the files are."""
        return self.folder / "sha256"

    def index(self) -> Index:
        """Return what is on record. Raises BadIndexError, OSError."""
        return parse(store.read(self.folder / INDEX))

    def absent(self, index: Index) -> tuple[Item, ...]:
        """Return the items whose file is not there, or has another size."""
        return tuple(item for item in index.items if self._size(item.sha256) != item.size)

    def _size(self, sha256: str) -> int | None:
        try:
            found = os.lstat(self.blobs / sha256)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def damaged(self, index: Index) -> Iterator[tuple[Item, str]]:
        """Read every file; yield the items whose file is not what it must be, and how."""
        seen: dict[str, str] = {}
        for item in index.items:
            if item.sha256 not in seen:
                seen[item.sha256] = self._wrong(item)
            if wrong := seen[item.sha256]:
                yield item, wrong

    def _wrong(self, item: Item) -> str:
        try:
            return _different(sha256_of(self.blobs / item.sha256), item)
        except OSError as error:
            return error.strerror or repr(error)

    def admit(self, folder: Path, keys: Sequence[str], found: Sequence[Item]) -> list[str]:
        """Take in `found`, all that there is for the wants `keys`; return the new hashes.

        Each file is called by its hash in `folder`. All are checked before the first one gets its
        name. Raises CacheError, OSError.
        """
        with self._prepared():
            index, fresh = self.index(), list[tuple[Path, Path]]()
            try:
                for item in {item.sha256: item for item in found}.values():
                    fresh.append((self.blobs / f".{item.sha256}.new", self.blobs / item.sha256))
                    _copied(folder / item.sha256, fresh[-1][0], item)
            except BaseException:
                for new, _ in fresh:
                    new.unlink(missing_ok=True)
                raise
            added = [name.name for _, name in fresh if not name.exists()]
            for new, name in fresh:
                new.replace(name)
            store.write(self.folder / INDEX, index.replaced(keys, found).text())
        return added

    def prune(self, keys: Collection[str]) -> tuple[list[Item], int]:
        """Keep what the wants `keys` need, and nothing else; return what went and its bytes."""
        with self._prepared():
            before = self.index()
            after = before.without({k for item in before.items for k in item.wants} - set(keys))
            kept = {item.sha256 for item in after.items}
            store.write(self.folder / INDEX, after.text())
            freed = 0
            for file in self.blobs.iterdir():
                if file.name not in kept:
                    freed += file.lstat().st_size
                    file.unlink()
        left = {(item.sha256, item.place) for item in after.items}
        return [i for i in before.items if (i.sha256, i.place) not in left], freed

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """Have the folders, root's own, and nobody else at work in them."""
        for folder in (self.folder, self.blobs):
            if why := store.own_folder(folder):
                raise CacheError(f"{why}; run it again")
        with store.locked(self.folder.parent / f".{self.folder.name}.lock", timeout_s=60):
            for half in self.blobs.glob(".*.new"):
                half.unlink()
            yield


def _different(found: tuple[str, int], item: Item) -> str:
    """Say how a file with that hash and size is not the item's, "" when it is."""
    digest, size = found
    if size != item.size:
        return f"has {size} bytes, expected {item.size}"
    return "" if digest == item.sha256 else f"has the SHA-256 {digest}, expected {item.sha256}"


def _copied(source: Path, new: Path, item: Item) -> None:
    """Copy a file, durably. Raises CacheError when it is not the item's, OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    out = os.open(new, flags, 0o600)
    try:
        with _opened(source) as handle:
            if wrong := _different(_hashed(handle, out), item):
                raise CacheError(f"{item.title}: what came {wrong}")
        os.fchmod(out, 0o644)
        os.fsync(out)
    finally:
        os.close(out)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, f"{path} is no plain file")
        yield handle
    finally:
        os.close(handle)


def _hashed(handle: int, out: int | None = None) -> tuple[str, int]:
    """Return hash and size of what `handle` gives; write it to `out`, too."""
    digest, size = hashlib.sha256(), 0
    while piece := os.read(handle, PIECE):
        digest.update(piece)
        size += len(piece)
        view = memoryview(piece)
        while out is not None and view:
            view = view[os.write(out, view) :]
    return digest.hexdigest(), size


def sha256_of(path: Path) -> tuple[str, int]:
    """Return the hash and the size of a file that is not a link. Raises OSError."""
    with _opened(path) as handle:
        return _hashed(handle)


def titles(items: Sequence[Item], most: int = 5) -> str:
    """Name items, not too many."""
    shown = ", ".join(item.title for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
