"""The pf anchor on the host: closed before a guest starts, then exactly the declared doors.

Rules live in `com.apple/000.clawkeep`, which the stock ruleset evaluates first; /etc/pf.conf is
never edited and the main ruleset never reloaded, since that drops vmnet's NAT
(reference/macos.md §1.3). Every load is a whole file, checked with `-n`, that denies all of
bridge100-110: there is no moment with fewer blocks than before.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep
from clawkeep.render import anchor as render
from clawkeep.render.plist import property_list
from roles.bundle import File
from roles.network.link import live_link
from roles.probe import Answer, Probe, ask, change, want

RULES = "/opt/clawkeep/etc/anchor.conf"
LOADER_PATH = "/opt/clawkeep/libexec/load-anchor"
LOADER = (Path(__file__).resolve().parents[2] / "templates" / "load-anchor.sh").read_bytes()
STAMP = "/var/run/clawkeep/anchor-loaded"

# Anchors do not survive a reboot (reference/macos.md §1.2): root loads the last rules at boot,
# and the guest's supervisor waits for the loader's stamp.
DAEMON = property_list(
    {
        "Label": "com.nanoclaw.anchor",
        "ProgramArguments": [LOADER_PATH],
        "RunAtLoad": True,
        "StandardOutPath": "/var/log/com.nanoclaw.anchor.log",
        "StandardErrorPath": "/var/log/com.nanoclaw.anchor.log",
    }
)


@dataclass(frozen=True)
class Loaded:
    """The anchor as the kernel has it, and what makes it effective."""

    rules: tuple[str, ...] = ()
    file: str = ""
    enabled: bool = False
    referenced: bool = False
    stamped: bool = False

    def enforces(self, text: str) -> bool:
        """Tell whether exactly `text` is on disk, loaded and in force."""
        in_force = self.enabled and self.referenced and self.stamped
        return in_force and self.file == text and self.rules == render.printed(text)


def _loaded(answer: Answer) -> Loaded:
    parts = answer.text.split("\n@@\n")
    if len(parts) != 5:
        return Loaded()
    rules, info, main, stamp, file = parts
    return Loaded(
        rules=tuple(line.strip() for line in rules.splitlines() if line.strip()),
        enabled="Status: Enabled" in info,
        # With the slash: com.apple.internet-sharing is another anchor; scrub-anchor is no filter.
        referenced=any(line.startswith('anchor "com.apple/*"') for line in main.splitlines()),
        stamped=stamp.strip() == "loaded",
        file=file + "\n",
    )


LOADED = Probe(
    "anchor",
    f"/sbin/pfctl -a {render.ANCHOR} -sr; echo; echo @@; /sbin/pfctl -s info; echo; echo @@; "
    f"/sbin/pfctl -sr; echo; echo @@; [ ! -e {STAMP} ] || echo loaded; echo; echo @@; cat {RULES}",
    _loaded,
    sudo=True,
)


def files() -> list[File]:
    """Return the loader: run by root at boot and by each converge."""
    return [File(LOADER_PATH, LOADER, "755")]


def closed(name: str) -> None:
    """Have an anchor in force that closes every guest bridge; one with doors is left alone."""
    want(LOADED)
    _closed(name=name)


@operation()
def _closed() -> Generator[StringCommand, None, None]:
    loaded = ask(LOADED)
    ours = loaded.file.startswith("# Written by clawkeep")
    if ours and loaded.enforces(loaded.file):
        host.noop("the bridges are closed but for declared doors")
        return
    yield load(loaded.file if ours else render.deny_all())


def live(name: str, keep: Keep) -> None:
    """Have the anchor of the live link in force: the declared doors, and nothing else."""
    want(LOADED)
    want(live_link(keep.guest.name))
    _live(name=name, keep=keep)


@operation()
def _live(keep: Keep) -> Generator[StringCommand, None, None]:
    link = ask(live_link(keep.guest.name))
    if isinstance(link, str):
        yield from no_link(link)
        return
    if inside := keep.services_inside(link.network):
        names = ", ".join(f"{s.name} -> {s.target}" for s in inside)
        yield change('echo "$1" >&2; exit 1', f"target inside the guest's own network: {names}")
        return
    text = render.anchor(keep.services, link)
    loaded = ask(LOADED)
    if loaded.enforces(text):
        host.noop(f"{len(keep.services)} doors on {link.bridge} {link.gateway}")
        return
    for line in sorted(set(loaded.rules) ^ set(render.printed(text))):
        host.log(f"    {'-' if line in loaded.rules else '+'} {line}")
    gone = set(loaded.rules) - set(render.printed(text))
    yield load(text, kill=str(link.guest) if gone else "")


def no_link(why: str) -> Generator[StringCommand, None, None]:
    """Yield the failure of an operation that needs the live link; a plan only counts it."""
    yield change('echo "$1" >&2; exit 1', why)


def load(text: str, kill: str = "") -> StringCommand:
    """Return the command that puts `text` in force; states of the guest `kill` end with it."""
    return change(LOAD, RULES, LOADER_PATH, kill, sudo=True, stdin=text)


# A state outlives the rule that made it: what is no longer declared must end now.
LOAD = r"""set -eu
mkdir -p "$(dirname "$1")"
n="$(dirname "$1")/.anchor.conf.new"
rm -f "$n"; cat > "$n"; chmod 644 "$n"
/sbin/pfctl -n -a com.apple/000.clawkeep -f "$n"
mv -f "$n" "$1"
"$2"
if [ -n "$3" ]; then /sbin/pfctl -k "$3" 2>/dev/null || true; fi
"""
