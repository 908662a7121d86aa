"""What a skill gives to the agents: a guide, files for a run's home, or verbs done on their behalf.

The skills' own user, `claw`, has all of it; agents are other users and see nothing in its home. So
each module says, as data, what a run of an allowed group gets (docs/how-to/skills.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ARGUMENTS = "@ARGUMENTS@"
"""Where a verb's script gets its arguments, as a JSON object in pure ASCII: a literal of JavaScript
that nothing can end early."""

RESULT = "@FILE@"
"""Where a verb's command gets the path of the file that it is to write."""


@dataclass(frozen=True)
class AgentFile:
    """A file of the service user's that a run's home gets a copy of, 0600.

    `path` is below the home. `rehomed`: it names the home, and the copy names the run's instead.
    `optional`: it may be absent.
    """

    path: str
    rehomed: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Argument:
    """An argument of a verb, by its place.

    `kind` is `line` (text without a line break), `text` (with them), `integer` (`low` to `high`),
    `time` (ISO 8601) or `id` (as a list gave it). One with a `default` may be left out. `fixed` is
    none of the agent's: it is always the `default`.
    """

    name: str
    kind: Literal["line", "text", "integer", "time", "id", "fixed"]
    default: str | int | None = None
    low: int = 0
    high: int = 2000
    """Of an integer its bounds, of texts the largest number of characters."""


@dataclass(frozen=True)
class Verb:
    """Something that the service user does for an agent: one program, fixed but for `arguments`.

    It gets `script` on stdin, with its `ARGUMENTS`; or, without one, the argument called `speaks`.
    Its answer is one JSON value on stdout, or, with `result`, the file of that suffix it wrote.
    """

    argv: tuple[str, ...]
    summary: str
    arguments: tuple[Argument, ...] = ()
    script: str = ""
    speaks: str = ""
    result: str = ""
    timeout_s: int = 20

    def as_json(self) -> dict[str, Any]:
        """Return it as the guest's tool server reads it."""
        return {
            "argv": list(self.argv),
            "arguments": [
                {"name": a.name, "kind": a.kind, "default": a.default, "low": a.low, "high": a.high}
                for a in self.arguments
            ],
            "script": self.script,
            "speaks": self.speaks,
            "result": self.result,
            "timeout_s": self.timeout_s,
        }


@dataclass(frozen=True)
class ForAgents:
    """What an allowed group's agent gets of one skill.

    Attributes:
        description: one sentence by which a model knows when it needs the skill.
        text: how to call it, Markdown.
        programs: commands that the guide lets the agent run without asking.
        files: what is copied into a run's home; the agent can read all of it, tokens included.
        verbs: what the service user does on request, by name; then nothing is copied.
    """

    description: str
    text: str
    programs: tuple[str, ...] = ()
    files: tuple[AgentFile, ...] = ()
    verbs: Mapping[str, Verb] = field(default_factory=dict)


def folder_of(skill: str) -> str:
    """Return what a skill's guide is called: an agent's skills have no underscores."""
    return skill.replace("_", "-")


def guide(skill: str, given: ForAgents) -> str:
    """Return the SKILL.md of a skill: front matter, and how to call it."""
    programs = ("clawkeep-tool",) if given.verbs else given.programs
    # JSON's strings are YAML's, too.
    head = [
        "---",
        f"name: {folder_of(skill)}",
        f"description: {json.dumps(given.description)}",
        f"allowed-tools: {', '.join(f'Bash({program}:*)' for program in programs)}",
        "---",
        "",
        given.text.strip(),
    ]
    return "\n".join([*head, *_verbs(skill, given.verbs)]) + "\n"


def _verbs(skill: str, verbs: Mapping[str, Verb]) -> list[str]:
    if not verbs:
        return []
    calls = []
    for name, verb in verbs.items():
        words = [
            argument.name.upper() if argument.default is None else f"[{argument.name.upper()}]"
            for argument in verb.arguments
            if argument.kind != "fixed"
        ]
        out = ["--out FILE"] if verb.result else []
        calls.append(
            f"    {' '.join(['clawkeep-tool', *out, skill, name, *words])}\n        {verb.summary}"
        )
    return ["", *calls]


HOME_PATH = re.compile(r"(?!\.claude(/|\.json$|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
"""A path below a home, written plainly; Claude Code's own files are no skill's to give."""
