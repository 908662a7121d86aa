"""Whether pf sees what the guest's bridge receives: the counters of our rules against the bridge's.

Rules can be loaded, referenced and enabled, and no packet be held against them. A packet of an
established state counts for the rule that made the state, and whatever makes none is refused by a
rule of ours: so the packets of our rules on that bridge grow whenever it receives IP. What the host
sends there is no sign of it. ARP and other frames that are not IP count for the bridge alone; they
are few. Source: reference/peers.md 0.5, reference/macos.md §1.3 (health check 5).
"""

from __future__ import annotations

import subprocess
from collections import Counter

from clawkeep.canary import counters as rules
from clawkeep.onhost import clock, pfctl, world
from clawkeep.onhost.situation import Cut, Record
from clawkeep.render.anchor import ANCHOR, LABEL_PREFIX, WALL

#: So many packets, and none of them at a rule of ours, is not ARP.
MANY = 200
FORWARDING = "net.inet.ip.forwarding"

#: Counts what the host sends to the guest, and nothing that comes from there.
OUTWARDS = f"{LABEL_PREFIX}deny-out"


class Counters:
    """The counters at the last check; two checks in a row must agree before they mean anything."""

    def __init__(self) -> None:
        self._last: tuple[str, int, dict[str, int]] | None = None
        self._blind = 0

    def blind(self, record: Record) -> Cut | None:
        """Return the cut that a pf which does not look asks for, None while it looks."""
        bridge = (record.link or {}).get("bridge", "")
        now = (bridge, received(bridge), counted(bridge))
        last, self._last = self._last, now
        grown = rules.grown(last[2], now[2]) if last is not None else None
        if last is None or grown is None or last[0] != bridge or now[1] < 0 or last[1] < 0:
            self._blind = 0
            return None
        if now[1] - last[1] < MANY:
            return None
        self._blind = 0 if any(grown.values()) else self._blind + 1
        if self._blind < 2:
            return None
        words = f"{bridge} received {now[1] - last[1]} packets and pf counted none of them"
        return Cut("blind", words, clock.now(), latched=True)


class Forwarding:
    """Whether the host routes packets: noted when it changes, never changed.

    vmnet turns `net.inet.ip.forwarding` on for the NAT of any guest on this host, and other guests
    need it; ours is refused at the bridge before a packet could be routed. But somebody who turns
    it on while no guest needs NAT opens what only our rules then close, so the change is an event.
    One to 0 counts when the same guest is still there at the next check: vmnet turns it off as a
    guest ends, a moment before its bridge is gone. Source: reference/peers.md 0.18, D.4.
    """

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._ending = False

    def changed(self, record: Record) -> str:
        """Say how it changed while the same guest was there, "" when it did not."""
        try:
            value = world.run(["/usr/sbin/sysctl", "-n", FORWARDING]).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""
        last, now = self._last, (str(record.link), value)
        # Without a link no guest is known: one that boots has vmnet turn it on.
        stayed = record.link is not None and last is not None and last[0] == now[0]
        changed = stayed and last is not None and last[1] != value
        self._ending = changed and value == "0" and not self._ending
        if self._ending:
            return ""
        self._last = now
        if last is None or not changed:
            return ""
        return f"{FORWARDING} went from {last[1]} to {value} while the guest stayed"


def received(bridge: str) -> int:
    """Return the packets that the interface has received, -1 when that cannot be learned."""
    try:
        text = world.run(["/usr/sbin/netstat", "-I", bridge, "-b", "-n"]).stdout
    except (OSError, subprocess.SubprocessError):
        return -1
    return packets(text, bridge)


def packets(text: str, bridge: str) -> int:
    """Read `Ipkts` of the interface's own line (`<Link#N>`) in what netstat prints."""
    head, *lines = text.splitlines() or [""]
    names = head.split()
    for line in lines:
        words = line.split()
        if "Ipkts" in names and words[:1] == [bridge] and words[2:3] and words[2].startswith("<"):
            # From the right: the column Address is empty for an interface without one.
            value = words[names.index("Ipkts") - len(names)]
            return int(value) if value.isdigit() else -1
    return -1


def counted(bridge: str) -> dict[str, int]:
    """Return by label the packets of our rules on `bridge`, but those that only the host sends."""
    found: Counter[str] = Counter()
    for anchor in (ANCHOR, WALL):
        text = world.run([pfctl.PFCTL, "-a", anchor, "-vsr"]).stdout
        found.update(rules.counted(text, bridge))
    found.pop(OUTWARDS, None)
    return dict(found)
