"""Where the lab machine's root is: `/` inside a lab, a scratch folder in unit tests."""

from pathlib import Path

ROOT = Path("/")


def at(path: str) -> Path:
    """Return the place of an absolute Mac path under ROOT."""
    return ROOT / path.lstrip("/")
