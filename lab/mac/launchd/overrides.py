"""What `launchctl enable` and `disable` leave behind, across reboots: one file per user."""

import os
import plistlib

from . import paths


class Overrides:
    """Labels that were enabled or disabled by hand; gui/N and user/N share the file of user N."""

    def __init__(self, uid: int | None) -> None:
        name = "disabled.plist" if uid is None else f"disabled.{uid}.plist"
        self._path = os.path.join(paths.at(paths.OVERRIDES), name)
        self.disabled: dict[str, bool] = {}
        try:
            with open(self._path, "rb") as file:
                tree = plistlib.load(file)
        except (OSError, plistlib.InvalidFileException, ValueError):
            return
        self.disabled = {str(label): bool(value) for label, value in tree.items()}

    def set(self, label: str, *, disabled: bool) -> None:
        """Remember, on disk at once."""
        self.disabled[label] = disabled
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with open(self._path + ".new", "wb") as file:
            plistlib.dump(self.disabled, file)
        os.replace(self._path + ".new", self._path)
