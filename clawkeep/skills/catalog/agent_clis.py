"""Command lines of other agents, each pinned: Claude Code, Codex, Gemini, OpenCode, Kimi."""

from __future__ import annotations

from pydantic import model_validator

from clawkeep.skills.skill import Options, Scene, Skill, Version, Wants
from clawkeep.skills.survey import VENV
from clawkeep.skills.tools import Failed, Tools

NPM = {
    "claude": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
}
"""The npm package of each command."""


class AgentClis(Options):
    """The version of each that is wanted."""

    claude: Version | None = None
    codex: Version | None = None
    gemini: Version | None = None
    opencode: Version | None = None
    kimi: Version | None = None

    @model_validator(mode="after")
    def _names_one(self) -> AgentClis:
        if not self.model_dump(exclude_none=True):
            known = ", ".join(type(self).model_fields)
            raise ValueError(f"names no command line; give the version of one of {known}")
        return self


def wants(options: AgentClis, _scene: Scene) -> Wants:
    """Return the packages; credentials are those of whoever runs one."""
    versions: dict[str, str] = options.model_dump(exclude_none=True)
    npm = {f"{NPM[name]}@{v}": (name,) for name, v in versions.items() if name in NPM}
    programs = {name: f"/opt/homebrew/bin/{name}" for name in versions if name in NPM}
    if options.kimi:
        programs["kimi"] = f"{VENV}/bin/kimi"
    return Wants(
        npm=npm,
        pip=(f"kimi-cli=={options.kimi}",) if options.kimi else (),
        question={"versions": versions, "programs": programs},
    )


def probe(tools: Tools) -> str:
    """Ask each for its version."""
    found = []
    for name, version in sorted(tools.question["versions"].items()):
        done = tools.run(tools.question["programs"][name], "--version")
        if done.status != 0:
            raise Failed(f"{name}: {done.words}")
        if version not in done.out.split() and f"v{version}" not in done.out.split():
            raise Failed(f"{name} says it is {done.words}, expected {version}")
        found.append(f"{name} {version}")
    return ", ".join(found)


SKILL = Skill("command lines of other agents, pinned", AgentClis, wants, probe, timeout_s=60)
