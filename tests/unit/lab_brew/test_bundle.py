"""`brew bundle`. Source: reference/macos.md §7 (Homebrew docs/Brew-Bundle-and-Brewfile.md)."""

import io
import json
from pathlib import Path

import pytest

from lab.mac.brew.brewfile import Entry, parse
from lab.mac.brew.output import BrewError

from .conftest import Machine

TOOLS = 'brew "jq"\nbrew "socat"\n'


def test_check_is_one_until_installed_then_zero(machine: Machine, calls: list[bool]) -> None:
    file = machine.file(TOOLS)

    status, _, err = machine.brew("bundle", "check", file, "--no-upgrade")
    assert status == 1
    assert err == (
        "brew bundle can't satisfy your Brewfile's dependencies.\n"
        "Run `brew bundle check --verbose` to list unmet dependencies.\n"
        "Satisfy missing dependencies with `brew bundle install`.\n"
    )
    assert machine.brew("bundle", "install", file, "--no-upgrade")[0] == 0
    assert machine.brew("bundle", "check", file) == (
        0,
        "The Brewfile's dependencies are satisfied.\n",
        "",
    )
    assert calls == [False, True, False]


def test_check_verbose_names_what_is_missing(machine: Machine) -> None:
    machine.brew("install", "jq")

    err = machine.brew("bundle", "check", "--verbose", "--no-upgrade", machine.file(TOOLS))[2]

    assert "→ Formula socat needs to be installed.\n" in err
    assert "jq" not in err


def test_install_uses_what_is_there(machine: Machine, calls: list[bool]) -> None:
    file = machine.file(TOOLS)
    machine.brew("bundle", "install", file)
    fetched = machine.fetched

    status, out, _ = machine.brew("bundle", "install", file)

    assert (status, out) == (
        0,
        "Using jq\nUsing socat\n`brew bundle` complete! 2 Brewfile dependencies now installed.\n",
    )
    assert machine.fetched == fetched
    assert calls == [True, False]


def test_a_brewfile_may_come_on_stdin(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TOOLS))

    assert machine.brew("bundle", "install", "--file=-", "--no-upgrade")[0] == 0
    assert machine.brew("list")[1] == "jq\nsocat\n"


def test_an_untrusted_item_fails_and_the_rest_is_installed(machine: Machine) -> None:
    file = machine.file('brew "steipete/tap/remindctl"\nbrew "jq"\n')

    status, _, err = machine.brew("bundle", "install", file)

    assert status == 1
    assert "Refusing to load formula steipete/tap/remindctl from untrusted tap" in err
    assert "Installing steipete/tap/remindctl has failed!" in err
    assert "`brew bundle` failed! 1 Brewfile dependency failed to install" in err
    assert machine.brew("list")[1] == "jq\n"


def test_trusted_in_the_brewfile_is_enough(machine: Machine) -> None:
    file = machine.file('brew "steipete/tap/remindctl", trusted: true\n')

    assert machine.brew("bundle", "install", file)[0] == 0
    assert json.loads(machine.brew("trust", "--json=v1")[1])["formulae"] == [
        "steipete/tap/remindctl"
    ]


def test_tart_needs_softnet_trusted_too(machine: Machine) -> None:
    tart = 'brew "openai/tools/tart", trusted: true\n'
    assert machine.brew("bundle", "install", machine.file(tart))[0] == 1

    both = tart + 'brew "openai/tools/softnet", trusted: true\n'
    assert machine.brew("bundle", "install", machine.file(both))[0] == 0


def test_cleanup_resets_the_users_whole_trust_store(machine: Machine) -> None:
    machine.brew("trust", "openai/tools")
    machine.brew("install", "jq", "socat")

    status, out, _ = machine.brew("bundle", "cleanup", machine.file('brew "jq"\n'), "--force")

    assert status == 0
    assert "Uninstalled 1 formula\n" in out
    assert machine.brew("list")[1] == "jq\n"
    assert not (Path.home() / ".homebrew/trust.json").exists()


def test_cleanup_without_force_only_says_what_it_would_do(machine: Machine) -> None:
    machine.brew("install", "jq", "socat")

    status, out, _ = machine.brew("bundle", "cleanup", machine.file('brew "jq"\n'))

    assert status == 1
    assert out == (
        "Would uninstall formulae:\nsocat\n"
        "Run `brew bundle cleanup --force` to make these changes.\n"
    )
    assert machine.brew("list")[1] == "jq\nsocat\n"


def test_dump_can_be_installed_again(machine: Machine) -> None:
    machine.brew("install", "steipete/tap/remindctl", "whisper-cpp")

    dumped = machine.brew("bundle", "dump", "--file=-")[1]

    assert dumped == (
        'tap "steipete/tap"\nbrew "steipete/tap/remindctl", trusted: true\nbrew "whisper-cpp"\n'
    )


def test_no_brewfile_is_an_error(machine: Machine) -> None:
    status, _, err = machine.brew("bundle", "check", f"--file={machine.root}/none")

    assert (status, err) == (1, "Error: No Brewfile found\n")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ('brew "jq"', Entry("brew", "jq")),
        ("brew 'jq' # for scripts", Entry("brew", "jq")),
        ('tap "openai/homebrew-tools"', Entry("tap", "openai/tools")),
        ('tap "a/b", trusted: true', Entry("tap", "a/b", (("tap", "a/b"),))),
        (
            'tap "a/b", trusted: {\n  formula: "x",\n  casks: ["y"],\n}',
            Entry("tap", "a/b", (("formula", "a/b/x"), ("cask", "a/b/y"))),
        ),
        ('brew "A/b/x", trusted: true', Entry("brew", "a/b/x", (("formula", "a/b/x"),))),
        ('brew "jq", trusted: true', Entry("brew", "jq")),
        ('brew "node@22", link: true', Entry("brew", "node@22", (), True)),
        ('cask "claude-code"', Entry("cask", "claude-code")),
    ],
)
def test_a_brewfile_line_is_understood(line: str, entry: Entry) -> None:
    assert parse(line) == [entry]


def test_a_line_that_is_not_a_brewfiles_is_an_error() -> None:
    with pytest.raises(BrewError, match="Invalid Brewfile"):
        parse("apt install jq\n")
