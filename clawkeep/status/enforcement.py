"""What is in force on the host, judged from pfctl's own words and not from the guard's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from clawkeep import expected, ifconfig
from clawkeep.declaration import certificates, policy_of
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.policy import Door, Policy, PolicyError, parse_policy
from clawkeep.render import anchor as rules
from clawkeep.status.report import GuardState
from clawkeep.survey import PARTS, Survey

#: A guard that works checks everything every 30 s; a busy host may be late.
SILENT_S = 90


class Enforcement:
    """The survey of one host, held against the declared keep."""

    def __init__(
        self, keep: Keep, folder: Path, first: Mapping[str, str], host: Mapping[str, str]
    ) -> None:
        self.survey = Survey({name: host[name] for name in PARTS if name in host})
        self.interfaces = host.get("interfaces", "")
        self.policy = _declared(keep, folder, first.get("identity", ""), self.survey)

    @property
    def granted(self) -> tuple[Door, ...]:
        """The doors that are open by a grant."""
        if self.policy is None:
            return ()
        return tuple(d for d in self.survey.openings(self.policy).doors if d.until is not None)

    def anchor(self, address: str | None) -> str:
        """Say whether exactly the declared rules are in force; see `Report.anchor`."""
        seen = self.survey.seen
        for word, holds in (
            ("unknown", not self.survey.asked),
            ("off", not (seen.enabled and seen.referenced)),
            ("cut", bool(self.survey.values("cut"))),
            ("absent", not seen.doors),
            ("closed", not seen.lacks(rules.deny_all(), rules.wall())),
        ):
            if holds:
                return word
        try:
            link = ifconfig.link(self.interfaces, address or "")
        except ifconfig.LinkError:
            return "unknown"
        if self.policy is None:
            return "unknown"
        return "differs" if self.survey.wrong(self.policy, link) else "in force"

    def guard(self) -> GuardState:
        """Say how the guard is, and what it did last."""
        if not self.survey.asked:
            return GuardState()
        said, event = self.survey.values("guard"), self.survey.values("events")
        running = bool(self.survey.parts["job"].strip())
        checked = said.get("checked")
        age = max(0, round(self._now() - checked)) if isinstance(checked, int | float) else None
        state = plain(str(said.get("state", "unknown")))
        if not running:
            state = "not running"
        elif age is None or age > SILENT_S:
            state = "silent"
        last = f"{event.get('t', '')} {event.get('kind', '')}: {event.get('text', '')}"
        return GuardState(
            state=state,
            age_s=age,
            why=plain(str(said.get("why", ""))),
            last_event=plain(last) if event else "",
            proof=plain(str(self.survey.values("enforced").get("proof", ""))) or expected.METHOD,
        )

    def _now(self) -> float:
        text = self.survey.parts["now"].strip()
        return float(text) if text.isdigit() else time.time()


def _declared(keep: Keep, folder: Path, identity: str, survey: Survey) -> Policy | None:
    """Return the policy that the converge would write for this host, None when unknowable."""
    words = identity.split("\n")
    if len(words) < 3 or not words[1].isdigit():
        return None
    try:
        cas = certificates(keep, folder)
        # npm's and pip's hosts are only known to the tools there; the converge has asked them.
        known = parse_policy(survey.policy).egress.domains if keep.egress.asked else ()
    except (OSError, PolicyError):
        return None
    return policy_of(
        keep,
        owner=words[0],
        owner_uid=int(words[1]),
        owner_home=words[2],
        cas=cas,
        registries=known,
    )
