"""mDNSResponder: there to be signalled, as after a change of /etc/hosts."""

import ctypes
import signal
import sys

PR_SET_NAME = 15


def main(argv: list[str]) -> int:
    """Wait for signals: HUP empties a cache that is not there, TERM ends."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"mDNSResponder", 0, 0, 0)
    signal.signal(signal.SIGHUP, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while argv:
        signal.pause()
    return 0
