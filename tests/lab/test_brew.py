"""`brew` inside a lab: real users, real downloads from the lab's internet, real programs.

Source: reference/macos.md §7.
"""

import subprocess

import pytest

from lab.lab import Lab

pytestmark = pytest.mark.lab

BREW = "/opt/homebrew/bin/brew"
QUIET = ("HOMEBREW_NO_AUTO_UPDATE=1", "HOMEBREW_NO_ENV_HINTS=1")
NO_NETWORK = "https_proxy=http://127.0.0.1:9"


def operator(lab: Lab, *words: str, env: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a program on the host as the operator, with the environment an ssh command has."""
    settings = ("HOME=/Users/operator", "USER=operator", *QUIET, *env)
    return lab.exec("host", ["/usr/bin/env", *settings, *words], user="operator")


def brew(lab: Lab, *words: str, env: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return operator(lab, BREW, *words, env=env)


def test_root_is_refused(lab: Lab) -> None:
    result = lab.exec("host", [BREW, "install", "jq"], user="root")

    assert result.returncode == 1
    assert "Running Homebrew as root is extremely dangerous" in result.stderr


def test_an_unknown_formula_is_an_error(lab: Lab) -> None:
    result = brew(lab, "install", "nope")

    assert result.returncode == 1
    assert "Error: No formulae or casks found for nope." in result.stderr


def test_an_untrusted_tap_is_refused(lab: Lab) -> None:
    brew(lab, "tap", "steipete/tap")

    result = brew(lab, "install", "remindctl")

    assert result.returncode == 1
    assert "Refusing to load formula steipete/tap/remindctl from untrusted tap" in result.stderr


def test_installing_brings_a_real_program_and_again_changes_nothing(lab: Lab) -> None:
    assert brew(lab, "install", "socat").returncode == 0
    assert "socat version" in operator(lab, "/opt/homebrew/bin/socat", "-V").stdout
    before = len(lab.calls())

    again = brew(lab, "install", "socat", env=(NO_NETWORK,))

    assert again.returncode == 0
    assert "is already installed and up-to-date" in again.stderr
    assert [call["mutates"] for call in lab.calls()[before:]] == [False]


def test_a_keg_only_node_runs_from_its_opt_folder_only(lab: Lab) -> None:
    assert brew(lab, "install", "node@22").returncode == 0

    assert operator(lab, "/opt/homebrew/opt/node@22/bin/node", "--version").stdout == "v22.23.3\n"
    assert operator(lab, "/opt/homebrew/opt/node@22/bin/npm", "--version").stdout.startswith("10.")
    assert lab.exec("host", ["/bin/ls", "/opt/homebrew/bin/node"], user="operator").returncode != 0


def test_without_a_network_nothing_is_half_installed(lab: Lab) -> None:
    result = brew(lab, "install", "himalaya", env=(NO_NETWORK,))

    assert result.returncode == 1
    assert 'Failed to download resource "himalaya (2.1.0)"' in result.stderr
    assert brew(lab, "list", "--versions", "himalaya").returncode == 1
    assert brew(lab, "install", "himalaya").returncode == 0


@pytest.mark.slow
def test_pip_installs_from_the_labs_index_in_a_venv_only(lab: Lab) -> None:
    assert brew(lab, "install", "python@3.13").returncode == 0
    outside = operator(lab, "/opt/homebrew/bin/pip3.13", "install", "edge-tts")
    assert outside.returncode == 1
    assert "externally-managed-environment" in outside.stderr

    venv = "/Users/operator/edge-tts"
    assert operator(lab, "/opt/homebrew/bin/python3.13", "-m", "venv", venv).returncode == 0
    refused = operator(
        lab, f"{venv}/bin/pip", "install", "--retries=0", "edge-tts", env=(NO_NETWORK,)
    )
    assert refused.returncode != 0
    installed = operator(lab, f"{venv}/bin/pip", "install", "edge-tts")
    assert installed.returncode == 0, installed.stderr
    assert operator(lab, f"{venv}/bin/edge-tts", "--version").stdout.startswith("edge-tts ")


def test_tart_comes_with_softnet_when_both_are_named(lab: Lab) -> None:
    words = ("openai/tools/softnet", "openai/tools/tart")

    assert brew(lab, "install", *words).returncode == 0
    assert (
        brew(lab, "list", "--versions", "tart", "softnet").stdout == "tart 2.35.0\nsoftnet 0.22.0\n"
    )
