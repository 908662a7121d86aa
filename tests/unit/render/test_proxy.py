"""What the guest's programs are told about the proxy."""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.policy import Door, Openings
from clawkeep.render.proxy import MARK, claude_settings, env_file, proxy_environment

GATEWAY = IPv4Address("192.168.65.1")
VAULT = Door("vault", 18443, "10.0.30.10", 443, kind="tls", guest_name="vault.example")
OPEN = Openings(doors=(VAULT,), domains=("a.example",))
ENVIRONMENT = proxy_environment(OPEN, GATEWAY)


def test_both_cases_lead_to_the_gateway_and_what_is_bridged_is_exempt() -> None:
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        assert ENVIRONMENT[name] == ENVIRONMENT[name.upper()] == "http://192.168.65.1:3128"
    exempt = "localhost,127.0.0.1,::1,192.168.65.1,vault.example"
    assert ENVIRONMENT["NO_PROXY"] == ENVIRONMENT["no_proxy"] == exempt
    assert ENVIRONMENT["NODE_USE_ENV_PROXY"] == "1"


@pytest.mark.parametrize(
    "openings", [Openings(), Openings(window=("a.example",)), Openings((VAULT,))]
)
def test_without_names_that_stay_open_nobody_is_told_of_a_proxy(openings: Openings) -> None:
    assert proxy_environment(openings, GATEWAY) == {}


def test_a_shell_reads_the_file_as_it_was_meant() -> None:
    script = env_file(ENVIRONMENT) + 'printf "%s\\n" "$NO_PROXY" "$https_proxy"'
    done = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [ENVIRONMENT["NO_PROXY"], ENVIRONMENT["https_proxy"]]


def test_claudes_other_settings_stay() -> None:
    text = json.dumps({"model": "x", "env": {"MINE": "1"}, "hooks": {"a": []}})
    settings = json.loads(claude_settings(text, ENVIRONMENT))
    assert settings["model"] == "x"
    assert settings["hooks"] == {"a": []}
    assert settings["env"]["MINE"] == "1"
    assert settings["env"]["HTTPS_PROXY"] == "http://192.168.65.1:3128"
    assert settings["env"]["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"


env = st.dictionaries(st.sampled_from(["MINE", "FOO", "PATH"]), st.text(max_size=3), max_size=3)


@given(st.one_of(st.just(None), env), st.booleans())
def test_what_was_added_is_taken_away_again_and_nothing_else(
    own: dict[str, str] | None, other: bool
) -> None:
    settings = {**({} if own is None else {"env": own}), **({"model": "x"} if other else {})}
    added = claude_settings(json.dumps(settings), ENVIRONMENT)
    assert claude_settings(added, ENVIRONMENT) == added
    moved = proxy_environment(OPEN, IPv4Address("192.168.66.1"))
    assert json.loads(claude_settings(added, moved))["env"]["HTTPS_PROXY"] == moved["HTTPS_PROXY"]
    left = json.loads(claude_settings(added, {}))
    assert left == {key: value for key, value in settings.items() if key != "env" or value}


def test_a_proxy_that_somebody_else_set_is_not_taken_away() -> None:
    text = json.dumps({"env": {"HTTPS_PROXY": "http://mine:8080"}})
    assert claude_settings(text, {}) == text
    assert MARK not in text


def test_no_settings_stay_no_settings() -> None:
    assert claude_settings("", {}) == ""


@pytest.mark.parametrize("text", ["[]", '{"env": []}', "{", "null"])
def test_what_is_no_settings_file_is_an_error_and_not_overwritten(text: str) -> None:
    with pytest.raises(ValueError, match=r"object|JSON|Expecting|property"):
        claude_settings(text, ENVIRONMENT)
