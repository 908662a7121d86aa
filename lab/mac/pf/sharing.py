"""What vmnet does to pf when a guest's network starts and stops.

It inserts references to com.apple.internet-sharing into the main ruleset, after com.apple/*, fills
that anchor, and holds pf enabled. Chosen for the lab, where reports differ: starting or stopping a
guest never touches children of com.apple/* (reference/macos.md §1.3, [meas26] over
apple/container#402). A reload of the main ruleset drops the references; the next start of a guest
puts them back. Source: reference/macos.md §1.3-1.4; reference/tart.md §3.2.
"""

from __future__ import annotations

import os

from . import control
from .environment import Environment
from .kernel import Kernel, locked, save
from .netfilter import enforce
from .parser import parse
from .rules import KINDS, Rule

ANCHOR = "com.apple.internet-sharing"
BEFORE = "com.apple/*"
SHARED = "shared_v4"
_REFERENCES = f"""\
scrub-anchor "{ANCHOR}"
nat-anchor "{ANCHOR}"
rdr-anchor "{ANCHOR}"
anchor "{ANCHOR}"
"""
_INNER = _REFERENCES.replace(ANCHOR, SHARED)


def insert_internet_sharing(bridge: str, subnet: str, egress_if: str) -> None:
    """Share `egress_if` with the guests of `subnet` (a.b.c.d/bits) on `bridge`.

    Enables pf and holds a reference while any bridge is shared. Repeating it heals what a reload
    of the main ruleset dropped. Raises netfilter.RefusedError; then nothing has changed.
    """
    environment = Environment()
    with locked() as kernel:
        kernel.data["sharing"][bridge] = {"subnet": subnet, "egress": egress_if}
        _fill(kernel, environment)
        _refer(kernel, environment)
        held = kernel.data.get("sharing_token")
        if not any(one["token"] == held for one in kernel.tokens):
            kernel.data["sharing_token"] = control.take(kernel, os.getpid(), "InternetSharing")
        enforce(kernel, environment)
        save(kernel)


def remove_internet_sharing(bridge: str) -> None:
    """Stop sharing with `bridge`; with the last one, the anchor and the reference go too."""
    environment = Environment()
    with locked() as kernel:
        if kernel.data["sharing"].pop(bridge, None) is None:
            return
        _fill(kernel, environment)
        if not kernel.data["sharing"]:
            for kind in KINDS:
                kept = [one for one in kernel.rules("", kind) if one.anchor != ANCHOR]
                kernel.set_rules("", kind, kept)
            held = kernel.data.pop("sharing_token", 0)
            if any(one["token"] == held for one in kernel.tokens):
                control.release(kernel, held)
        kernel.forget_empty()
        enforce(kernel, environment)
        save(kernel)


def _rules(text: str, environment: Environment) -> list[Rule]:
    return parse(text, "internet-sharing", environment).rulesets[""]


def _fill(kernel: Kernel, environment: Environment) -> None:
    shared = kernel.data["sharing"]
    inner = _rules(_INNER, environment) if shared else []
    rules: list[Rule] = []
    for bridge, one in sorted(shared.items()):
        rules += _rules(_bridge_rules(bridge, one["subnet"], one["egress"]), environment)
    for rule in rules:
        if rule.action == "nat" and not rule.negated:
            rule.extfilter = "ei"
    for path, wanted in ((ANCHOR, inner), (f"{ANCHOR}/{SHARED}", rules)):
        for kind in KINDS:
            kernel.set_rules(path, kind, [one for one in wanted if one.kind == kind])


def _bridge_rules(bridge: str, subnet: str, egress: str) -> str:
    return f"""\
scrub on {egress} all no-df fragment reassemble
scrub on {bridge} all no-df max-mss 1460 fragment reassemble
no nat on {bridge} inet from {subnet} to {subnet}
nat on {egress} inet from {subnet} to any -> ({egress}:0)
pass on {egress} all flags any keep state
pass on {bridge} all flags any keep state
"""


def _refer(kernel: Kernel, environment: Environment) -> None:
    for rule in _rules(_REFERENCES, environment):
        present = kernel.rules("", rule.kind)
        if any(one.anchor == ANCHOR for one in present):
            continue
        after = [index for index, one in enumerate(present) if one.anchor == BEFORE]
        present.insert(after[-1] + 1 if after else len(present), rule)
        kernel.set_rules("", rule.kind, present)
