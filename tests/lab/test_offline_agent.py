"""NanoClaw built from the host's cache alone, with its packages and its compiled addon."""

from __future__ import annotations

import json

import pytest

from lab.lab import Lab
from tests.lab.agent_keep import EGRESS, AgentKeep, agent_keep
from tests.nanoclaw import repository

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CUT = """table inet cut { chain on { type filter hook forward priority -9;
  oifname "wan0" counter reject; }; }"""


@pytest.fixture(scope="module")
def offline(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, stand_in: repository.Repository
) -> AgentKeep:
    made = agent_keep(lab, tmp_path_factory.mktemp("offline"), stand_in)
    made.without += "decisions |= {'install_from': 'cache'}\n"
    made.declare()
    assert EGRESS in made.without
    return made


def test_a_release_is_built_while_there_is_no_internet(offline: AgentKeep) -> None:
    built = offline.built
    assert "the cache lacks" in built.pyinfra("-y").stderr
    filled = built.clawkeep("cache", "fill", "--json")
    assert filled.returncode == 0, filled.stderr
    items = json.loads(filled.stdout)["items"]
    kinds = {item["place"].partition("/")[0] for item in items if item["kind"] == "source"}
    assert kinds == {"source", "npm", "prebuilt"}
    built.lab.exec("host", ["/opt/homebrew/bin/tart", "pull",
                            "ghcr.io/cirruslabs/macos-sequoia-base"],
                   user=built.lab.facts["user"])  # fmt: skip
    assert built.lab.exec("lan", ["nft", CUT]).returncode == 0
    said = built.converge()
    assert offline.active() != "", said[-4000:]
    events = built.host("cat /opt/clawkeep/var/events.jsonl").stdout
    assert "window" not in events
    assert offline.guest("ls -d /opt/nanoclaw/cache/offline 2>/dev/null") == ""


def test_a_damaged_package_is_named_and_nothing_is_built(offline: AgentKeep) -> None:
    built = offline.built
    report = json.loads(built.clawkeep("cache", "list", "--json").stdout)
    item = next(i for i in report["items"] if i["name"] == "better-sqlite3")
    path = f"/opt/clawkeep/cache/sha256/{item['sha256']}"
    size = built.host(f"stat -f %z {path}; printf x | dd of={path} bs=1 seek=9 conv=notrunc")
    assert int(size.stdout) == item["size"]
    offline.guest("rm -rf /opt/nanoclaw/releases/* /opt/nanoclaw/cache")
    said = built.pyinfra("-y", "--data", "phase=agent").stderr
    assert "source better-sqlite3 11.10.0: its file in the cache is damaged" in said
    assert offline.guest("ls /opt/nanoclaw/releases") == ""
