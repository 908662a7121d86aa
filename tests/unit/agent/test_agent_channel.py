"""The local channel finds its place in upstream's source, or nothing is touched."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.agent.guest_programs import FOLDER

SOURCE = FOLDER.parent / "channel"

#: The lines of 1.1's host program that matter here, in our own words around them.
INDEX = """\
import fs from 'fs';
import path from 'path';
import { WhatsAppChannel } from './channels/whatsapp.js';

async function main() {
  const channelOpts = { registeredGroups: () => registeredGroups };

  // Create and connect channels
  whatsapp = new WhatsAppChannel(channelOpts);
  channels.push(whatsapp);
  await whatsapp.connect();
}
"""


def apply(release: Path, profile: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-I", str(FOLDER / "channel.py"), str(release), profile]
    return subprocess.run(
        [*program, "--source", str(SOURCE)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "src/channels").mkdir(parents=True)
    (tmp_path / "src/index.ts").write_text(INDEX)
    (tmp_path / "src/channels/index.ts").write_text("// telegram\nimport './telegram.js';\n")
    return tmp_path


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("profile", ["v1.1", "v1.2"])
def test_it_says_exactly_which_files_it_changed_and_a_second_time_changes_nothing(
    release: Path, profile: str
) -> None:
    before = snapshot(release)
    first = apply(release, profile)
    after = snapshot(release)
    changed = {path: digest for path, digest in after.items() if before.get(path) != digest}
    assert json.loads(first.stdout) == {"files": changed}
    assert apply(release, profile).stdout == first.stdout
    assert snapshot(release) == after


def test_in_1_2_it_is_the_first_channel_of_the_registry(release: Path) -> None:
    apply(release, "v1.2")
    assert (release / "src/channels/index.ts").read_text() == (
        "import './local-registered.js';\n// telegram\nimport './telegram.js';\n"
    )


def test_in_1_1_it_comes_before_whatsapp_which_waits_for_being_paired(release: Path) -> None:
    apply(release, "v1.1")
    text = (release / "src/index.ts").read_text()
    assert text.index("await local.connect()") < text.index("new WhatsAppChannel(")
    guard = text.index("if (fs.existsSync(path.resolve('store', 'auth', 'creds.json'))) {")
    assert guard < text.index("await whatsapp.connect();")
    assert "import { localChannel } from './channels/local.js';" in text


@pytest.mark.parametrize(
    ("profile", "old", "new"),
    [
        ("v1.1", "// Create and connect channels", "// Channels"),
        ("v1.1", "await whatsapp.connect();\n", "await whatsapp.connect();\n" * 2),
        ("v1.0", "", ""),
    ],
)  # fmt: skip
def test_where_there_is_no_place_for_it_nothing_is_written(
    release: Path, profile: str, old: str, new: str
) -> None:
    (release / "src/index.ts").write_text(INDEX.replace(old, new) if old else INDEX)
    before = snapshot(release)
    done = apply(release, profile)
    assert done.returncode == 1
    assert done.stderr.startswith("local channel: ")
    assert snapshot(release) == before
