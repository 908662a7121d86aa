"""The cache of a keep that is built already: what is lacking ends a run before it begins."""

from __future__ import annotations

import json

import pytest

from tests.lab.keep import Built, changed

pytestmark = pytest.mark.lab


@pytest.mark.slow
def test_a_missing_item_is_named_with_the_command_and_nothing_is_changed(keep: Built) -> None:
    file = keep.project / "group_data" / "all.py"
    before = file.read_text()
    file.write_text(f"{before}\ndecisions |= {{'install_from': 'cache'}}\n")
    calls = len(keep.lab.calls())
    done = keep.pyinfra("-y")
    assert done.returncode != 0
    assert "and the cache lacks formula jq; run clawkeep cache fill" in done.stderr
    assert changed(done.stderr) == []
    assert keep.mutations(calls) == []
    listed = keep.clawkeep("cache", "list", "--json")
    lacking = [want["name"] for want in json.loads(listed.stdout)["lacking"]]
    assert (listed.returncode, lacking) == (1, ["jq"])

    filled = keep.clawkeep("cache", "fill")
    assert filled.returncode == 0, filled.stderr
    planned = keep.pyinfra("--dry", "-y")
    assert planned.returncode == 0, planned.stderr[-3000:]
    assert "the cache lacks" not in planned.stderr
