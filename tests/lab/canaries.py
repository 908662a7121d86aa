"""What the tests of the canary share: a keep without its guard, one run, and what is broken for it.

The guard would repair what these tests break, so it is off here; it has tests of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clawkeep.render.anchor import ANCHOR, WALL
from tests.lab.keep import Built


def unwatched(keep: Built) -> Built:
    """End the guard and the scheduled canary: from now on one runs only when a test says so."""
    for job in ("guard", "canary"):
        keep.host(f"launchctl bootout system/com.nanoclaw.{job}")
    return keep


def on_host(keep: Built) -> tuple[dict[str, Any], int]:
    """Run the host's verb as root; its result and exit status."""
    done = keep.host("/opt/clawkeep/bin/clawkeep canary --json")
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert json.loads(keep.host("cat /var/run/clawkeep/canary.json").stdout) == result
    return result, done.returncode


@contextmanager
def broken(keep: Built, script: str) -> Iterator[None]:
    """Break something on the host, and have pf as it was afterwards."""
    repair = (
        f"pfctl -E; pfctl -f /etc/pf.conf; pfctl -a {ANCHOR} -f /opt/clawkeep/etc/anchor.conf && "
        f"pfctl -a {WALL} -f /opt/clawkeep/etc/wall.conf"
    )
    done = keep.host(script)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = keep.host(repair)
        assert done.returncode == 0, done.stderr
