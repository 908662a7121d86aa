"""A host without a host: pf, ifconfig, tart and launchd as far as the guard asks them.

pf keeps what it is told and prints it as pfctl does; a clock goes only when told to.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import gmtime, strftime
from types import SimpleNamespace
from typing import Any

import pytest

from clawkeep.link import Link
from clawkeep.onhost import (
    clock,
    daemons,
    evidence,
    guard,
    paths,
    running,
    watch,
    world,
)
from clawkeep.onhost.guard import Guard
from clawkeep.policy import Door, EgressPolicy, Openings, Policy
from clawkeep.render import anchor as render

STOCK = ('scrub-anchor "com.apple/*" all fragment reassemble', 'anchor "com.apple/*" all')
SHARING = 'anchor "com.apple.internet-sharing" all'
NAT = ('nat-anchor "com.apple/*" all', 'rdr-anchor "com.apple/*" all')
PF_CONF = '# stock\nscrub-anchor "com.apple/*"\nanchor "com.apple/*"\n'
FILES = (
    "POLICY", "ANCHOR_FILE", "WALL_FILE", "GRANTS", "EVENTS", "CUT", "LINK", "GUARD", "ENFORCED",
    "CANARY", "WINDOW", "TOKEN", "SOCKET", "LOCK", "RUN",
)  # fmt: skip
GUEST = "192.168.64.2"
NAS = Door("nas", 18022, "10.0.30.20", 22, kind="ssh")
VAULT = Door("vault", 18443, "10.0.30.10", 443, kind="tls")


@dataclass
class Pf:
    """The kernel's pf; `refuses` is what it says to every load of an anchor.

    `counted` are packets by bridge at the last refusal of what comes in there, `sent` of what goes
    out; `evaluated` are the evaluations of every rule.
    """

    enabled: bool = False
    tokens: list[str] = field(default_factory=list)
    main: tuple[str, ...] = STOCK
    anchors: dict[str, str] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    refuses: str = ""
    conf: str = PF_CONF
    nat: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"": NAT})
    skipped: tuple[str, ...] = ("lo0",)
    evaluated: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    given: int = 100

    def run(self, arguments: Sequence[str], text: str | None) -> tuple[int, str, str]:
        """Answer one call of pfctl: status, stdout, stderr."""
        words = list(arguments)
        if words[0] == "-n":
            return (1, "", self.refuses) if self.refuses else (0, "", "")
        if "-s" in words or words[-1] in {"-sr", "-vsr", "-sn"}:
            return 0, self.shown(words), ""
        self.changes.append(" ".join(words))
        match words:
            case ["-E"]:
                self.given += 1
                self.tokens.append(str(self.given))
                self.enabled = True
                return 0, "", f"pf enabled\nToken : {self.given}\n"
            case ["-k", *who]:
                self.killed.append(" ".join(word for word in who if word != "-k"))
            case ["-f", path]:
                loaded = (text if path == "-" else self.conf) or ""
                there = re.findall(r'^(?:scrub-)?anchor "com\.apple/\*"$', loaded, re.M)
                self.main = tuple(line for line in STOCK if line.split(" all")[0] in there)
                self.nat[""], self.skipped = NAT, ()
            case ["-a", path, "-f", "-"]:
                self.anchors[path] = text or ""
                self.nat.pop(path, None)
            case _:
                raise AssertionError(words)
        return 0, "", ""

    def shown(self, words: list[str]) -> str:
        """Return what `-s` prints."""
        match words:
            case ["-s", "info"]:
                return f"Status: {'Enabled' if self.enabled else 'Disabled'}\n"
            case ["-s", "References"]:
                return "TOKENS:\n" + "".join(f"1 pfctl {t} 0 days\n" for t in self.tokens)
        return "".join(f"{line}\n" for line in self.lines(words))

    def lines(self, words: list[str]) -> Iterable[str]:
        """Return the lines of a list."""
        match words:
            case ["-v", "-s", "Anchors"]:
                return sorted(f"  {path}" for path in {*self.anchors, *self.nat} - {""})
            case ["-v", "-s", "Interfaces"]:
                known = sorted({"ALL", "en0", "lo0", *render.BRIDGES, *self.skipped})
                return (f"{name} (skip)" if name in self.skipped else name for name in known)
            case ["-sn"] | ["-a", _, "-sn"]:
                return self.nat.get("" if words[0] == "-sn" else words[1], ())
            case ["-a", path, "-vsr"]:
                return self.counters(self.anchors.get(path, ""))
            case ["-a", path, "-sr"]:
                return render.printed(self.anchors.get(path, ""))
            case ["-sr"]:
                return self.main
        raise AssertionError(words)

    def counters(self, text: str) -> Iterator[str]:
        """Yield the lines that `pfctl -vsr` prints of an anchor's text."""
        for rule in render.printed(text):
            bridge = next(name for name in render.BRIDGES if f" on {name} " in rule)
            packets = self.counted[bridge] if "-deny4" in rule else 0
            packets = self.sent[bridge] if "-deny-out" in rule else packets
            yield rule
            yield f"  [ Evaluations: {self.evaluated:<8d}  Packets: {packets:<8d}  Bytes: 0 ]"
            yield "  [ Inserted: uid 0 pid 1 ]"


