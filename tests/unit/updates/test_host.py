"""What the host is asked, and what its answers come to."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from clawkeep import survey
from clawkeep.model import Keep
from clawkeep.updates import Update, host
from tests.unit.updates.test_parse import INSTALLERS, TAGS

DIGEST = "ab" * 32
OTHER = "cd" * 32


def keep(**parts: Any) -> Keep:
    return Keep.model_validate(parts)


def answered(declared: Keep, inside: dict[str, str] | None = None, /, **answers: str) -> list[Any]:
    """Return what a host comes to that says nothing new but `answers`."""
    said = {
        "macos": INSTALLERS,
        "cached": f"ghcr.io/cirruslabs/macos-sequoia-base@sha256:{DIGEST}\n",
        "image": f"{DIGEST}  -\n",
    }
    names = {name.replace("_", " ", 1): text for name, text in answers.items()}
    facts = {"macos": "26.1"} | (inside or {})
    return list(host.read(declared, said | names, facts))


def test_nothing_new_is_no_update() -> None:
    assert answered(keep()) == []


def test_macos_is_the_guests() -> None:
    found = answered(keep(), {"macos": "15.7.1"})
    assert [(u.available, u.major) for u in found] == [("15.7.2", False), ("26.1", True)]
    assert all("by hand" in u.how for u in found)
    (said,) = answered(keep(), {"macos": "?"})
    assert said.startswith("macos: it could not be learned")


def test_an_image_that_moved() -> None:
    (found,) = answered(keep(), image=f"{OTHER}  -\n")
    assert (found.kind, found.major, found.pin) == ("image", True, "")
    assert "tart pull ghcr.io/cirruslabs/macos-sequoia-base" in found.how
    image = f"ghcr.io/cirruslabs/macos-sequoia-base@sha256:{DIGEST}"
    (found,) = answered(keep(guest={"image": image}), image=f"{OTHER}  -\n")
    assert found.pin == 'group_data/all.py: guest["image"]'
    assert f"sha256:{OTHER}" in found.how


def test_a_registry_that_does_not_answer_is_said() -> None:
    (said,) = answered(keep(), image="curl: (22) The requested URL returned error: 404\n")
    assert said.startswith("image: it could not be learned")
    assert "404" in said


def test_pip_tools() -> None:
    pinned = keep(guest={"pip_tools": ["edge-tts==7.2.0"]})
    (found,) = answered(pinned, **{"pip_edge-tts==7.2.0": "edge-tts (7.3.1)\n"})
    assert (found.installed, found.available, found.step) == ("7.2.0", "7.3.1", "minor")
    assert '"edge-tts==7.3.1"' in found.how
    loose = keep(guest={"pip_tools": ["edge-tts"]})
    tools = {"pip edge-tts": "7.3.1"}
    assert answered(loose, tools, **{"pip_edge-tts": "edge-tts (7.3.1)\n"}) == []
    (said,) = answered(loose, **{"pip_edge-tts": "edge-tts (7.3.1)\n"})
    assert "is not installed" in said


def test_npm_packages_are_pinned_in_the_declaration() -> None:
    (found,) = answered(keep(), **{"npm_@scope/cli@1.0.0": "2.0.0\n"})
    assert (found.name, found.major, found.pin) == ("@scope/cli", True, "group_data/all.py: skills")


def agent(**values: Any) -> Keep:
    env = {"secrets": {"ANTHROPIC_API_KEY": "env:KEY"}}
    return keep(agent=env | values, guest={"packages": ["node@22"], "mounts": []})


def test_nanoclaw_is_pinned_by_its_commit() -> None:
    found = [u for u in answered(agent(), nanoclaw=TAGS) if isinstance(u, Update)]
    assert [(u.installed, u.available, u.major) for u in found] == [
        ("1.2.52", "v1.2.60", False),
        ("1.2.52", "v2.0.64", True),
    ]
    assert "3" * 40 in found[0].how
    # At a tagged commit its tag is known; at any other one nothing can be compared.
    tagged = answered(agent(commit="2" * 40), nanoclaw=TAGS)
    assert [u.installed for u in tagged] == ["v1.2.0", "v1.2.0"]
    assert answered(agent(commit="9" * 40), nanoclaw=TAGS) == []


def test_only_what_is_declared_is_asked() -> None:
    assert set(host.questions(keep(guest={"pip_tools": []}))) == {"macos", "cached", "image"}
    assert "nanoclaw" in host.questions(agent())
    # A mirror in the guest is nothing that the host could ask.
    assert "nanoclaw" not in host.questions(agent(repository="/srv/nanoclaw.git"))


@pytest.mark.parametrize("before", ["", "trap '' TERM\n"], ids=["", "SIGTERM ignored"])
def test_all_is_asked_at_once_and_what_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.setattr(host, "LIMIT_S", 1)
    asked = {
        "a": "sleep 0.3; echo one; echo two >&2",
        "b": "sleep 0.3; exit 3",
        "c": "exec sleep 60",
    }
    began = time.monotonic()
    text = before + host.script(asked)
    done = subprocess.run(
        ["/bin/sh", "-s"], input=text, capture_output=True, text=True, check=False
    )
    assert time.monotonic() - began < 30
    found = survey.split(done.stdout)
    assert {name: text.split() for name, text in found.items()} == {
        "a": ["one", "two"],
        "b": [],
        "c": [],
    }
