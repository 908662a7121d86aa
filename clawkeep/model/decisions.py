"""The migration plan's open decisions that are not sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from clawkeep.model.base import Declared


def _available(answers: Mapping[str, str]) -> AfterValidator:
    """Refuse answers that the field knows and this version does not build, with the reason."""

    def check(answer: str) -> str:
        if reason := answers.get(answer):
            raise ValueError(f"{answer!r} is not available yet: {reason}")
        return answer

    return AfterValidator(check)


class Decisions(Declared):
    """How the agent runs, how the guest finds names and packages, where the rescue bot lives."""

    agent: Annotated[
        Literal["direct", "container"],
        _available({"container": "a macOS guest cannot run VMs of its own; take 'direct'"}),
    ] = "direct"
    dns: Literal["hosts", "resolver"] = "hosts"
    rescue_bot: Annotated[
        Literal["host", "guest"],
        _available({"guest": "it must outlive the guest that it rescues; take 'host'"}),
    ] = "host"
    install_from: Literal["internet", "cache"] = "internet"
