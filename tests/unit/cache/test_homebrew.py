"""Which files brew's formulas come to, from what brew itself says of them."""

from __future__ import annotations

from typing import Any

import pytest

from clawkeep.cache import homebrew

TAG = "arm64_sequoia"


def described(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    file = {"url": f"https://example.com/{name}", "sha256": name[0] * 64, "cellar": ":any"}
    return {
        "name": name.rpartition("/")[2],
        "full_name": name,
        "aliases": [],
        "versions": {"stable": "1.2"},
        "revision": 0,
        "dependencies": list(needs),
        "recommended_dependencies": [],
        "bottle": {"stable": {"rebuild": 0, "files": {TAG: file}}},
        "variations": {},
        **more,
    }


def known(*entries: dict[str, Any]) -> dict[str, homebrew.Described]:
    return homebrew.formulae({"formulae": list(entries), "casks": []})


def test_a_formula_comes_with_what_it_needs_and_what_that_needs() -> None:
    all_of_it = known(described("a", "b"), described("b", "c"), described("c"), described("d"))
    assert sorted(homebrew.closure(all_of_it, "a", TAG)) == ["a", "b", "c"]


def test_formulas_that_need_each_other_come_once() -> None:
    both = known(described("a", "b"), described("b", "a"))
    assert sorted(homebrew.closure(both, "a", TAG)) == ["a", "b"]


def test_what_is_needed_on_this_kind_of_machine_alone_counts() -> None:
    there = described("a", "b", variations={TAG: {"dependencies": ["c"]}})
    assert homebrew.needs(there, TAG) == ("c",)
    assert homebrew.needs(there, "arm64_tahoe") == ("b",)


def test_an_alias_stands_for_its_formula() -> None:
    both = known(described("a", "kubectl"), described("kubernetes-cli", aliases=["kubectl"]))
    assert homebrew.undescribed(both, (), TAG) == ()
    assert sorted(homebrew.closure(both, "a", TAG)) == ["a", "kubernetes-cli"]


def test_brew_is_asked_until_everything_is_known() -> None:
    assert homebrew.undescribed({}, ["a", "me/tap/t"], TAG) == ("a", "me/tap/t")
    assert homebrew.undescribed(known(described("a", "b")), (), TAG) == ("b",)


def test_a_bottle_has_the_hash_that_brew_gives_and_the_revision_in_its_version() -> None:
    pour = homebrew.pour(described("jq", revision=2), TAG)
    assert (pour.version, pour.sha256, pour.tap) == ("1.2_2", "j" * 64, "")
    assert pour.bottled


def test_a_bottle_for_all_machines_pours_on_any() -> None:
    file = {"url": "https://example.com/all", "sha256": "a" * 64}
    anywhere = described("ca", bottle={"stable": {"files": {"all": file}}})
    assert homebrew.pour(anywhere, TAG).url == "https://example.com/all"


def test_a_formula_of_a_tap_is_poured_from_its_release() -> None:
    source = {"stable": {"url": "https://example.com/t.zip", "checksum": "b" * 64}}
    pour = homebrew.pour(described("me/tap/t", bottle={}, urls=source), TAG)
    assert (pour.tap, pour.url, pour.bottled) == ("me/tap", "https://example.com/t.zip", False)


@pytest.mark.parametrize("name", ["jq", "me/tap/t"])
def test_nothing_to_pour_from_is_an_error_that_names_the_machine(name: str) -> None:
    with pytest.raises(homebrew.NoBottleError, match=f"{name} 1.2 has no bottle for arm64_tahoe"):
        homebrew.pour(described(name), "arm64_tahoe")
