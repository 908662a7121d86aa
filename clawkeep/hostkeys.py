"""SSH host keys of the services: seen once from the host over the LAN, then pinned.

The guest cannot tell one far end of a bridge from another, so it is told which key to expect. Who
asks is the host, on the trusted side; it trusts the first key that it sees, and none after it.
Source: reference/macos.md §8.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
         "ssh-rsa")  # fmt: skip
"""Types of host keys, the one to pin first."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key of a service of kind ssh. `target` is the `host:port` at which it was seen."""

    service: str
    kind: str
    key: str
    target: str

    @property
    def fingerprint(self) -> str:
        """The key's type and hash, as ssh shows it."""
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(self.key)).digest()).decode()
        return f"{self.kind} SHA256:{digest.rstrip('=')}"

    @property
    def line(self) -> str:
        """The line of known_hosts under the service's name; what follows the key is a comment."""
        return f"{self.service} {self.kind} {self.key} {self.target}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`pinned` is what is to be on record; `changed` and `silent` are sentences for the operator.

    With anything in `changed` nothing must be replaced.
    """

    pinned: tuple[HostKey, ...]
    changed: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def parse(text: str) -> tuple[HostKey, ...]:
    """Read lines `service type key target`; what is no such line is passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and words[1] in KINDS and _is_key(words[2]):
            found.append(HostKey(*words))
    return tuple(found)


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def text(keys: Iterable[HostKey]) -> str:
    """Return the keys as `parse` reads them."""
    return "".join(f"{key.line}\n" for key in sorted(keys, key=lambda key: key.service))


def judge(
    declared: Iterable[tuple[str, str]], pinned: Iterable[HostKey], seen: Iterable[HostKey]
) -> Judgement:
    """Compare what was seen with what is pinned; `declared` are (service, target) pairs.

    A pin is for one target: another target in the declaration is the operator's own change.
    """
    record = {key.service: key for key in pinned}
    offers = list(seen)
    changed, silent = [], []
    for service, target in declared:
        offered = [key for key in offers if key.service == service and key.target == target]
        old = record.get(service)
        if old is not None and old.target == target:
            if offered and not any(key.key == old.key for key in offered):
                now = min(offered, key=lambda key: (key.kind != old.kind, KINDS.index(key.kind)))
                changed.append(
                    f"{service} at {target} shows another SSH host key: pinned is "
                    f"{old.fingerprint}, seen is {now.fingerprint}"
                )
        elif offered:
            record[service] = min(offered, key=lambda key: KINDS.index(key.kind))
        else:
            record.pop(service, None)
            silent.append(f"{service} at {target} shows no SSH host key")
    return Judgement(tuple(record.values()), tuple(changed), tuple(silent))
