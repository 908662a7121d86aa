"""The canary and its guest: one that lies, one that says nothing, and a second one beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clawkeep.render.anchor import ANCHOR, WALL
from tests.lab.attacks.stands import TART, run_guest
from tests.lab.canaries import broken, on_host, unwatched
from tests.lab.keep import GUEST, Built

pytestmark = pytest.mark.lab

AGENT_SOCKET = "/System/Lab/vsock/8080"
PYTHON = "/System/Lab/python/bin/python3"

LIAR = r"""#!/System/Lab/python/bin/python3
import json, re, sys
plan = json.loads(eval(re.search(r"^main\((.*)\)$", sys.stdin.read(), re.M)[1]))
open_kinds = {"tls", "http", "ssh", "tcp"}
rows = [{"nonce": p["nonce"], "answered": p.get("data", p["what"] in open_kinds),
         "evidence": "refused", "ms": 1} for p in plan["probes"]]
print(json.dumps({"nonce": plan["nonce"], "results": rows}))
"""


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    return unwatched(keep)


@contextmanager
def lying(keep: Built) -> Iterator[None]:
    """Put in the guest, as its root may, a program that says what we want to hear."""
    path = "/usr/bin/python3"
    done = keep.lab.exec(
        f"guest:{GUEST}",
        ["/bin/sh", "-c", f"rm {path} && cat > {path} && chmod 755 {path}"],
        input=LIAR,
    )
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        assert keep.guest(f"rm {path} && ln -s {PYTHON} {path}").returncode == 0


def test_a_guest_that_lies_is_not_believed_without_the_counters(keep: Built) -> None:
    with lying(keep):
        closed, status = on_host(keep)
        with broken(keep, "pfctl -d"):
            open_, _ = on_host(keep)
    for result in (closed, open_):
        assert (result["verdict"], result["leaks"], result["failed"]) == ("red", [], [])
        assert "not confirmed" in result["unable"][0]
    assert status == 2
    assert on_host(keep)[0]["verdict"] == "green"


@contextmanager
def without_agent(keep: Built) -> Iterator[None]:
    assert keep.guest(f"mv {AGENT_SOCKET} {AGENT_SOCKET}.away").returncode == 0
    try:
        yield
    finally:
        assert keep.guest(f"mv {AGENT_SOCKET}.away {AGENT_SOCKET}").returncode == 0


@pytest.mark.slow
def test_without_the_agent_the_host_cannot_tell_and_the_operator_goes_by_ssh(
    keep: Built,
) -> None:
    with without_agent(keep):
        alone, status = on_host(keep)
        done = keep.clawkeep("canary", "--json")
        with broken(keep, f"pfctl -a {ANCHOR} -F rules; pfctl -a {WALL} -F rules"):
            leaking = keep.clawkeep("canary", "--json")
    assert (alone["verdict"], status, alone["reached"]) == ("red", 2, False)
    assert "control socket" in alone["unable"][0], alone["unable"]
    result = json.loads(done.stdout)
    assert (result["verdict"], result["via"], done.returncode) == ("green", "ssh", 0), done.stderr
    assert "trying SSH" in done.stderr
    assert json.loads(leaking.stdout)["leaks"]
    assert leaking.returncode == 1


@pytest.mark.slow
def test_an_agent_that_hangs_is_not_waited_for(keep: Built) -> None:
    hangs = "printf '#!/bin/sh\\nsleep 60\\n' > /usr/bin/python3 && chmod 755 /usr/bin/python3"
    script = f"rm /usr/bin/python3 && {hangs}"
    assert keep.guest(script).returncode == 0
    started = time.monotonic()
    try:
        result, status = on_host(keep)
    finally:
        keep.guest(f"rm /usr/bin/python3; ln -s {PYTHON} /usr/bin/python3")
    assert (result["verdict"], status) == ("red", 2)
    assert time.monotonic() - started < 20
    left = keep.host("pgrep -f 'tart exec -i'").stdout
    assert left == "", "tart lives on"


def test_another_guest_is_among_what_must_be_silent(keep: Built) -> None:
    run_guest(keep.lab, f"{GUEST}-base", "neighbour")
    try:
        result, _ = on_host(keep)
    finally:
        keep.host(f"{TART} stop neighbour --timeout 1")
    names = [p["name"] for p in result["probes"] if p["name"].startswith("guest ")]
    assert len(names) == 2
    assert (result["verdict"], result["notes"]) == ("green", [])
