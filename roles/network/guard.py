"""The guard and its policy: closed before a guest starts, then exactly what is declared.

pf's rules are written by the host's own guard alone (clawkeep/onhost/guard.py). Here the policy is
laid down, and whether it is in force is judged by what pfctl prints, not by what the guard says.
"""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep import declaration, declared, survey
from clawkeep.model import Keep
from clawkeep.policy import Policy, PolicyError, parse_policy
from clawkeep.render import anchor as render
from clawkeep.render.plist import property_list
from clawkeep.survey import Survey
from roles.bundle import File, install
from roles.identity import identity
from roles.network import egress
from roles.network.link import live_link
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

POLICY = "/opt/clawkeep/etc/policy.json"
ENFORCE = "/opt/clawkeep/bin/clawkeep enforce"

#: launchd's own timers are coalesced for background jobs; this one looks every second.
DAEMON = property_list(
    {
        "Label": "com.nanoclaw.guard",
        "ProgramArguments": ["/opt/clawkeep/bin/clawkeep", "guard"],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 1,
        "ProcessType": "Interactive",
        "StandardOutPath": "/var/log/com.nanoclaw.guard.log",
        "StandardErrorPath": "/var/log/com.nanoclaw.guard.log",
    }
)


def _survey(answer: Answer) -> Survey:
    return survey.parse(answer.text)


SURVEY: Probe[Survey] = Probe("enforcement", survey.SCRIPT, _survey, sudo=True)


def declared_policy(keep: Keep) -> Policy:
    """Return the policy of the declared keep for this host; asks who its user is."""
    user = identity()
    return declaration.policy_of(
        keep,
        owner=user.user,
        owner_uid=user.uid,
        owner_home=user.home,
        cas=certificates(keep),
    )


def certificates(keep: Keep) -> dict[str, str]:
    """Return the private CAs that services name, as PEM texts. Raises OSError."""
    return declaration.certificates(keep, declared.allowlist().parent)


def closed_policy(policy: Policy) -> Policy:
    """Return the policy of a keep of which nothing is open yet: it only says who is who."""
    return Policy(
        digest="",
        guest=policy.guest,
        owner=policy.owner,
        owner_uid=policy.owner_uid,
        owner_home=policy.owner_home,
        bridge_user=policy.bridge_user,
    )


def closed(name: str, policy: Policy) -> None:
    """Have the bridges shut but for what an earlier policy of this very keep opens."""
    want(SURVEY)
    _closed(name=name, policy=policy)


@operation()
def _closed(policy: Policy) -> Generator[StringCommand, None, None]:
    found = ask(SURVEY)
    if not _same_keep(found.policy, policy):
        told(POLICY, "of another keep, or none; nothing is open from now on")
        yield install([File(POLICY, closed_policy(policy).text().encode())])
        yield enforce()
        return
    if found.cut_off is not None and found.values("cut").get("cause") != "unable":
        # Nobody gets into that guest, so say it now and not after having waited for it.
        yield fail(
            f"{found.cut_off}; deal with the cause, then on the host: sudo {ENFORCE} --reopen"
        )
        return
    ours = found.rules.startswith("# Written by clawkeep")
    if ours and not found.seen.lacks(found.rules, render.wall()):
        host.noop("the bridges are closed but for declared doors")
        return
    yield enforce()


def _same_keep(text: str, policy: Policy) -> bool:
    try:
        there = parse_policy(text)
    except PolicyError:
        return False
    return closed_policy(there) == closed_policy(policy)


def _want(keep: Keep) -> None:
    want(SURVEY)
    want(live_link(keep.guest.name))
    egress.want_registries(keep)


def policy_file(name: str, keep: Keep, policy: Policy) -> None:
    """Have the declared policy on the host; what changes is said door by door."""
    _want(keep)
    _policy_file(name=name, keep=keep, policy=policy)


@operation()
def _policy_file(keep: Keep, policy: Policy) -> Generator[StringCommand, None, None]:
    policy = egress.complete(policy, keep)
    link = ask(live_link(keep.guest.name))
    if not isinstance(link, str) and (inside := keep.services_inside(link.network)):
        names = ", ".join(f"{s.name} -> {s.target}" for s in inside)
        yield fail(f"target inside the guest's own network: {names}")
        return
    found = ask(SURVEY)
    if found.policy == policy.text():
        host.noop(f"{len(policy.doors)} doors, egress {policy.egress.mode}")
        return
    for line in policy_changes(found.policy, policy.text()):
        told(POLICY, line, "+" if line.startswith("+") else "-")
    # Enforced here: another target of a door is in no rule, so the rules alone would not show it.
    yield install([File(POLICY, policy.text().encode())])
    yield enforce()


def policy_changes(before: str, after: str) -> list[str]:
    """Return a line per value or door that comes (+) or goes (-), without certificates."""
    old, new = _flat(before), _flat(after)
    return [f"- {line}" for line in old if line not in new] + [
        f"+ {line}" for line in new if line not in old
    ]


def _flat(text: str) -> list[str]:
    try:
        data = json.loads(text)
    except ValueError:
        return []
    lines = []
    for key, value in data.items():
        if key == "doors":
            lines += [
                f"{d['name']} :{d['port']} -> {d['target_host']}:{d['target_port']} {d['kind']}"
                for d in value
            ]
        elif key != "digest":
            lines.append(f"{key} {json.dumps(value, sort_keys=True)}")
    return lines


def in_force(name: str, keep: Keep, policy: Policy) -> None:
    """Have exactly the policy, grants and window in force, by what pfctl itself prints."""
    _want(keep)
    _in_force(name=name, keep=keep, policy=policy)


@operation()
def _in_force(keep: Keep, policy: Policy) -> Generator[StringCommand, None, None]:
    policy = egress.complete(policy, keep)
    link = ask(live_link(keep.guest.name))
    if isinstance(link, str):
        yield fail(link)
        return
    wrong = ask(SURVEY).wrong(policy, link)
    if not wrong:
        host.noop(f"{len(policy.doors)} doors on {link.bridge} {link.gateway}")
        return
    for sentence in wrong:
        told("isolation", sentence)
    yield enforce()


def enforce(*options: str) -> StringCommand:
    """Return the command that has the host enforce its policy now; it fails with the reason."""
    return change(f"{' '.join([ENFORCE, *options])} >&2", sudo=True)


def fail(why: str) -> StringCommand:
    """Return the command that ends the run with `why`; a plan only counts it."""
    return change('echo "$1" >&2; exit 1', why)
