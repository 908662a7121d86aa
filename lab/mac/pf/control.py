"""Switching pf on and off, and who holds it on.

Source: reference/pf-grammar.md (-E / -X); reference/macos.md §1.2 (-d voids every token).
"""

from __future__ import annotations

import os
import time

from .kernel import Kernel


class NotDoneError(Exception):
    """pf refused; the message is what pfctl prints after its name."""


def _set(kernel: Kernel, enabled: bool) -> None:
    if kernel.enabled != enabled:
        kernel.data["enabled"] = enabled
        kernel.data["since"] = time.time()


def enable(kernel: Kernel) -> None:
    """`-e`: enable, counting nothing."""
    if kernel.enabled:
        raise NotDoneError("pf already enabled")
    _set(kernel, True)


def disable(kernel: Kernel) -> None:
    """`-d`: disable whoever holds a reference."""
    if not kernel.enabled:
        raise NotDoneError("pf not enabled")
    _set(kernel, False)
    kernel.tokens.clear()


def take(kernel: Kernel, pid: int, name: str) -> int:
    """`-E`: enable and hold a reference; returns its token."""
    token = int.from_bytes(os.urandom(8), "big") >> 1 | 1 << 62
    kernel.tokens.append({"token": token, "pid": pid, "name": name, "since": time.time()})
    _set(kernel, True)
    return token


def release(kernel: Kernel, token: int) -> int:
    """`-X`: release a reference; returns how many remain. The last one disables pf."""
    if not kernel.enabled:
        raise NotDoneError("pf not enabled")
    held = [one for one in kernel.tokens if one["token"] == token]
    if not held:
        raise NotDoneError("pf: token invalid")
    kernel.tokens.remove(held[0])
    if not kernel.tokens:
        _set(kernel, False)
    return len(kernel.tokens)
