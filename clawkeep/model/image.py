"""Names of guest images."""

from __future__ import annotations

import re

from clawkeep.model.hostname import host_name

REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def image_reference(text: str) -> str:
    """Return `host/path[:tag]` or `host/path@sha256:<digest>`, raise ValueError otherwise.

    Tart's grammar knows a tag or a digest, not both; without either it takes `:latest`, which a
    cached image never refreshes. Source: reference/tart.md §1.3, §5.
    """
    path, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r}: after the @ goes sha256: and 64 lower-case hex digits")
    last = path.rpartition("/")[2]
    bare, colon, tag = last.partition(":")
    if colon and at:
        raise ValueError(f"{text!r} has a tag and a digest; the digest alone says it exactly")
    if colon and not TAG.fullmatch(tag):
        raise ValueError(f"{text!r} has no valid tag after the colon")
    registry, *repository = [*path.split("/")[:-1], bare]
    if not repository or "." not in registry:
        raise ValueError(
            f"{text!r} is no image of a registry; "
            "write it like ghcr.io/cirruslabs/macos-sequoia-base@sha256:<digest>"
        )
    host_name(registry.partition(":")[0])
    if not all(REPOSITORY.fullmatch(part) for part in repository):
        raise ValueError(f"{text!r} has no valid repository path")
    return text
