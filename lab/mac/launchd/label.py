"""The label in a property list on disk."""

import plistlib
from xml.parsers.expat import ExpatError


def label_in(path: str) -> str | None:
    """Return the Label of a job's file; None when it cannot be read."""
    try:
        with open(path, "rb") as file:
            value = plistlib.load(file).get("Label")
    except (OSError, ValueError, AttributeError, plistlib.InvalidFileException, ExpatError):
        return None
    return value if isinstance(value, str) else None
