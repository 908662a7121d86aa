"""Egress profiles: what a kind of work needs of the internet, by name.

A package index is nobody's constant: the profiles `npm` and `pip` name no host. The host's own
tools are asked which registry they are set to, so that a private mirror just works (design
decision 6).
"""

from __future__ import annotations

AGENT = ("api.anthropic.com", "discord.com", "gateway.discord.gg")
"""What a running agent needs. Telemetry (statsig, sentry) is denied on purpose, and switched off
by CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC. Source: features B5', reference/macos.md §2."""

GITHUB = ("github.com", "api.github.com", "codeload.github.com", ".githubusercontent.com")

HOMEBREW = ("formulae.brew.sh", "ghcr.io", *GITHUB)
"""Bottles come from ghcr.io, which sends on to pkg-containers.githubusercontent.com; taps are git
repositories. Source: reference/macos.md §2."""

DOMAINS: dict[str, tuple[str, ...]] = {
    "agent": AGENT,
    "github": GITHUB,
    "homebrew": HOMEBREW,
    "npm": (),
    "pip": (),
}
"""Profile -> its domains; those of `ASKED` have none here."""

ASKED = ("npm", "pip")
"""Profiles whose hosts are asked of the tool of that name on the host."""


def domains(profiles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the domains that the named profiles stand for, without those that are asked."""
    return tuple(dict.fromkeys(name for profile in profiles for name in DOMAINS[profile]))
