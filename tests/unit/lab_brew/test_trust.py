"""Tap trust. Source: reference/macos.md §0, §7 (Homebrew docs/Tap-Trust.md)."""

import json
from pathlib import Path

import pytest

from .conftest import Machine


def store() -> dict[str, list[str]]:
    content: dict[str, list[str]] = json.loads((Path.home() / ".homebrew/trust.json").read_text())
    return content


def test_a_short_name_from_an_untrusted_tap_is_refused(machine: Machine) -> None:
    machine.brew("tap", "steipete/tap")

    status, _, err = machine.brew("install", "remindctl")

    assert status == 1
    assert err == (
        "Error: Refusing to load formula steipete/tap/remindctl from untrusted tap steipete/tap.\n"
        "Run `brew trust --formula steipete/tap/remindctl` or `brew trust steipete/tap` "
        "to trust it.\n"
    )


def test_a_full_name_taps_and_trusts_only_that_item(machine: Machine) -> None:
    status, _, err = machine.brew("install", "steipete/tap/remindctl")

    assert status == 0
    assert "==> Trusted formula steipete/tap/remindctl" in err
    assert store() == {"trustedformulae": ["steipete/tap/remindctl"]}
    assert machine.brew("tap")[1] == "steipete/tap\n"


def test_trust_of_a_formula_does_not_reach_its_dependency(machine: Machine) -> None:
    status, _, err = machine.brew("install", "openai/tools/tart")

    assert status == 1
    assert "Refusing to load formula openai/tools/softnet from untrusted tap openai/tools." in err
    assert machine.brew("list")[1] == ""


def test_naming_the_dependency_too_is_enough(machine: Machine) -> None:
    assert machine.brew("install", "openai/tools/softnet", "openai/tools/tart")[0] == 0
    assert machine.brew("list", "--versions")[1] == "softnet 0.22.0\ntart 2.35.0\n"


def test_trusting_the_tap_is_enough(machine: Machine) -> None:
    assert machine.brew("trust", "openai/tools")[1] == "Trusted tap: openai/tools\n"

    assert machine.brew("install", "openai/tools/tart")[0] == 0


def test_a_formula_can_be_trusted_before_its_tap_is_there(machine: Machine) -> None:
    words = ("trust", "--formula", "openai/tools/tart")

    assert machine.brew(*words)[1] == "Trusted formula: openai/tools/tart\n"
    assert machine.brew(*words)[1] == "Already trusted formula: openai/tools/tart\n"
    assert machine.brew("tap")[1] == ""


def test_the_json_form_lists_all_kinds(machine: Machine) -> None:
    machine.brew("trust", "openai/tools")

    assert json.loads(machine.brew("trust", "--json=v1")[1]) == {
        "taps": ["openai/tools"],
        "formulae": [],
        "casks": [],
        "commands": [],
    }


def test_untrusting_a_tap_takes_its_items_along(machine: Machine) -> None:
    machine.brew("trust", "--formula", "openai/tools/tart", "openai/tools/softnet")

    assert machine.brew("untrust", "openai/tools")[1] == "Untrusted tap: openai/tools\n"
    assert not (Path.home() / ".homebrew/trust.json").exists()


def test_official_taps_need_no_trust(machine: Machine) -> None:
    assert machine.brew("trust", "homebrew/core")[1] == (
        "Official tap homebrew/core is always trusted.\n"
    )


def test_a_trust_store_that_others_may_write_is_refused(machine: Machine) -> None:
    folder = Path.home() / ".homebrew"
    folder.mkdir()
    folder.chmod(0o777)

    status, _, err = machine.brew("trust", "openai/tools")

    assert status == 1
    assert "Refusing to write insecure trust store: trust store directory" in err


def test_the_store_is_for_its_user_only(machine: Machine) -> None:
    machine.brew("trust", "openai/tools")

    path = Path.home() / ".homebrew/trust.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_trust_can_be_switched_off(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.brew("tap", "steipete/tap")
    monkeypatch.setenv("HOMEBREW_NO_REQUIRE_TAP_TRUST", "1")

    assert machine.brew("install", "remindctl")[0] == 0


def test_a_tap_that_cannot_be_cloned_is_not_there(machine: Machine) -> None:
    machine.network_down()

    status, _, err = machine.brew("install", "steipete/tap/remindctl")

    assert status == 1
    assert "fatal: unable to access 'https://github.com/steipete/homebrew-tap/'" in err
    assert "exited with 128." in err
    assert machine.brew("tap")[1] == ""


def test_tapping_again_is_no_change(machine: Machine, calls: list[bool]) -> None:
    machine.brew("tap", "openai/tools")
    machine.brew("tap", "openai/tools")
    machine.brew("tap")

    assert calls == [True, False, False]
    assert len(machine.fetched) == 1


def test_a_tap_in_use_is_not_removed(machine: Machine) -> None:
    machine.brew("install", "steipete/tap/remindctl")

    status, _, err = machine.brew("untap", "steipete/tap")

    assert status == 1
    assert "Refusing to untap steipete/tap" in err


def test_uninstalling_takes_the_trust_away(machine: Machine) -> None:
    machine.brew("install", "steipete/tap/remindctl")

    machine.brew("uninstall", "remindctl")

    assert machine.brew("trust")[1].endswith("No trusted taps, formulae, casks or commands.\n")
