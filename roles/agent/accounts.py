"""The users that agents run as: one per trust level, and nothing that is not theirs.

Each has a group of its own name and no other, so that what is staff's is not theirs; no password,
no shell, no home. The service user is in all of these groups: what it hands to an agent belongs to
that agent's group. A user is never removed: files may be its own for ever.

opendirectoryd keeps new records in memory until it ends (reference/macos.md §5), so each script
ends by having them written, and notes that it came so far.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from roles.base.account import MARKS
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

#: Where the search for a free number begins, for user and group alike: above people's, who start
#: at 501, so that neither gets in the other's way.
FIRST_ID = 700


@dataclass(frozen=True)
class _Accounts:
    """By agent user, whether it is as declared; the rest is about all of them."""

    right: frozenset[str]
    joined: frozenset[str]
    flushed: bool


def _accounts(answer: Answer) -> _Accounts:
    lines = answer.text.splitlines()
    return _Accounts(
        right=frozenset(line[3:] for line in lines if line.startswith("ok ")),
        joined=frozenset(line[7:] for line in lines if line.startswith("member ")),
        flushed="flushed" in lines,
    )


# `id -P` is the line of passwd. Membership is asked of the directory, not of `id -Gn`, which stops
# at sixteen groups.
LOOK = r"""for u in {agents}; do
  id -P "$u" | grep -q ':/var/empty:/usr/bin/false$' && [ "$(id -gn "$u")" = "$u" ] && echo "ok $u"
  dseditgroup -o checkmember -m {user} "$u" && echo "member $u"
done
[ "$(cat {mark})" = {digest} ] && echo flushed
true"""


def _mark(agents: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(agents).encode()).hexdigest()[:16]


def _probe(user: str, agents: Sequence[str]) -> Probe[_Accounts]:
    script = LOOK.format(
        agents=shlex.join(agents), user=user, mark=f"{MARKS}/agent-users", digest=_mark(agents)
    )
    return Probe(f"agent users {_mark(agents)}", script, _accounts, sudo=True)


def users(name: str, user: str, agents: Sequence[str]) -> None:
    """Have every user of `agents`, with `user`, the service's, in the group of each."""
    want(_probe(user, agents))
    _users(name=name, user=user, agents=list(agents))


@operation()
def _users(user: str, agents: list[str]) -> Generator[StringCommand, None, None]:
    found = ask(_probe(user, agents))
    due = [one for one in agents if one not in found.right or one not in found.joined]
    if not due and found.flushed:
        host.noop(f"{len(agents)} agent users are there")
        return
    for one in due:
        told(one, "not as declared" if one not in found.right else "membership")
    yield change(CREATE, user, str(FIRST_ID), f"{MARKS}/agent-users", _mark(agents), *due,
                 sudo=True)  # fmt: skip


# $1 service user, $2 first number, $3 mark, $4 its content, then the agent users. The shell is
# written last of a record: a killed run leaves none that the probe takes for whole.
CREATE = r"""set -eu
user=$1 id=$2 mark=$3 digest=$4
shift 4
taken() {
  { dscl . -list /Users UniqueID; dscl . -list /Groups PrimaryGroupID; } |
    grep -Eq "[[:space:]]$1\$"
}
for u in "$@"; do
  g=$(dscl . -read "/Groups/$u" PrimaryGroupID 2>/dev/null | sed -n 's/^PrimaryGroupID: //p')
  if [ -z "$g" ]; then
    while taken "$id"; do id=$((id+1)); done
    g=$id
    dscl . -create "/Groups/$u"
    dscl . -create "/Groups/$u" RealName "Agent of NanoClaw"
    dscl . -create "/Groups/$u" PrimaryGroupID "$g"
  fi
  r="/Users/$u"
  dscl . -create "$r"
  if ! dscl . -read "$r" UniqueID 2>/dev/null | grep -q '^UniqueID: '; then
    n=$g
    while dscl . -list /Users UniqueID | grep -Eq "[[:space:]]$n\$"; do n=$((n+1)); done
    dscl . -create "$r" UniqueID "$n"
  fi
  dscl . -create "$r" PrimaryGroupID "$g"
  dscl . -create "$r" RealName "Agent of NanoClaw"
  dscl . -create "$r" Password '*'
  dscl . -create "$r" IsHidden 1
  dscl . -create "$r" NFSHomeDirectory /var/empty
  dscl . -create "$r" UserShell /usr/bin/false
  dseditgroup -o edit -a "$user" -t user "$u"
  dseditgroup -o checkmember -m "$user" "$u" >/dev/null ||
    { echo "$user did not become a member of $u" >&2; exit 1; }
done
killall opendirectoryd 2>/dev/null || true
for u in "$@" "$user"; do
  i=0
  until id "$u" >/dev/null 2>&1; do
    i=$((i+1))
    [ $i -lt 100 ] || { echo "$u was gone after opendirectoryd was flushed" >&2; exit 1; }
    sleep 0.2
  done
done
mkdir -p -m 700 "$(dirname "$mark")"
echo "$digest" > "$mark"
sync
"""
