"""What a declaration needs from outside, and what cannot be built without the internet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from clawkeep.cache.wants import plan
from clawkeep.model import Agent, Keep
from clawkeep.skills import registry

SEQUOIA = "ghcr.io/cirruslabs/macos-sequoia-base"
COMMIT = "b8cf30830b8adc33d75537521b68023d16a51547"


def keep(
    guest: Mapping[str, Any] | None = None,
    agent: Mapping[str, Any] | None = None,
    **skills: Mapping[str, Any],
) -> Keep:
    options = {name: registry()[name].options.model_validate(v) for name, v in skills.items()}
    return Keep.model_validate(
        {
            "guest": {"image": SEQUOIA, **(guest or {})},
            "decisions": {"install_from": "cache"},
            "agent": agent and Agent.model_validate(dict(agent)),
            "skills": options,
        }
    )


def named(one: Keep) -> list[tuple[str, str, str]]:
    return [(want.kind, want.name, want.used_by) for want in plan(one).wants]


def test_everything_of_the_guest_is_wanted_with_who_declares_it() -> None:
    guest = {"packages": ["jq", "python@3.13"], "tapped": ["me/tap/t"], "pip_tools": ["edge-tts"]}
    one = keep(guest, whisper={"model": "~/m.bin", "sha256": "a" * 64})
    assert named(one) == [
        ("formula", "jq", "guest"),
        ("formula", "me/tap/t", "guest"),
        ("formula", "python@3.13", "guest"),
        ("formula", "whisper-cpp", "skills.whisper"),
        ("model", "~/m.bin", "skills.whisper"),
        ("pip", "edge-tts", "guest"),
    ]


def test_npm_packages_bring_node_to_the_guest_and_to_the_host() -> None:
    found = plan(keep(agent_clis={"gemini": "0.61.0"}))
    assert [(want.kind, want.name) for want in found.wants] == [
        ("formula", "node@22"),
        ("npm", "@google/gemini-cli@0.61.0"),
    ]
    assert found.tools == ("node@22",)


def test_wheels_are_those_of_the_interpreter_that_makes_the_environment() -> None:
    with_python = plan(keep({"packages": ["python@3.13"], "pip_tools": ["edge-tts"]}))
    assert (with_python.python, with_python.tools) == (
        "/opt/homebrew/bin/python3.13",
        ("python@3.13",),
    )
    without = plan(keep({"pip_tools": ["edge-tts"]}))
    assert (without.python, without.tools) == ("/usr/bin/python3", ())


def test_nothing_is_asked_of_tools_that_have_nothing_to_resolve() -> None:
    found = plan(keep({"packages": ["jq"]}))
    assert (found.node, found.python, found.tools, found.tag) == ("", "", (), "arm64_sequoia")


def test_the_agents_source_is_wanted_by_its_commits() -> None:
    skill = {"branch": "skill/x", "commit": "1" * 40}
    guest = {"packages": ["node@22"]}
    one = keep(guest, {"secrets": {"ANTHROPIC_API_KEY": "env:K"}, "skills": [skill]})
    source = next(want for want in plan(one).wants if want.kind == "source")
    assert source.key == f"source NanoClaw ({COMMIT[:12]}+111111111111, node@22)"
    assert [commit for _, commit in source.data["commits"]] == [COMMIT, "1" * 40]


def test_another_macos_is_another_want() -> None:
    tahoe = {"packages": ["jq"], "image": "ghcr.io/cirruslabs/macos-tahoe-base:latest"}
    assert plan(keep(tahoe)).wants[0].key == "formula jq (arm64_tahoe)"


@pytest.mark.parametrize(
    ("guest", "agent", "words"),
    [
        ({"image": "ghcr.io/me/own-image"}, None, "does not say which macOS it holds"),
        (
            {"mounts": [{"name": "clawkeep-cache", "path": "~/x"}]},
            None,
            "two mounts are called 'clawkeep-cache'",
        ),
        (
            {"mounts": [{"name": "all", "path": "/opt/clawkeep"}]},
            None,
            "overlap on the host",
        ),
        (
            {"packages": ["node@22"]},
            {"repository": "/opt/mirror.git", "secrets": {"ANTHROPIC_API_KEY": "env:K"}},
            "is a path in the guest",
        ),
    ],
)
def test_what_no_cache_can_be_filled_for_is_refused(
    guest: Mapping[str, Any], agent: Mapping[str, Any] | None, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        keep(guest, agent)


def test_the_cache_is_one_more_share_only_where_it_is_installed_from() -> None:
    assert [str(mount) for mount in keep().shares] == ["clawkeep-cache:/opt/clawkeep/cache:ro"]
    assert Keep().shares == ()


def test_a_keep_that_installs_from_the_internet_is_the_keep_that_it_was() -> None:
    said = Keep.model_validate({"decisions": {"install_from": "internet"}})
    assert said.digest == Keep().digest
    assert keep().digest != Keep.model_validate({"guest": {"image": SEQUOIA}}).digest
