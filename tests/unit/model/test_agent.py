"""The declared agent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clawkeep.model import Agent, Egress, Guest, Keep, Mount, agent_conflicts
from clawkeep.model.mount import agent_mount_conflicts
from clawkeep.nanoclaw.profile import named

COMMIT = "b8cf30830b8adc33d75537521b68023d16a51547"
KEY = {"ANTHROPIC_API_KEY": "vaultwarden:anthropic#key"}
GUEST = Guest(packages=("node@22",))


def agent(**values: Any) -> Agent:
    return Agent.model_validate({"secrets": KEY, **values})


def problems(declared: Agent, guest: Guest = GUEST) -> list[tuple[str, str]]:
    return [(".".join(map(str, where)), text) for where, text in agent_conflicts(declared, guest)]


def test_what_is_not_said_is_the_profile_s() -> None:
    one = agent()
    assert (one.source, one.pin) == (named("v1.2").repository, COMMIT)
    assert one.agent_users == ("claw-agent", "claw-agent-1", "claw-agent-2", "claw-agent-3")
    assert problems(one) == []


def test_one_user_is_the_main_group_s() -> None:
    assert agent(users=1).agent_users == ("claw-agent",)


@pytest.mark.parametrize(
    ("commit", "why"),
    [
        ("b8cf308", r"beginning of a commit's hash; write all 40 digits \(git rev-parse b8cf308\)"),
        ("main", "no commit: write its 40 hex digits"),
        ("v1.2.52", "a branch or a tag moves"),
        (COMMIT.upper(), "in lower case"),
        (COMMIT + "0", "no commit"),
    ],
)
def test_only_a_full_commit_is_one(commit: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        agent(commit=commit)


@pytest.mark.parametrize(
    "repository",
    ["https://git.example.com/claw/nanoclaw.git", "/Volumes/My Shared Files/ipc/nanoclaw.git"],
)
def test_a_repository_is_an_address_or_a_mirror_in_the_guest(repository: str) -> None:
    assert agent(repository=repository).source == repository


@pytest.mark.parametrize(
    ("repository", "why"),
    [
        ("git@github.com:a/b.git", "nothing else through"),
        ("ssh://git@github.com/a/b.git", "nothing else through"),
        ("http://git.example.com/a.git", "nothing else through"),
        ("https://git.example.com/", "nothing else through"),
        ("https://me:word@git.example.com/a.git", "credentials"),
        ("https://git.example.com/a.git?token=word", "credentials"),
        ("https://git.example.com:8443/a.git", "443 alone"),
        ("https://10.0.0.1/a.git", "is an address"),
        ("../nanoclaw", "neither"),
        ("/srv/../a", "plainly"),
        ("/srv/a\n", "U\\+000A"),
    ],
)
def test_what_the_window_does_not_let_through_is_no_repository(repository: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        agent(repository=repository)


def test_no_error_repeats_the_credentials_of_an_address() -> None:
    with pytest.raises(ValidationError) as caught:
        agent(repository="https://me:sesame@git.example.com/a.git")
    assert "sesame" not in str(caught.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("skill", "why"),
    [
        ({"branch": "skill/emacs"}, "moves; add `commit`"),
        ({"commit": COMMIT}, "either a `branch` or a `path`"),
        ({"branch": "x", "path": "y", "commit": COMMIT}, "either a `branch` or a `path`"),
        ({"branch": "-x", "commit": COMMIT}, "no name of a branch"),
        ({"branch": "a..b", "commit": COMMIT}, "no name of a branch"),
        ({"path": "/etc"}, "no path inside"),
        ({"path": "../x"}, "no path inside"),
        ({"path": "x", "repository": "https://a.example/b"}, "belongs to a branch"),
        ({"branch": "x", "commit": "abc123"}, "write all 40 digits"),
    ],
)
def test_a_skill_that_is_not_pinned_to_one_thing_is_refused(
    skill: dict[str, str], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        agent(skills=[skill])


def test_a_secret_is_a_reference_and_never_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        agent(secrets={"ANTHROPIC_API_KEY": "sk-ant-secret"})
    (error,) = caught.value.errors()
    assert error["loc"] == ("secrets", "ANTHROPIC_API_KEY")
    assert "is no reference" in error["msg"]
    assert "sk-ant-secret" not in error["msg"]


@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"env": {"ASSISTANT_NAM": "A"}}, "agent.env.ASSISTANT_NAM", "did you mean 'ASSISTANT"),
        ({"env": {"LOG_LEVEL": "loud"}}, "agent.env.LOG_LEVEL", "none of debug"),
        ({"env": {"IDLE_TIMEOUT": "30m"}}, "agent.env.IDLE_TIMEOUT", "whole number"),
        ({"env": {"DISCORD_BOT_TOKEN": "x"}}, "agent.env.DISCORD_BOT_TOKEN", "unknown key"),
        ({"env": {"ANTHROPIC_API_KEY": "x"}}, "agent.env.ANTHROPIC_API_KEY", "stands under"),
        ({"secrets": {}}, "agent.secrets", "no credentials for the model"),
        ({"secrets": {**KEY, "CLAUDE_CODE_OAUTH_TOKEN": "env:B"}}, "agent.secrets", "both given"),
        ({"secrets": {**KEY, "ASSISTANT_NAME": "env:B"}}, "agent.secrets.ASSISTANT_NAME", "no sec"),
        (
            {"skills": [{"branch": "skill/discord", "commit": "1" * 40}]},
            "agent.secrets.DISCORD_BOT_TOKEN",
            "is missing; add it",
        ),
        ({"skills": [{"path": ".claude/skills/x"}]}, "agent.skills.0.path", "no skills engine"),
        (
            {"profile": "v1.0", "commit": "87a74ab210a7ad97e2b1eaf937c2835807272b0d"},
            "agent.commit",
            "known not to work: it dies",
        ),
    ],
)  # fmt: skip
def test_what_nanoclaw_would_ignore_or_die_of_is_a_conflict(
    values: dict[str, Any], where: str, what: str
) -> None:
    found = problems(agent(**values))
    assert [place for place, text in found if what in text] == [where], found


def test_settings_of_one_s_own_are_declared_first() -> None:
    own = {"MY_PORT": ".env", "MY_LEVEL": "process", "MY_TOKEN": "secret"}
    one = agent(
        own_keys=own,
        env={"MY_PORT": "3334", "MY_LEVEL": "info"},
        secrets={**KEY, "MY_TOKEN": "sealed:mine"},
    )
    assert problems(one) == []
    assert problems(agent(own_keys=own, env={"MY_TOKEN": "x"}))[0][0] == "agent.env.MY_TOKEN"


def test_the_node_of_the_profile_must_be_installed() -> None:
    found = problems(agent(), Guest(packages=("node@24",)))
    assert found == [("guest.packages", "agent.profile 'v1.2' needs 'node@22'; add it here")]


def test_a_keep_whose_agent_does_not_fit_is_none() -> None:
    with pytest.raises(ValidationError, match=r"guest\.packages: agent\.profile 'v1\.2' needs"):
        Keep(agent=agent())


def test_without_an_agent_a_keep_is_what_it_was() -> None:
    assert Keep().digest == Keep(agent=None).digest
    assert Keep(guest=GUEST).digest != Keep(guest=GUEST, agent=agent()).digest


@pytest.mark.parametrize(
    ("egress", "warned"),
    [
        (Egress(), True),
        (Egress(mode="domains", domains=("github.com",)), True),
        (Egress(mode="domains", profiles=("agent",)), False),
        (Egress(mode="domains", domains=(".anthropic.com",)), False),
        (Egress(mode="cidrs", cidrs=("160.79.104.0/23",)), False),
    ],
)
def test_an_agent_without_a_way_to_its_model_is_warned_of(egress: Egress, warned: bool) -> None:
    keep = Keep(guest=GUEST, agent=agent(), egress=egress)
    assert any("api.anthropic.com" in text for text in keep.warnings) is warned


# --- folders


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        (Mount(name="groups", path="~/nanoclaw/workspace/groups"), r"'old-groups', or make it"),
        (Mount(name="Groups", path="/srv/x"), "NanoClaw writes into a folder of that name"),
        (Mount(name="logs", path="/srv/x"), "NanoClaw writes into a folder of that name"),
        (Mount(name="store", path="/srv/x", read_only=False), "SQLite"),
        (Mount(name="x", path="/srv/Store"), "SQLite"),
        (Mount(name="x", path="/srv/node_modules", read_only=False), "one machine and one Node"),
        (Mount(name="x", path="/srv/node_modules/zod"), "one machine and one Node"),
    ],
)
def test_a_share_that_cannot_be_nanoclaw_s_is_refused(mount: Mount, why: str) -> None:
    found = problems(agent(), Guest(packages=("node@22",), mounts=(mount,)))
    assert [place for place, _ in found] == ["guest.mounts.0"]
    with pytest.raises(ValidationError, match=why):
        Keep(guest=Guest(packages=("node@22",), mounts=(mount,)), agent=agent())


@pytest.mark.parametrize(
    "mount",
    [
        Mount(name="old-groups", path="~/nanoclaw/workspace/groups"),
        Mount(name="groups", path="/srv/groups", read_only=False),
        Mount(name="memory", path="~/nanoclaw/memory/shared", read_only=False),
        Mount(name="books", path="/srv/bookstore"),
    ],
)
def test_other_shares_are_the_operator_s_own_business(mount: Mount) -> None:
    assert list(agent_mount_conflicts([mount])) == []
