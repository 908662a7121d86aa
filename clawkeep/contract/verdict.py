"""Whether an agent really answered.

Neither `status: success` nor exit status 0 says so: without a login the agent "succeeds" with
"Not logged in", and an agent that did all is often ended with status 1. So the first result that
is not null decides, unless it is one of the sentences with which Claude Code says that it could
not ask its model. Source: reference/nanoclaw.md §2.3; the sentences are those of the cli.js in
claude-agent-sdk 0.2.34, which v1.1.2 locks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clawkeep.contract.markers import Output

LONGEST = 300
"""Characters of the longest such sentence; a longer text that begins like one is an answer."""

_SENTENCES = {
    "credential": r"Invalid API key( ·|$)|OAuth token (revoked|has expired)"
    r"|(Failed to authenticate\. )?API Error: 40[13]\b",
    "login": r"Not logged in( ·|$)|([^:]{1,60} · )?Please run /login$"
    r"|Your (account|organization) does not have access to Claude",
    "billing": r"Credit balance (is )?too low( ·|$)|You've hit your [\w ]*limit( ·|$)"
    r"|You're out of extra usage|Claude (AI )?usage limit reached",
    "overloaded": r"Repeated 529 Overloaded errors|API Error: (429|5\d\d)\b|Overloaded$"
    r"|\w+ is experiencing high load",
    "api": r"API Error\b|Failed to authenticate\.|Request timed out$|Prompt is too long$"
    r"|Unable to connect to API|There's an issue with the selected model",
}
_PATTERNS = {reason: re.compile(text, re.IGNORECASE) for reason, text in _SENTENCES.items()}


@dataclass(frozen=True)
class Verdict:
    """`reason` is "answer" when `ok`.

    Else it is "login", "credential", "billing", "overloaded", "api" (Claude Code could not ask),
    "error" (the agent failed), "malformed" (what it printed is not of the contract) or "silent".
    `detail` is the text that decided, shortened; it may quote the agent.
    """

    ok: bool
    reason: str
    detail: str = ""


def judge(text: str | None) -> Verdict:
    """Judge one result: an answer, or a sentence that only looks like one."""
    plain = (text or "").strip()
    if not plain:
        return Verdict(False, "silent")
    if len(plain) <= LONGEST:
        for reason, pattern in _PATTERNS.items():
            if pattern.match(plain):
                return Verdict(False, reason, plain)
    return Verdict(True, "answer", _short(plain))


def judge_outputs(outputs: Iterable[Output]) -> Verdict:
    """Judge a run by the first of its outputs that has something to say.

    An answer stays one when the run fails later: closing an agent in the middle of its next
    query makes it report an error and exit 1.
    """
    for output in outputs:
        if output.status == "malformed":
            return Verdict(False, "malformed", _short(output.error or ""))
        if output.status == "error":
            told = judge(output.error)
            reason = "error" if told.ok or told.reason == "silent" else told.reason
            return Verdict(False, reason, _short(output.error or ""))
        if output.result is not None:
            return judge(output.result)
    return Verdict(False, "silent")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
