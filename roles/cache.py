"""A guest that is built from the host's cache alone: what must be there, and how it gets it.

The index is read on the host, never through the share: a guest believes the hashes that the host
gives it, and copies each file before it is hashed, so what is installed is what was checked.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.cache.index import BadIndexError, Index, Item, Want, parse
from clawkeep.cache.wants import Plan, plan
from clawkeep.model import Keep
from clawkeep.model.offline import CACHE, MOUNT
from connectors.tart import TartConnector
from roles.probe import Answer, Probe, ask, change, want

READ_INDEX = f"cat {CACHE}/index.json 2>/dev/null || true"
SHARE = f"{MOUNT.guest_path}/sha256"


@dataclass(frozen=True)
class There:
    """The cache as the host has it. `sizes` are those of its files, by hash."""

    prepared: bool
    index: Index
    sizes: dict[str, int]

    def problems(self, wants: Sequence[Want]) -> list[str]:
        """Name what a guest could not be built from."""
        found = [f"{want.kind} {want.name}" for want in self.index.lacking(wants)]
        found += [
            f"{item.title} (its file is not there, or has another size)"
            for item in self.index.of(want.key for want in wants)
            if self.sizes.get(item.sha256) != item.size
        ]
        return found


def _there(answer: Answer) -> There:
    prepared, index, sizes = [*re.split(r"^@@\n?", answer.text, flags=re.MULTILINE), "", ""][:3]
    try:
        known = parse(index)
    except BadIndexError as error:
        raise PyinfraError(f"{host.name}: {error}; remove it, and clawkeep cache fill") from error
    pairs = (line.split() for line in sizes.splitlines())
    found = {name: int(size) for size, name in pairs if re.fullmatch("[0-9a-f]{64}", name)}
    return There("prepared" in prepared, known, found)


THERE = Probe(
    "cache",
    "[ ! -x /opt/clawkeep/bin/clawkeep ] || echo prepared; echo; echo @@; "
    f"{READ_INDEX}; echo; echo @@; cd {CACHE}/sha256 && stat -f '%z %N' *; true",
    _there,
)


def declared(keep: Keep) -> Plan | None:
    """Return what the cache must hold, None where the guest is built from the internet."""
    return plan(keep) if keep.offline else None


def required(keep: Keep) -> None:
    """End the run, before anything is changed, when the cache lacks something.

    Called in deploy code, for the host. A host that has no Clawkeep yet cannot have a cache: it is
    prepared first, and `complete` ends the run before there is a guest.
    """
    wanted = declared(keep)
    if wanted is None or not (there := ask(THERE)).prepared:
        return
    if problems := there.problems(wanted.wants):
        raise PyinfraError(_lacking(problems))


def complete(name: str, keep: Keep) -> None:
    """Have a cache that holds all that is declared; the run ends where it does not."""
    wanted = declared(keep)
    if wanted is not None:
        want(THERE)
        _complete(name=name, plan=wanted)


@operation()
def _complete(plan: Plan) -> Generator[StringCommand, None, None]:
    if problems := ask(THERE).problems(plan.wants):
        yield change('echo "$1" >&2; exit 1', _lacking(problems))
        return
    host.noop(f"the cache holds all {len(plan.wants)} that are declared")


def _lacking(problems: Sequence[str]) -> str:
    shown = ", ".join(problems[:5])
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return (
        f"{host.name}: decisions.install_from is 'cache', and the cache lacks {shown}{more}; "
        "run clawkeep cache fill (clawkeep cache list shows all)"
    )


def keys(wanted: Plan, kind: str, names: Iterable[str]) -> list[str]:
    """Return the keys of wants by what they are called in the declaration."""
    known = {want.name: want.key for want in wanted.wants if want.kind == kind}
    return [known[name] for name in names]


def items(wanted: Sequence[str]) -> tuple[Item, ...]:
    """Return the items of wants, as the host has them on record; none in a plan.

    Raises PyinfraError when the host has none: `required` saw them, and somebody removed them.
    """
    connector = host.connector
    if not isinstance(connector, TartConnector) or not host.state.is_executing:
        return ()
    try:
        found = parse(connector.on_host.ask(READ_INDEX)).of(wanted)
    except BadIndexError as error:
        raise PyinfraError(f"{error}; remove it, and clawkeep cache fill") from error
    known = {key for item in found for key in item.wants}
    if lacking := [key for key in wanted if key not in known]:
        raise PyinfraError(_lacking(lacking))
    return found


def listed(found: Iterable[Item]) -> str:
    """Return the lines that STAGE reads: hash, place, and what a message calls it."""
    return "".join(f"{item.sha256}\t{item.place}\t{item.title}\n" for item in found)


# $d is the folder, the list is on stdin; h, p, n, s, t and f are its own variables. Copied first,
# hashed then: what was checked is what is used, whatever happens to the share. Nothing is installed
# unless every file is right.
STAGE = rf"""set -eu
s='{SHARE}'; t=$(printf '\t')
[ -d "$s" ] || {{ echo "the cache is not shared with this guest (no $s): it was started without;" \
  "run clawkeep apply base" >&2; exit 1; }}
trap 'rm -rf "$d"' EXIT
rm -rf "$d"; mkdir -p "$d"
: > "$d/.sums"; : > "$d/.titles"
while IFS=$t read -r h p n; do
  mkdir -p "$d/${{p%/*}}"
  cp "$s/$h" "$d/$p" || {{ echo "$n: the cache has no file $h" >&2; exit 1; }}
  printf '%s  %s\n' "$h" "$d/$p" >> "$d/.sums"
  printf '%s\t%s\n' "$d/$p" "$n" >> "$d/.titles"
done
if ! shasum -a 256 -c "$d/.sums" > "$d/.checked" 2>/dev/null; then
  sed -n 's/: FAILED.*//p' "$d/.checked" | while IFS= read -r f; do
    n=$(awk -F '\t' -v f="$f" '$1 == f {{ print $2 }}' "$d/.titles")
    echo "$n: its file in the cache is damaged; run clawkeep cache fill" >&2
  done
  exit 1
fi
"""
