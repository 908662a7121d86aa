"""Preference files: where a domain lives, and the text in which `defaults` shows values."""

import datetime
import os
import plistlib
import pwd
import re
from pathlib import Path
from typing import Any

from . import paths

HOST_UUID = "5C7A1F00-0000-5000-A000-00000000C1AB"
PLAIN = re.compile(r"[A-Za-z0-9_$/:.]+\Z")
INDENT = "    "


def home() -> str:
    """Return the caller's home: CFPreferences goes by the effective user, not by $HOME."""
    return pwd.getpwuid(os.geteuid()).pw_dir


def file_of(domain: str, *, current_host: bool = False) -> Path:
    """Return the file of a domain: a path (`.plist` optional), `-g`, or a name in the home."""
    if domain.startswith("/"):
        return paths.at(domain if domain.endswith(".plist") else f"{domain}.plist")
    if domain.startswith("~/"):
        return file_of(home() + domain[1:])
    name = ".GlobalPreferences" if domain in {"-g", "NSGlobalDomain", "-globalDomain"} else domain
    folder = f"{home()}/Library/Preferences"
    if current_host:
        return paths.at(f"{folder}/ByHost/{name}.{HOST_UUID}.plist")
    return paths.at(f"{folder}/{name}.plist")


def read(file: Path) -> dict[str, Any] | None:
    """Return the dictionary of a file; None when it is absent, unreadable or no dictionary."""
    try:
        with file.open("rb") as stream:
            found = plistlib.load(stream)
    except (OSError, plistlib.InvalidFileException, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(file: Path, values: dict[str, Any], *, mode: int | None = None) -> None:
    """Replace a file (binary plist): 0644 under /Library, 0600 in a home. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        system = not file.is_relative_to(paths.at(home()))
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644 if system else 0o600
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_bytes(plistlib.dumps(values, fmt=plistlib.FMT_BINARY))
    temporary.chmod(mode)
    temporary.replace(file)


def text_of(value: Any, depth: int = 0) -> str:
    """Return a value in the old-style property list text, as NSLog's description prints it."""
    pad = INDENT * (depth + 1)
    if isinstance(value, dict):
        if not value:
            return "{\n" + INDENT * depth + "}"
        rows = [
            f"{pad}{quoted(str(key))} = {nested(value[key], depth + 1)};" for key in sorted(value)
        ]
        return "{\n" + "\n".join(rows) + f"\n{INDENT * depth}}}"
    if isinstance(value, list):
        items = [f"{pad}{nested(item, depth + 1)}" for item in value]
        return "(\n" + ",\n".join(items) + ("\n" if items else "") + f"{INDENT * depth})"
    return scalar(value)


def nested(value: Any, depth: int) -> str:
    """Return a value inside a container: containers are set off by spaces, strings quoted."""
    if isinstance(value, dict | list):
        return INDENT * depth + text_of(value, depth)
    return quoted(scalar(value)) if isinstance(value, str | datetime.datetime) else scalar(value)


def scalar(value: Any) -> str:
    """Return a string, number, boolean (1/0), date or data as text."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return f"{{length = {len(value)}, bytes = 0x{value.hex()}}}"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S +0000")
    return str(value)


def quoted(text: str) -> str:
    """Return a string of the old-style text, quoted when it has to be."""
    if PLAIN.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
