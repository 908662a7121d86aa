"""mDNSResponder: what a guest's programs ask for names, and what is signalled after a change.

On a Mac libc asks it and never reads resolv.conf. Here libc is pointed to `STUB` by the guest's
/etc/resolv.conf; what DHCP said about DNS is in /var/run/resolv.conf, as on a Mac.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys

from .namelookup import Lookup

PR_SET_NAME = 15
MACHINE = "/System/Lab/machine.json"
STUB = "127.0.0.53"


def main(argv: list[str]) -> int:
    """Answer in a guest; HUP empties a cache that is not there, TERM ends."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"mDNSResponder", 0, 0, 0)
    signal.signal(signal.SIGHUP, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(MACHINE, encoding="utf-8") as file:
        if json.load(file)["role"] == "guest":
            Lookup(STUB).start()
    while argv:
        signal.pause()
    return 0
