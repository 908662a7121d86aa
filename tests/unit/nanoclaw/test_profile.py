"""What is known about each NanoClaw that can be run."""

from __future__ import annotations

import re

import pytest

from clawkeep.nanoclaw.profile import PROFILES, UnsupportedError, named, read


def test_the_recommended_profile_comes_first_and_pins_the_last_of_the_first_generation() -> None:
    first = next(iter(PROFILES.values()))
    assert (first.name, first.version) == ("v1.2", "1.2.52")
    assert first.commit == "b8cf30830b8adc33d75537521b68023d16a51547"


@pytest.mark.parametrize(
    ("name", "commit", "binary", "credentials", "skills"),
    [
        ("v1.2", "b8cf30830b8a", "docker", "inject", "branches"),
        ("v1.1", "796906baa261", "docker", "stdin", "engine"),
        ("v1.0", "7e7ae6f26d38", "container", "stdin", "branches"),
    ],
)
def test_each_profile_says_what_its_version_needs(
    name: str, commit: str, binary: str, credentials: str, skills: str
) -> None:
    profile = named(name)
    assert profile.commit[:12] == commit
    assert len(profile.commit) == 40
    assert (profile.binary, profile.credentials, profile.skills) == (binary, credentials, skills)


def test_the_model_s_key_goes_where_that_version_takes_it_from() -> None:
    places = {
        name: next(k for k in profile.keys if k.name == "ANTHROPIC_API_KEY").where
        for name, profile in PROFILES.items()
    }
    assert places == {"v1.2": "credentials", "v1.1": ".env", "v1.0": ".env"}


def test_what_is_read_from_the_process_alone_is_no_setting_of_the_file() -> None:
    for profile in PROFILES.values():
        where = {key.name: key.where for key in profile.keys}
        assert where["CONTAINER_TIMEOUT"] == where["LOG_LEVEL"] == "process"
        assert where["ASSISTANT_NAME"] == ".env"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("v1.2", "[09:00:00.000] INFO (7): NanoClaw running (default trigger: @Andy)"),
        ("v1.1", "[09:00:00.000] INFO (7): NanoClaw running (trigger: @Andy)"),
        ("v1.0", "[09:00:00.000] INFO (7): NanoClaw running (trigger: @Andy)"),
    ],
)
def test_the_banner_is_found_in_the_log(name: str, line: str) -> None:
    assert re.search(named(name).banner, line)
    assert not re.search(named(name).banner, "NanoClaw is not running (trigger: none)")


def test_every_pattern_compiles() -> None:
    for profile in PROFILES.values():
        for channel in profile.channels:
            re.compile(channel.connected)
            re.compile(channel.lost)


def test_the_path_of_node_outlives_an_upgrade() -> None:
    assert named("v1.2").node == "/opt/homebrew/opt/node@22/bin/node"
    assert "Cellar" not in named("v1.2").node


def test_a_channel_s_settings_count_with_its_skill_or_in_a_fork() -> None:
    v12 = named("v1.2")

    def names(*skills: str, own: bool = False) -> set[str]:
        return {key.name for key in v12.known_keys(skills, own_source=own)}

    assert "DISCORD_BOT_TOKEN" not in names()
    assert "DISCORD_BOT_TOKEN" in names("https://github.com/qwibitai/nanoclaw-discord.git main")
    assert "SLACK_APP_TOKEN" not in names("skill/discord")
    assert {"DISCORD_BOT_TOKEN", "SLACK_APP_TOKEN"} <= names(own=True)


def test_the_fork_s_channel_is_part_of_it() -> None:
    assert "DISCORD_TOKEN" in {key.name for key in named("v1.0").known_keys(())}


@pytest.mark.parametrize("name", ["v2", "v2.0", "2", "2.0.64", "v2.1"])
def test_the_second_generation_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"pnpm and bun.*OneCLI.*'v1\.2'"):
        named(name)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedError, match=r"'v3'; known are v1\.2, v1\.1, v1\.0"):
        named("v3")


@pytest.mark.parametrize("text", ["name = 'x'\n[channels]\n[keys]\n", "state = []", "not toml"])
def test_a_text_that_describes_no_profile_is_an_error(text: str) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        read(text)