class Clock:
    """Stands for the module `time` where the guard uses it, and for `clock.now`.

    `now` passes, whatever happens; the wall clock can be set: it is `set_by` seconds off. The Mac
    can have been asleep for some of it.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.set_by = 0.0
        self.asleep = 0.0
        self._ahead = 0.0

    def time(self) -> float:
        return self.now + self.set_by

    def monotonic(self) -> float:
        return self.now - self.asleep

    def mac_sleeps(self, seconds: float) -> None:
        self.now += seconds
        self.asleep += seconds

    strftime, gmtime = staticmethod(strftime), staticmethod(gmtime)

    def never_back(self) -> float:
        """Stand for `clock.now`, which goes on from the latest that the wall clock ever said."""
        self._ahead = max(self._ahead, self.set_by)
        return self.now + self._ahead

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """One host, and what was done on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.pf, self.clock = folder, Pf(), Clock()
        self.running: list[str] = []
        self.address = GUEST
        self.bridge = ("bridge100", "192.168.64.1", "0xffffff00")
        self.up = False
        self.beyond = ""  # What ifconfig says of bridges that no rule names.
        self.received = 0
        self.forwarding = 1
        self.served: list[Link | None] = []
        self.fails = ""
        self.signals: list[str] = []
        self.supervised = True
        self.listeners = self.udp = ""
        self.policy_values: dict[str, Any] = {"doors": (NAS,)}
        for name in FILES:
            monkeypatch.setattr(paths, name, folder / getattr(paths, name).name)
        for name in ("INPUTS", "OUTPUTS"):
            files = tuple(folder / path.name for path in getattr(watch, name))
            monkeypatch.setattr(watch, name, files)
        monkeypatch.setattr(guard, "INPUTS", watch.INPUTS)
        monkeypatch.setattr(world, "run", self.run)
        monkeypatch.setattr(world, "as_owner", self.as_owner)
        monkeypatch.setattr(clock, "now", self.clock.never_back)
        monkeypatch.setattr(daemons, "refresh", self.refresh)
        monkeypatch.setattr(evidence, "CANARY_JOB", folder)
        for module in (guard, running, evidence):
            if hasattr(module, "time"):
                monkeypatch.setattr(module, "time", self.clock)
        conf = folder / "pf.conf"
        conf.write_text(PF_CONF)
        monkeypatch.setattr("clawkeep.onhost.pfctl.PF_CONF", str(conf))
        self.declare()

    # -- what the host answers

    def run(self, command: Sequence[str], *, text: str | None = None, **_: object) -> Any:
        program = command[0].rpartition("/")[2]
        if program == "pfctl":
            status, out, err = self.pf.run(command[1:], text)
            return SimpleNamespace(returncode=status, stdout=out, stderr=err)
        if program == "ifconfig":
            return SimpleNamespace(returncode=0, stdout=self.interfaces(), stderr="")
        if program == "netstat":
            head = "Name Mtu Network Address Ipkts Ierrs Ibytes Opkts Oerrs Obytes Coll\n"
            line = f"bridge100 1500 <Link#9> aa:bb {self.received} 0 0 0 0 0 0\n"
            return SimpleNamespace(returncode=0, stdout=head + line, stderr="")
        if program == "lsof":
            text = self.udp if any("UDP" in word for word in command) else self.listeners
            return SimpleNamespace(returncode=0, stdout=text, stderr="")
        if program == "sysctl":
            return SimpleNamespace(returncode=0, stdout=f"{self.forwarding}\n", stderr="")
        assert command[:3] == ["/bin/launchctl", "kill", "SIGTERM"], command
        self.signals.append(command[3])
        return SimpleNamespace(returncode=0 if self.supervised else 113, stdout="", stderr="")

    def as_owner(self, _: Policy, command: Sequence[str], **__: object) -> Any:
        verb = command[1]
        if self.fails:
            raise subprocess.TimeoutExpired(self.fails, 10)
        if verb == "list":
            vms = [{"Source": "local", "Name": n, "State": "running"} for n in self.running]
            return SimpleNamespace(returncode=0, stdout=json.dumps(vms), stderr="")
        if verb == "ip":
            return SimpleNamespace(returncode=0, stdout=self.address, stderr="")
        self.signals.append(" ".join(command[1:]))
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    def interfaces(self) -> str:
        name, gateway, mask = self.bridge
        bridge = f"{name}: flags=8a63<UP> mtu 1500\n\tinet {gateway} netmask {mask}\n"
        loopback = "lo0: flags=8049<UP>\n\tinet 127.0.0.1 netmask 0xff000000\n"
        return loopback + bridge * self.up + self.beyond

    def refresh(self, _: Policy, __: Openings, link: Link | None) -> tuple[list[str], list[str]]:
        self.served.append(link)
        return [], []

    # -- what happens to it

    def declare(self, **values: Any) -> None:
        """Write the policy, with these values changed."""
        self.policy_values |= values
        policy = Policy("abc", "keep", "me", 501, "/Users/me", "_clawkeep", **self.policy_values)
        paths.POLICY.write_text(policy.text())

    def egress(self, *cidrs: str) -> None:
        self.declare(egress=EgressPolicy("cidrs", cidrs) if cidrs else EgressPolicy())

    def start(self, *names: str) -> None:
        """Have these guests run, on the one bridge."""
        self.running, self.up = list(names), bool(names)

    def canary(
        self, verdict: str, *, leaks: Sequence[str] = (), unable: Sequence[str] = ()
    ) -> None:
        """Leave a result of the canary that ends now."""
        values = {
            "t": clock.now(), "verdict": verdict, "leaks": list(leaks), "unable": list(unable)
        }  # fmt: skip
        paths.CANARY.write_text(json.dumps(values))

    # -- what came of it

    def events(self, *kinds: str) -> list[str]:
        """Return the texts of the events of these kinds."""
        text = paths.EVENTS.read_text() if paths.EVENTS.exists() else ""
        rows = [json.loads(line) for line in text.splitlines()]
        return [row["text"] for row in rows if row["kind"] in kinds]

    @property
    def doors(self) -> str:
        return self.pf.anchors.get(render.ANCHOR, "")

    def guard(self) -> Guard:
        """Return a guard that has made its first check."""
        made = Guard()
        made.check("start")
        return made

    def pass_time(self, made: Guard, seconds: float, step: float = 1.0) -> None:
        """Let the guard tick for so long."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += step
            made.tick()
