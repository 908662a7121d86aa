"""launchd's own log, one line per event, as `launchd.log` on a Mac."""

import os
import time

from . import paths


def write(subject: str, text: str, level: str = "Notice") -> None:
    """Append one line; a log that cannot be written never stops process 1."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    line = f"{stamp}.{int(now % 1 * 1e6):06d} ({subject}) <{level}>: {text}\n"
    try:
        descriptor = os.open(paths.at(paths.LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        return
    try:
        os.write(descriptor, line.encode(errors="replace"))
    finally:
        os.close(descriptor)
