"""The main job, end to end: a bare Mac becomes a keep, and stays one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.keep import GUEST, Built, changed, project
from tests.recording import Faults

pytestmark = pytest.mark.lab

TART = "sudo -u operator -H /opt/homebrew/bin/tart"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Built:
    built = Built(lab, project(tmp_path_factory.mktemp("converge")))
    dry = built.pyinfra("--dry")
    assert dry.returncode == 0, dry.stderr[-4000:]
    built.environment["DRY_OUTPUT"] = dry.stderr
    built.environment["DRY_MUTATIONS"] = json.dumps(built.mutations())
    built.converge()
    return built


def test_a_plan_on_a_bare_mac_changes_nothing_and_shows_host_and_guest(
    built: Built, faults: Faults
) -> None:
    assert json.loads(built.environment["DRY_MUTATIONS"]) == []
    plan = built.environment["DRY_OUTPUT"]
    assert f"Host | guest {GUEST}" in plan
    assert "Guest | user claw" in plan
    faults.show("dry-run", "of a first converge on a bare Mac", "no mutating call to any tool")


def test_everything_is_well_after_one_command(built: Built) -> None:
    done = built.clawkeep("status", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (0, "well"), done.stdout
    evidence = {door["name"]: door["evidence"] for door in report["doors"]}
    assert "bitwarden.cstrube.de" in evidence["vaultwarden"]
    assert evidence["home-assistant"].startswith("HTTP/1.")
    assert "kubernetes" in evidence["kubernetes"]
    assert evidence["truenas-ssh"].startswith("SSH-2.0-")


def test_the_agents_user_is_an_administrator_who_logs_in_by_itself(built: Built) -> None:
    assert "80(admin)" in built.guest("id claw").stdout
    session = built.host(f"sudo -u operator -H /opt/homebrew/bin/tart exec {GUEST} /usr/bin/id -un")
    assert session.stdout.strip() == "claw", session.stderr


def test_passwords_are_refused_and_the_public_one_is_gone(built: Built) -> None:
    assert built.guest("dscl . -authonly admin admin").returncode != 0
    settings = built.guest("sshd -T 2>/dev/null | grep -iE '^(password|kbdinter)'").stdout.lower()
    assert settings.split() == [
        "passwordauthentication",
        "no",
        "kbdinteractiveauthentication",
        "no",
    ]


def test_the_guest_has_host_keys_of_its_own(built: Built) -> None:
    own = built.guest("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    pinned = next(
        Path(built.lab.state.folder, "operator", "state").rglob("known_hosts")
    ).read_text()
    assert pinned.split() == [GUEST, "ssh-ed25519", own]


def test_the_tools_answer_from_a_plain_ssh_command(built: Built) -> None:
    answers = built.guest(
        "sudo -u claw -H zsh -c 'cd; for t in git jq ffmpeg node gh kubectl himalaya whisper-cli"
        " remindctl edge-tts python3.13; do command -v $t || echo missing $t; done'"
    ).stdout
    assert "missing" not in answers
    assert built.guest("sudo -u claw -H zsh -c 'node --version'").stdout.startswith("v22.")


def test_mounts_are_as_declared_and_read_only_holds(built: Built) -> None:
    assert built.guest("touch '/Volumes/My Shared Files/old-groups/x'").returncode != 0
    assert built.guest("touch '/Volumes/My Shared Files/ipc/x'").returncode == 0
    assert built.host("ls /Users/operator/nanoclaw/data/ipc/x").returncode == 0


def test_the_base_snapshot_is_a_stopped_clone_with_its_origin(built: Built) -> None:
    vms = json.loads(built.host(f"{TART} list --source local --format json").stdout)
    assert {vm["Name"]: vm["State"] for vm in vms} == {
        GUEST: "running",
        f"{GUEST}-base": "stopped",
    }
    metadata = json.loads(
        built.host(f"cat /Users/operator/.clawkeep/snapshots/{GUEST}-base.json").stdout
    )
    assert metadata["role"] == "base"
    assert metadata["guest"] == GUEST
    assert len(metadata["model"]) == 64


def test_no_secret_stood_on_a_command_line(built: Built) -> None:
    content = built.guest("od -An -v -tx1 /etc/kcpassword | tr -d ' \\n'").stdout.strip()
    key = bytes.fromhex("7d895223d2bcddeaa3b91f")
    raw = bytes.fromhex(content)
    password = bytes(b ^ key[i % 11] for i, b in enumerate(raw)).split(b"\0")[0].decode()
    assert len(password) >= 24
    assert password not in json.dumps(built.lab.calls())


def test_verify_finds_everything_as_declared_and_changes_nothing(built: Built) -> None:
    before = len(built.lab.calls())
    done = built.clawkeep("verify", "--json")
    assert done.returncode == 0, done.stderr
    names = [row["operation"] for row in json.loads(done.stdout) if not row["differs_on"]]
    assert "Guest | packages" in names
    assert "Host | exactly the declared doors are open" in names
    assert built.mutations(before) == []


def test_a_second_converge_changes_nothing(built: Built) -> None:
    before = len(built.lab.calls())
    said = built.converge()
    assert built.mutations(before) == []
    assert changed(said) == []
    assert "No changes" in said


def test_a_plan_on_a_built_keep_changes_nothing(built: Built, faults: Faults) -> None:
    before = len(built.lab.calls())
    assert built.pyinfra("--dry").returncode == 0
    assert built.mutations(before) == []
    faults.show("dry-run", "of a converge on a built keep", "no mutating call to any tool")


def test_one_phase_can_be_run_alone_and_an_unknown_one_is_refused(built: Built) -> None:
    before = len(built.lab.calls())
    said = built.converge("--data", "phase=network")
    assert built.mutations(before) == []
    assert "packages" not in said
    refused = built.pyinfra("-y", "--data", "phase=netwrok")
    assert refused.returncode != 0
    assert "known phases: base, network, agent" in refused.stderr
    assert "did you mean network?" in refused.stderr


def test_a_mistake_in_the_allowlist_changes_nothing(built: Built, faults: Faults) -> None:
    good = (built.project / "allowlist.yml").read_text()
    before = len(built.lab.calls())
    built.allowlist(good.replace("port: 18443", "prot: 18443"))
    done = built.pyinfra("-y")
    built.allowlist(good)
    assert done.returncode == 2
    assert "allowlist.yml:" in done.stderr
    assert "did you mean" in done.stderr
    assert built.mutations(before) == []
    says = "exit 2 with line and column; no mutating call to any tool"
    faults.show("declaration", "a mistyped key", says, "the operator")


def test_a_removed_service_leaves_no_artefact_and_touches_no_other(built: Built) -> None:
    good = (built.project / "allowlist.yml").read_text()
    pids = "pgrep -f 'socat.*bridge-(home-assistant|kubernetes|truenas-ssh)' | sort"
    before = built.host(pids).stdout
    assert before
    start = good.index("  - name: vaultwarden")
    end = good.index("  - name:", start + 5)
    built.allowlist(good[:start] + good[end:])
    built.converge("--data", "phase=network")
    gone = built.host(
        "launchctl print system/com.nanoclaw.bridge.vaultwarden;"
        "ls /Library/LaunchDaemons/com.nanoclaw.bridge.vaultwarden.plist;"
        "lsof -nP -iTCP:18443 -sTCP:LISTEN;"
        "pfctl -a com.apple/000.clawkeep -sr 2>/dev/null | grep 18443"
    )
    assert gone.stdout == ""
    assert "cstrube" not in built.guest("cat /etc/hosts").stdout
    assert built.host(pids).stdout == before
    built.allowlist(good)
    built.converge("--data", "phase=network")
    assert built.status()["verdict"] == "well"
