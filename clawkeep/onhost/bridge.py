"""`clawkeep bridge NAME`: one door's bridge, as launchd runs it for the unprivileged bridge user.

It waits for a guest, checks where the door leads, and becomes socat. Where something about a door
can change under a running socat, it stays as socat's parent instead: a target that is a name is
resolved again and again here, because socat would connect to whatever the name says at that moment,
the host's own loopback too; and a grant ends at its time even when nobody else sees to it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address

from clawkeep.link import Link
from clawkeep.onhost import clock, vet, world
from clawkeep.policy import Door, PolicyError, openings
from clawkeep.render.bridge import bridge_argv
from clawkeep.traffic.formats import SOCAT_ENVIRONMENT

ENVIRONMENT = {**world.ENVIRONMENT, **SOCAT_ENVIRONMENT}
POLL_S = 0.5
FIRST_RETRY_S, RETRY_S = 1, 10
RESOLVE_S = 20
RESOLVE_TIMEOUT_S = 10
END_S = 5


def main(arguments: Sequence[str]) -> int:
    """Run as `bridge NAME`: 0 when there is no such door (any more), 1 when socat ended."""
    if len(arguments) != 1:
        sys.stderr.write("usage: clawkeep bridge NAME\n")
        return 64
    link = _wait_for_link(arguments[0])
    try:
        found = _door(arguments[0])
    except (PolicyError, vet.UnfitError, OSError) as error:
        _say(f"{arguments[0]}: {error}")
        return 1
    if found is None:
        _say(f"{arguments[0]}: no such door is open now")
        return 0
    signal.signal(signal.SIGTERM, _leave)
    keeper = _Keeper(found, link)
    target = keeper.first_target()
    if target is None:
        return 0
    if found.until is None and vet.as_ipv4(found.target_host):
        command = bridge_argv(found, link, target)
        # Python ignores SIGPIPE, and socat would inherit that.
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execve(command[0], command, ENVIRONMENT)  # noqa: S606 - launchd sees socat itself
    try:
        return keeper.run(target)
    finally:
        _end_group()


def _wait_for_link(name: str) -> Link:
    if world.link() is None:
        _say(f"{name}: waits for a guest")
    while (link := world.link()) is None:
        time.sleep(POLL_S)
    return link


def _door(name: str) -> Door | None:
    """Return the open door of that name. A damaged record of grants closes no service."""
    policy = world.policy()
    declared = {door.name: door for door in policy.doors}
    if name not in declared:
        granted = openings(policy, world.grants(), now=clock.now()).doors
        declared = {door.name: door for door in granted}
    return vet.door(declared[name]) if name in declared else None


class _Keeper:
    """One door's socat, and what must stay true while it runs."""

    def __init__(self, door: Door, link: Link) -> None:
        self.door = door
        self.link = link
        self._said = ""

    def first_target(self) -> IPv4Address | None:
        """Wait until the door leads somewhere where it may lead; None when it ended meanwhile."""
        wait_s = FIRST_RETRY_S
        while not self._ended():
            if target := self._target(None):
                return target
            self._sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_S)
        return None

    def run(self, target: IPv4Address) -> int:
        """Keep socat running towards `target` or where the name leads later."""
        socat = self._start(target)
        resolved = time.monotonic()
        while not self._ended():
            time.sleep(POLL_S)
            if socat.poll() is not None:
                _say(f"{self.door.name}: socat ended with status {socat.returncode}")
                return 1
            if time.monotonic() < resolved + RESOLVE_S:
                continue
            new = self._target(target)
            resolved = time.monotonic()
            if new is None:
                # Closed rather than led astray; connections to the old target go on.
                _stop(socat)
                if (new := self.first_target()) is None:
                    break
            elif new == target:
                continue
            else:
                _stop(socat)
            target = new
            socat = self._start(target)
        _say(f"{self.door.name}: the grant has ended")
        return 0

    def _target(self, now: IPv4Address | None) -> IPv4Address | None:
        """Return where the door leads, `now` when that still holds; None when it must not open.

        A name that does not resolve any more keeps its address: DNS that fails closes no door.
        """
        if vet.at_home(self.door):
            return IPv4Address(self.door.target_host)
        try:
            found = self._resolve()
        except OSError as error:
            self._tell(f"{self.door.target_host} does not resolve: {error}")
            return now
        bad = {address: why for address in found if (why := vet.leads_back(address, self.link))}
        for address, why in sorted(bad.items()):
            self._tell(f"target {self.door.target_host} is {address}: {why}; no bridge leads there")
        if bad:
            return None
        self._said = ""
        return now if now in found else min(found, default=None)

    def _resolve(self) -> frozenset[IPv4Address]:
        """Resolve the target; a resolver that hangs holds nothing up. Raises OSError."""
        answers: list[frozenset[IPv4Address] | OSError] = []

        def ask() -> None:
            try:
                answers.append(vet.addresses(self.door.target_host))
            except OSError as error:
                answers.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(RESOLVE_TIMEOUT_S)
        answer = answers[0] if answers else TimeoutError(f"no answer in {RESOLVE_TIMEOUT_S} s")
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _start(self, target: IPv4Address) -> subprocess.Popen[bytes]:
        command = bridge_argv(self.door, self.link, target)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=ENVIRONMENT)

    def _ended(self) -> bool:
        return self.door.until is not None and clock.now() >= self.door.until

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._ended():
            time.sleep(POLL_S)

    def _tell(self, text: str) -> None:
        """Say something once, not at each look."""
        if text != self._said:
            self._said = text
            _say(f"{self.door.name}: {text}")


def _stop(socat: subprocess.Popen[bytes]) -> None:
    """End the listener; the connections that it has forked go on."""
    socat.terminate()
    try:
        socat.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        socat.kill()
        socat.wait()


def _end_group() -> None:
    """End socat and its connections: launchd makes a job the leader of its own group."""
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpid(), signal.SIGTERM)


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


def _say(text: str) -> None:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S")
    print(f"{stamp} {text}", file=sys.stderr, flush=True)
