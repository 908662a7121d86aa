"""What pf does with a flow on the guest's bridge, and which of its rules says so, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from clawkeep.explain.flow import Flow, Says, Step
from clawkeep.link import Link
from clawkeep.pf import Packet, PfSyntaxError, Ruleset, Verdict, evaluate, parse_rules, skipped
from clawkeep.pf.packet import Direction
from clawkeep.policy import Openings
from clawkeep.render.anchor import ANCHOR, LABEL_PREFIX, WALL, anchor, printed, wall

SHARING = "com.apple.internet-sharing"
STOCK = f'anchor "com.apple/*" all\nanchor "{SHARING}" all\n'
"""What a Mac's main ruleset evaluates while a guest runs. Source: reference/macos.md §1.3."""

PLACES = {
    ANCHOR: "the doors' anchor",
    WALL: "the wall's anchor",
    "": "the main ruleset",
}
MEANINGS = {
    "ssh": "the host may open SSH into the guest",
    "dhcp": "the guest may ask for its lease",
    "proxy": "the guest may speak to the proxy on the gateway",
    "resolver": "the guest may speak to the resolver on the gateway",
    "egress": "a declared network of the internet is open on a declared port",
    "deny4": "no door lets this pass, and all other IPv4 from the guest is refused at once",
    "deny6": "all IPv6 from the guest is dropped",
    "deny-out": "nothing but SSH and answers goes from the host to the guest",
    "kill": "the kill switch is on: every guest is cut off",
}
"""What the rules mean, by their label without its prefix."""


class FilterError(ValueError):
    """The rules of the host are not understood; the text says which, and where."""


@dataclass(frozen=True, slots=True)
class Filter:
    """pf with all its rules; when it is not `enabled` it filters nothing.

    `translated` are sentences about translation rules that may make a difference: pf translates
    before it filters, so with any of them nobody can say what becomes of a packet.
    """

    ruleset: Ruleset
    enabled: bool = True
    translated: tuple[str, ...] = ()

    def decide(self, flow: Flow, bridge: str) -> tuple[Step, ...]:
        """Decide the first packet of a flow on `bridge`. Raises FilterError.

        After pf's word come those of its two anchors, each without the other: they do not count,
        and show whether the second wall would stand if the first fell.
        """
        doors, walls = self._without(WALL), self._without(ANCHOR)
        return (
            self._step("pf", flow, bridge),
            replace(doors._step("pf, doors alone", flow, bridge), counts=False),
            replace(walls._step("pf, wall alone", flow, bridge), counts=False),
        )

    def _without(self, name: str) -> Filter:
        anchors = {path: rules for path, rules in self.ruleset.anchors.items() if path != name}
        return replace(self, ruleset=replace(self.ruleset, anchors=anchors))

    def _step(self, layer: str, flow: Flow, bridge: str) -> Step:
        if not self.enabled:
            return Step(layer, "passes", "pf is disabled", "pf is off: it filters nothing")
        if any(skipped(name, bridge) for name in self.ruleset.main.skip):
            return Step(layer, "passes", "set skip", f"pf does not look at {bridge} at all")
        if self.translated:
            return Step(
                layer, "unknown", self.translated[0], "pf changes packets before it filters"
            )
        try:
            verdict = evaluate(self.ruleset, _packet(flow, bridge))
        except ValueError as error:
            raise FilterError(f"pf's rules cannot be judged: {error}") from error
        trail = tuple(str(match) for match in verdict.trail)
        if not verdict.certain:
            return Step(layer, "unknown", _by(verdict), "a rule may pass it, or not", trail)
        says: Says = "passes" if verdict.passes else "refuses"
        return Step(layer, says, _by(verdict), _words(verdict), trail)


def declared(openings: Openings, link: Link) -> Filter:
    """Return pf as it must be: the stock ruleset, both anchors, and internet sharing's passes."""
    sharing = (
        f"pass on en0 all flags any keep state\npass on {link.bridge} all flags any keep state\n"
    )
    # As pfctl prints them, so that a rule has the same line on both sides.
    ours = {ANCHOR: anchor(openings, link), WALL: wall()}
    texts = {name: "\n".join((*printed(text), "")) for name, text in ours.items()}
    texts[SHARING] = sharing
    return live("Status: Enabled", STOCK, texts, {})


def live(
    info: str,
    main: str,
    anchors: Mapping[str, str],
    tables: Mapping[tuple[str, str], str],
    skips: Iterable[str] = (),
    translated: Iterable[str] = (),
) -> Filter:
    """Return pf as `pfctl` prints it: `-s info`, the main `-sr`, and per anchor `-sr` and tables.

    `skips` are the interfaces of `set skip`; for `translated` see `Filter`. Raises FilterError for
    a text that is not understood: what it says is not guessed.
    """
    parsed = {}
    for name, text in {"": main, **anchors}.items():
        try:
            parsed[name] = parse_rules(text, anchor=name)
        except PfSyntaxError as error:
            where = name or "the main ruleset"
            raise FilterError(f"pf's rules in {where} are not understood: {error}") from error
    held: dict[str, dict[str, tuple[str, ...]]] = {}
    for (name, table), text in tables.items():
        held.setdefault(name, {})[table] = tuple(text.split())
    top = replace(parsed.pop(""), skip=tuple(skips))
    return Filter(Ruleset(top, parsed, held), "Status: Enabled" in info, tuple(translated))


def _packet(flow: Flow, bridge: str) -> Packet:
    """Return the packet as pf sees it: what leaves the guest comes in to the host."""
    direction: Direction = "in" if flow.way == "out" else "out"
    return Packet.of(
        bridge,
        direction,
        flow.protocol,
        str(flow.source),
        str(flow.destination),
        source_port=flow.source_port or 0,
        destination_port=flow.port or 0,
        icmp=(0, 0) if flow.port else (128, 0) if flow.v6 else (8, 0),
    )


def _by(verdict: Verdict) -> str:
    found = verdict.decided
    if found is None:
        return "no rule"
    return f"{found.anchor or 'main ruleset'} line {found.line}: {found.text}"


def _words(verdict: Verdict) -> str:
    found = verdict.decided
    if found is None:
        return "no rule matches, and what matches nothing passes, without a state"
    place = PLACES.get(found.anchor, f"the anchor {found.anchor}")
    if found.anchor.startswith(SHARING):
        return "neither the doors nor the wall decided; macOS's internet sharing lets it pass"
    label = found.rule.label.removeprefix(LABEL_PREFIX)
    if label.startswith("svc-"):
        meaning = f"the door of {label.removeprefix('svc-')}"
    else:
        meaning = MEANINGS.get(label, "a rule that Clawkeep did not write")
    stateless = "" if found.rule.action == "block" or verdict.keeps_state else ", without a state"
    return f"{place}: {meaning}{stateless}"
