"""Writing a root folder: files, links and folders by the path they will have in the machine."""

import os
import plistlib
from pathlib import Path
from typing import Any

from lab.mac.forkserver.entry import script


class Tree:
    """One image folder. Paths are absolute Mac paths; parents are made as needed (0755, root)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def at(self, path: str) -> Path:
        """Return where a path of the machine is now."""
        return self.folder / path.lstrip("/")

    def make(self, path: str, mode: int = 0o755, owner: tuple[int, int] | None = None) -> Path:
        """Make a folder, with mode and owner (uid, gid) if it is new or not."""
        target = self.at(path)
        target.mkdir(parents=True, exist_ok=True)
        self._own(target, mode, owner)
        return target

    def write(
        self, path: str, text: str | bytes, mode: int = 0o644, owner: tuple[int, int] | None = None
    ) -> None:
        """Write a file."""
        target = self._parent(path)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        self._own(target, mode, owner)

    def plist(self, path: str, content: dict[str, Any], **keywords: Any) -> None:
        """Write a property list (XML)."""
        self.write(path, plistlib.dumps(content), **keywords)

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link, in the place of whatever is there."""
        link = self._parent(path)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def entry(self, path: str, module: str, *, warm: bool = False) -> None:
        """Write the program that runs a stand-in's `main`; `module` is relative to `mac`.

        A warm one is run by the machine's fork server (lab/mac/forkserver).
        """
        self.at(path).unlink(missing_ok=True)
        self.write(path, script(module, warm=warm), mode=0o755)

    def _parent(self, path: str) -> Path:
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _own(self, target: Path, mode: int, owner: tuple[int, int] | None) -> None:
        target.chmod(mode)
        if owner:
            os.chown(target, *owner)
