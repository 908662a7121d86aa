"""pf on the host: what it holds, and the few ways in which Clawkeep changes it.

The main ruleset is never replaced while it does its work: reloading it takes the guests' NAT away
(reference/macos.md §1.3). Anchors are loaded whole, after `pfctl -n` has accepted them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clawkeep.onhost import paths, store, world
from clawkeep.render.anchor import ANCHOR, WALL
from clawkeep.seen import MAIN, Seen, printed_lines

PFCTL = "/sbin/pfctl"
PF_CONF = "/etc/pf.conf"
PARENT = ANCHOR.partition("/")[0]
EGRESS = re.compile(r' to (\S+) port = (\d+) .*label "clawkeep-egress"$')
REFERENCE = re.compile(r'^\s*anchor "([^"]+)"', re.MULTILINE)
TRANSLATION = re.compile(r'^\s*(?:nat|rdr|binat)-anchor "([^"]+)"', re.MULTILINE)
ABSENT = re.compile(r"Invalid argument|does not exist|No such", re.IGNORECASE)

#: Anchors before ours that are read at most; a Mac has a handful.
MOST = 200


class PfError(RuntimeError):
    """pfctl did not do what it was asked; the text is what it said."""


def ask(*arguments: str, text: str | None = None) -> str:
    """Return what pfctl prints. Raises PfError."""
    done = world.run([PFCTL, *arguments], text=text)
    if done.returncode != 0:
        said = " ".join(line for line in done.stderr.splitlines() if "ALTQ" not in line)
        raise PfError(f"pfctl {' '.join(arguments)}: {said.strip() or done.returncode}")
    return done.stdout


def rules(anchor: str = "") -> str:
    """Return the filter rules of an anchor; an anchor that is not there has none."""
    return world.run([PFCTL, *(("-a", anchor) if anchor else ()), "-sr"]).stdout


def look(just: Seen | None = None) -> Seen:
    """Return what is in force now. Raises PfError for what cannot be read of what decides.

    `just` is what was seen just before our anchors were loaded: what others have is not read again.
    """
    seen = Seen.of(world.run([PFCTL, "-s", "info"]).stdout, rules(), rules(ANCHOR), rules(WALL))
    if just is not None:
        return replace(seen, before=just.before, nat=just.nat, skipped=just.skipped)
    known = printed_lines(ask("-v", "-s", "Anchors"))
    siblings = [path for path in _children(PARENT, known) if path < ANCHOR]
    before = _reached([*seen.earlier, *siblings], known, "-sr", REFERENCE)
    nat = _reached([""], known, "-sn", TRANSLATION)
    seen = replace(seen, before=tuple((path, printed_lines(before[path])) for path in before))
    return seen.translating(nat, interfaces())


def interfaces() -> str:
    """Return pf's interfaces, and which it skips. Raises PfError."""
    text = ask("-v", "-s", "Interfaces")
    if not text.strip():
        raise PfError("pfctl -v -s Interfaces: it names none, so nobody knows what pf skips")
    return text


def _reached(
    paths: Iterable[str], known: Sequence[str], show: str, reference: re.Pattern[str]
) -> dict[str, str]:
    """Return what `show` prints of these anchors and of all that they refer to. Raises PfError."""
    found: dict[str, str] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        if len(found) >= MOST:
            raise PfError(f"more than {MOST} anchors are evaluated before ours")
        if path == "*" or path.endswith("/*"):
            waiting += _children(path.rpartition("/")[0], known)
            continue
        found[path] = _read("-a", path, show) if path else ask(show)
        for name in reference.findall(found[path]):
            below = f"{path}/{name}" if path else name
            waiting.append(name[1:] if name.startswith("/") else below)
    return found


def _children(parent: str, known: Iterable[str]) -> list[str]:
    """Return which of the `known` anchors are directly below one."""
    return sorted(path for path in known if path.rpartition("/")[0] == parent)


def _read(*arguments: str) -> str:
    """Return what pfctl prints about an anchor, "" for one that is not there. Raises PfError."""
    done = world.run([PFCTL, *arguments])
    if done.returncode != 0 and not ABSENT.search(done.stderr):
        raise PfError(f"pfctl {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def load(anchor: str, path: Path, text: str) -> None:
    """Load an anchor and keep its text in `path`. Raises PfError; then nothing has changed.

    Loaded first, written then: a disk that is full must not keep a rule from closing.
    """
    ask("-n", "-a", anchor, "-f", "-", text=text)
    ask("-a", anchor, "-f", "-", text=text)
    if store.read(path) != text:
        store.write(path, text)


def repair_main() -> None:
    """Bring back the main ruleset's reference to our anchors. Raises PfError.

    The stock file first; should it no longer name com.apple/*, its rules stay and the line is
    added behind them. Either takes internet sharing's NAT away until the guests start again.
    Source: reference/macos.md §1.3.
    """
    ask("-f", PF_CONF)
    if Seen.of("", rules(), "", "").referenced:
        return
    ask("-f", "-", text=f"{Path(PF_CONF).read_text(encoding='utf-8')}\n{MAIN}\n")


def hold_enabled() -> bool:
    """Have pf enabled by one reference of our own; tell whether one was taken now.

    `pfctl -d` of another tool takes all references, and each -E would leak one: so ours is
    remembered, and counts only while pf lists it. Raises PfError.
    Source: reference/macos.md §1.2.
    """
    token = (store.read(paths.TOKEN) or "").strip()
    if token and token in ask("-s", "References").split():
        return False
    done = world.run([PFCTL, "-E"])
    match = re.search(r"Token\s*:\s*(\d+)", done.stderr + done.stdout)
    if match is None:
        raise PfError(f"pfctl -E gave no token: {done.stderr.strip()[-200:]}")
    try:
        store.write(paths.TOKEN, match[1] + "\n", 0o600)
    except OSError:
        ask("-X", match[1])
        raise
    return True


def kill(addresses: Sequence[str]) -> None:
    """End every state of these guests or networks, whoever began it.

    A state outlives the rule that made it. Source: reference/macos.md §1.4.
    """
    for address in addresses:
        world.run([PFCTL, "-k", address])
        world.run([PFCTL, "-k", "0.0.0.0/0", "-k", address])


def kill_pairs(guest: str, networks: Sequence[str]) -> None:
    """End the guest's states to `networks`, and no others."""
    for network in networks:
        world.run([PFCTL, "-k", guest, "-k", network])


def egress_of(lines: Sequence[str]) -> set[tuple[str, str]]:
    """Return the networks on the internet, and the ports there, that these printed rules open."""
    return {(match[1], match[2]) for line in lines if (match := EGRESS.search(line))}
