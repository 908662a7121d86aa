"""From references to secrets, all of them or an error with every reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clawkeep.secrets import Secret, SecretError, parse, resolve
from clawkeep.secrets.sealing import FileRing
from clawkeep.secrets.store import Store
from tests.unit.secrets.bw import Bw, item


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    bw = Bw(tmp_path)
    bw.install()
    bw.vault(items=[item(1, "anthropic", key="from-the-vault")])
    key = tmp_path / "key"
    Store(tmp_path, FileRing(key)).put("discord", Secret("from-the-file"))
    return bw.environment() | {"TOKEN": "from-here", "CLAWKEEP_SEALING_KEY_FILE": str(key)}


@pytest.fixture(autouse=True)
def _dumpable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test process as it is."""
    monkeypatch.setattr("clawkeep.secrets.resolvers.no_core_dumps", lambda: None)


def test_each_kind_is_resolved(tmp_path: Path, environment: dict[str, str]) -> None:
    references = {
        "A": parse("vaultwarden:anthropic#key"),
        "B": parse("sealed:discord"),
        "C": parse("env:TOKEN"),
    }
    found = resolve(references, tmp_path, pytest.fail, environment)
    assert {name: secret.reveal() for name, secret in found.items()} == {
        "A": "from-the-vault",
        "B": "from-the-file",
        "C": "from-here",
    }


def test_everything_that_is_missing_is_said_at_once_with_its_reference(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    references = {
        "A": parse("vaultwarden:anthropic#nope"),
        "B": parse("sealed:nope"),
        "C": parse("env:NOPE"),
        "D": parse("env:TOKEN"),
        "E": parse("keychain:a/b"),
    }
    with pytest.raises(SecretError) as caught:
        resolve(references, tmp_path, pytest.fail, environment)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "A (vaultwarden:anthropic#nope)", "B (sealed:nope)", "C (env:NOPE)", "E (keychain:a/b)",
    ]  # fmt: skip
    assert "from-" not in str(caught.value)


def test_a_variable_that_is_not_set_differs_from_an_empty_one(tmp_path: Path) -> None:
    for environment, said in (({}, "is not set"), ({"X": ""}, "is empty")):
        with pytest.raises(SecretError, match=said):
            resolve({"A": parse("env:X")}, tmp_path, pytest.fail, environment)


def test_without_references_nothing_is_asked(tmp_path: Path) -> None:
    assert resolve({}, tmp_path, pytest.fail, {}) == {}


RESOLVE = """
import resource, sys
from pathlib import Path
from clawkeep.secrets import parse, resolve
references = {"A": parse("env:X")} if "one" in sys.argv else {}
resolve(references, Path(), print, {"X": "y"})
print(open("/proc/self/limits").read().split("Max core file size")[1].split()[:2])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_resolved_leaves_no_core_dump() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, "one"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['0', '0']"
