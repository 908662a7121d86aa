"""A keep's doors, as the guest uses them."""

from __future__ import annotations

import json

from tests.lab.keep import GUEST, Built
from tests.lab.streams import Stream


def gateway(keep: Built) -> str:
    """Return the gateway of the guest that is served now."""
    text = keep.host("cat /var/run/clawkeep/link.json").stdout
    assert text, keep.host("tail -n 6 /opt/clawkeep/var/events.jsonl").stdout
    return str(json.loads(text)["gateway"])


def get(keep: Built, port: int) -> str:
    """Return the page behind a door, or `curl` and its exit status."""
    done = keep.guest(f"curl -sS -m 5 http://{gateway(keep)}:{port}/")
    return done.stdout or f"curl {done.returncode}"


def receiving(keep: Built, port: int) -> Stream:
    """Have the guest receive through a door."""
    return Stream.of_tcp(keep.lab, GUEST, gateway(keep), port)
