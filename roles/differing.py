"""Files that a plan would replace, as unified diffs.

Only of files that root owns: what stands in a user's own file may be anything, also a secret.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import shlex
from collections.abc import Mapping, Sequence

from roles.probe import Answer, Probe, ask

LIMIT = 256 * 1024
"""Bytes; a longer file is said to differ, and not shown."""

READ = """for f in {paths}; do
  [ -f "$f" ] && [ ! -L "$f" ] && [ "$(stat -f %Su "$f")" = root ] || continue
  [ "$(stat -f %z "$f")" -le {limit} ] || continue
  printf '%s\\n' "$f"; base64 <"$f" | tr -d '\\n'; echo
done"""


def _contents(paths: Sequence[str]) -> Probe[dict[str, bytes]]:
    quoted = shlex.join(paths)
    name = f"contents {hashlib.sha256(quoted.encode()).hexdigest()[:12]}"
    return Probe(name, READ.format(paths=quoted, limit=LIMIT), _read, sudo=True)


def _read(answer: Answer) -> dict[str, bytes]:
    lines = answer.text.splitlines()
    found = {}
    for path, text in zip(lines[::2], lines[1::2], strict=False):
        try:
            found[path] = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
    return found


def diffs(wanted: Mapping[str, bytes]) -> dict[str, str]:
    """Return a unified diff by path, from what is on the machine to `wanted`.

    A path is left out where there is nothing to show: no file, not root's, no text, too long.
    Costs one question; for a plan.
    """
    found = ask(_contents(sorted(wanted)))
    return {
        path: text for path, old in found.items() if (text := _unified(path, old, wanted[path]))
    }


def _unified(path: str, old: bytes, new: bytes) -> str:
    try:
        before, after = old.decode().splitlines(), new.decode().splitlines()
    except UnicodeDecodeError:
        return ""
    return "\n".join(difflib.unified_diff(before, after, path, f"{path} (declared)", lineterm=""))
