"""Backups of a keep with an agent: made by the host, encrypted, brought back and compared."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from clawkeep.backup import keys
from clawkeep.keys import ensure
from clawkeep.remote import PROGRAM
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.guarding import wait
from tests.lab.keep import BIN, changed
from tests.recording import Faults

pytestmark = pytest.mark.lab

KEY = keys.new_key()
HOME = "/Volumes/Backup/keep"
STATE = f"{ROOT}/state"
BACKUP = {"key": "env:BACKUP_KEY", "folder": HOME, "test_days": 1}


@pytest.fixture(scope="module")
def saved(agent: AgentKeep) -> AgentKeep:
    """A keep whose backups are declared and laid out."""
    agent.built.host("mkdir -p /Volumes/Backup")
    declare(agent, BACKUP)
    return agent


def declare(agent: AgentKeep, backup: dict[str, Any]) -> None:
    agent.built.environment["BACKUP_KEY"] = KEY
    agent.without += f"\nbackup = {backup!r}\n"
    agent.declare()
    agent.built.converge("--data", "phase=operations")


def backup(agent: AgentKeep, *words: str) -> subprocess.CompletedProcess[str]:
    return agent.built.clawkeep("backup", *words)


def data(agent: AgentKeep, *words: str, status: int = 0) -> dict[str, Any]:
    done = backup(agent, *words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def chunks(agent: AgentKeep) -> list[str]:
    return agent.built.host(f"find {HOME}/chunks -type f").stdout.split()


def test_what_is_backed_up_comes_back_as_it_was(saved: AgentKeep) -> None:
    assert backup(saved, "status").returncode == 2  # There is none yet.
    made = data(saved, "create")
    assert made["problems"] == []
    assert made["backup"]["sources"] == ["host", "host-ssh", "agent", "settings"]
    again = data(saved, "create")
    assert again["backup"]["added"] < made["backup"]["added"] / 2
    listed = [b["name"] for b in data(saved, "list")["backups"]]
    assert listed == [made["backup"]["name"], again["backup"]["name"]]
    assert data(saved, "check")["problems"] == []
    tested = data(saved, "restore")
    assert tested["differences"] == []
    # The agent's messages, and the host's traffic and alerts.
    assert tested["databases"] == 3
    assert tested["rows"] > 0
    assert backup(saved, "status").returncode == 0
    scratch = saved.built.host("ls -A /opt/clawkeep/var/backup").stdout
    assert scratch == ""


@pytest.mark.slow
def test_no_secret_is_in_it_and_nothing_in_it_is_readable(saved: AgentKeep) -> None:
    data(saved, "create")
    data(saved, "restore", "--into=/tmp/into")
    names = saved.built.host("cd /tmp/into && find .").stdout
    assert "./agent/groups/main/CLAUDE.md" in names
    assert "./host/var/traffic.db" in names
    for secret in (".env", "credentials", "backup.key", "logs/nanoclaw.log", "host_rsa_key\n"):
        assert secret not in names
    for word in ("CLAUDE.md", "messages.db", "policy.json", "Andy"):
        assert saved.built.host(f"grep -rl '{word}' {HOME}").stdout == ""
    seen = saved.built.host("cat /opt/clawkeep/journal.jsonl /opt/clawkeep/etc/backup.json").stdout
    assert KEY not in seen
    modes = saved.built.host(f"stat -f %Lp {HOME} {HOME}/chunks /opt/clawkeep/etc/backup.key")
    assert modes.stdout.split() == ["700", "700", "600"]
    saved.built.host("rm -rf /tmp/into")


@pytest.mark.slow
def test_a_flipped_byte_is_found_named_and_healed(saved: AgentKeep, faults: Faults) -> None:
    data(saved, "create")
    script = (
        f"f=$(find {HOME}/chunks -type f -size +4k | head -n 1); "
        "printf X | dd of=$f bs=1 seek=100 conv=notrunc 2>/dev/null; echo $f"
    )
    assert HOME in saved.built.host(script).stdout
    found = data(saved, "check", "--set-aside", status=1)
    assert found["removed"] == 1
    assert any("agent:" in line or "host:" in line for line in found["problems"])
    assert backup(saved, "status").returncode == 1
    data(saved, "create")
    newest = data(saved, "restore")
    assert newest["differences"] == []
    says = "`backup check` names each file that it spoils; `backup status` is red"
    faults.show("backup", "a byte of it is flipped", says, "the next backup", lost=0)


@pytest.mark.slow
def test_a_converge_that_changes_nothing(saved: AgentKeep) -> None:
    assert changed(saved.built.converge("--data", "phase=operations")) == []


TICK = "launchctl kickstart system/com.nanoclaw.backup"
RECORD = "/opt/clawkeep/var/backup.json"


def state(agent: AgentKeep) -> dict[str, Any]:
    """Return what the host has on record of its backups."""
    text = agent.built.host(f"cat {RECORD}").stdout
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


@pytest.mark.slow
def test_launchd_makes_the_days_and_tests_it(saved: AgentKeep) -> None:
    before = len(data(saved, "list")["backups"])
    # Declared today, it is due tomorrow; declared long ago, now.
    saved.built.host(f"rm -f {RECORD}; {TICK}; sleep 3")
    since = state(saved)["since"]
    assert abs(since - time.time()) < 60
    assert state(saved)["created"] is None
    saved.built.host(f"echo '{{\"since\": 1.0}}' > {RECORD}")
    with saved.built.holding("somebody's work"):
        # Not now: it comes again, and nothing has failed.
        saved.built.host(f"{TICK}; sleep 3")
        assert state(saved) == {"since": 1.0}
    saved.built.host(TICK)
    wait("the backup and its test", lambda: state(saved).get("tested"), 120)
    assert backup(saved, "status").returncode == 0
    made = state(saved)["created"]
    saved.built.host(f"{TICK}; sleep 3")
    assert state(saved)["created"] == made
    assert len(data(saved, "list")["backups"]) <= before + 1


@pytest.mark.slow
def test_two_operators_at_once(saved: AgentKeep) -> None:
    before = len(data(saved, "list")["backups"])
    both = [
        subprocess.Popen(
            [str(BIN / "clawkeep"), "backup", "create"],
            cwd=saved.built.project,
            env=saved.built.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [(it.communicate(timeout=120), it.returncode) for it in both]
    # One after the other: the second has waited for its turn.
    assert [status for _, status in ended] == [0, 0], ended
    with saved.built.holding("somebody's work"):
        done = backup(saved, "create", "--wait=0")
    assert done.returncode == 75
    assert "somebody's work (pid " in done.stderr
    assert len(data(saved, "list")["backups"]) == before + 2
    assert data(saved, "check")["problems"] == []


@pytest.mark.slow
def test_killed_in_the_middle_the_next_one_is_whole(saved: AgentKeep, faults: Faults) -> None:
    big = f"{STATE}/groups/main/big"
    saved.guest(f"head -c 30000000 /dev/urandom > {big}; chown claw {big}")
    before = len(chunks(saved))
    started = saved.built.lab.command("host", ["/opt/clawkeep/bin/clawkeep", "backup", "create"])
    with subprocess.Popen(started, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait("a chunk", lambda: len(chunks(saved)) > before + 1, 60)
        saved.built.host("kill -9 $(pgrep -f 'bin/clawkeep backup create')")
    assert data(saved, "check")["problems"] == []
    assert data(saved, "create")["backup"]["added"] < 30_000_000
    assert data(saved, "restore")["differences"] == []
    saved.guest(f"rm {big}")
    says = "`backup check` finds nothing wrong; what was written is not written again"
    faults.show("backup", "it is killed in the middle", says, "the next backup", lost=0)


@pytest.mark.slow
def test_a_disk_that_is_not_mounted_is_no_new_repository(saved: AgentKeep) -> None:
    saved.built.host("mv /Volumes/Backup /Volumes/Away")
    done = backup(saved, "create")
    assert done.returncode == 2
    assert "is the disk mounted?" in done.stderr
    saved.built.host("mkdir /Volumes/Backup")
    assert backup(saved, "create").returncode == 2
    assert saved.built.host("ls -A /Volumes/Backup").stdout == ""
    assert backup(saved, "status").returncode == 1
    saved.built.host("rmdir /Volumes/Backup; mv /Volumes/Away /Volumes/Backup")
    data(saved, "create")


@pytest.mark.slow
def test_the_state_is_put_back_in_the_guest_and_the_agent_goes_on(saved: AgentKeep) -> None:
    assert "before" in saved.answer("remember before")
    made = data(saved, "create")["backup"]["name"]
    refused = backup(saved, "restore", made, "--to-guest")
    assert refused.returncode == 2
    assert "NanoClaw runs" in refused.stderr
    assert "launchctl bootout" in refused.stderr
    saved.guest(f"launchctl bootout {JOB}")
    wait("its end", lambda: not saved.processes()["host"], 60)
    saved.guest(f"rm -r {STATE}/store; echo lost > {STATE}/groups/main/CLAUDE.md")
    put = data(saved, "restore", made, "--to-guest")
    assert put["kept"].startswith(f"{STATE}.before-")
    assert saved.guest(f"cat {put['kept']}/groups/main/CLAUDE.md") == "lost"
    assert "Andy" in saved.guest(f"cat {STATE}/groups/main/CLAUDE.md")
    assert saved.guest(f"stat -f '%Lp %Su' {STATE}/.env") == "600 claw"
    saved.apply()
    wait("NanoClaw", saved.pid, 60)
    assert "hello" in saved.answer("hello")


@pytest.mark.slow
def test_an_image_of_a_running_guest_is_refused(saved: AgentKeep) -> None:
    done = backup(saved, "image", "/Volumes/Backup/vm.tvm")
    assert done.returncode == 2
    assert "is running: a file of it would be torn" in done.stderr


IMAGE = "/Users/operator/image/vm.tvm"
TART = "sudo -u operator -H /opt/homebrew/bin/tart"


@pytest.mark.slow
def test_the_whole_vm_in_one_file_that_comes_back(saved: AgentKeep) -> None:
    host = saved.built.host
    host(f"sudo -u operator mkdir -p {IMAGE.rpartition('/')[0]}")
    saved.guest(f"echo kept > {STATE}/groups/main/note")
    assert saved.built.clawkeep("vm", "stop").returncode == 0
    # Killed over it, its tart goes on: nobody begins before that has ended, and what it made is
    # whole, or not there.
    host(
        f"{PROGRAM} backup image {IMAGE} >/dev/null 2>&1 & p=$!; "
        "until ls /Users/operator/image/.vm.tvm.part >/dev/null 2>&1; do sleep 0.01; done; "
        "kill -9 $p; wait $p"
    )
    assert host(f"{PROGRAM} hold nobody </dev/null").returncode == 0
    assert not host("pgrep -f 'tart export'").stdout
    if host(f"ls {IMAGE}").returncode == 0:
        assert data(saved, "image", IMAGE, "--check")["whole"] is True
        host(f"rm {IMAGE}")
    made = data(saved, "image", IMAGE)
    assert made["bytes"] > 100_000
    there = host("ls -A /Users/operator/image").stdout.split()
    assert there == ["vm.tvm", "vm.tvm.sha256"]
    assert host(f"stat -f '%Lp %Su' {IMAGE}").stdout.split() == ["600", "operator"]
    again = backup(saved, "image", IMAGE)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    saved.built.converge("--data", "phase=base,network")
    # Its check: the bytes are those that were written, and the VM in them is what it was.
    assert data(saved, "image", IMAGE, "--check")["whole"] is True
    assert host(f"{TART} import {IMAGE} back").returncode == 0
    host(f"cp {IMAGE} {IMAGE}2; cp {IMAGE}.sha256 {IMAGE}2.sha256")
    host(f"printf X | dd of={IMAGE} bs=1 seek=5000 conv=notrunc 2>/dev/null")
    assert data(saved, "image", IMAGE, "--check", status=1)["whole"] is False
    shown = host(f"ls -d /Users/operator/.tart/vms/back && {TART} get back --format json")
    assert '"State" : "stopped"' in shown.stdout, shown.stderr
    disk = host("head -n 1 /Users/operator/.tart/vms/back/disk.img").stdout.split()[1]
    note = f"/System/Lab/disks/{disk}/upper/private{STATE}/groups/main/note"
    assert host(f"cat {note} || cat {note.replace('/private', '')}").stdout == "kept\n"
    assert host(f"{TART} delete back; rm -rf /Users/operator/image").returncode == 0


@pytest.mark.slow
def test_the_repository_is_read_without_the_host(saved: AgentKeep, tmp_path: Path) -> None:
    data(saved, "create")
    saved.built.host(f"tar -C {HOME} -cf /tmp/copy.tar .")
    with (tmp_path / "copy.tar").open("wb") as file:
        sent = saved.built.lab.command("host", ["cat", "/tmp/copy.tar"])
        subprocess.run(sent, stdout=file, check=True)
    (tmp_path / "copy").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "copy", "-xf", tmp_path / "copy.tar"], check=True)
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    where = [f"--repository={tmp_path / 'copy'}", f"--key-file={tmp_path / 'key'}"]
    found = data(saved, "restore", *where)
    assert found["differences"] == []
    assert found["databases"] == 3


@pytest.mark.slow
def test_a_server_of_the_allowlist_is_reached_by_ssh(saved: AgentKeep, tmp_path: Path) -> None:
    far = saved.built.lab.state.folder / "certificates"
    pair = ensure(tmp_path, "backup@keep")
    line = f'restrict,command="internal-sftp" {pair.public_line}'
    with (far / "truenas_ssh.authorized").open("a") as file:
        file.write(f"{line}\n")
    (tmp_path / "pool").mkdir()
    path = str(tmp_path / "pool" / "keep")
    server = {"service": "truenas-ssh", "user": "root", "path": path, "key": "env:SSH_KEY"}
    saved.built.environment["SSH_KEY"] = pair.private.read_text()
    saved.built.host("mv /opt/clawkeep/var/backup.json /tmp/")
    before = saved.without
    declare(saved, {"key": "env:BACKUP_KEY", "server": server})
    try:
        made = data(saved, "create")["backup"]
        assert made["added"] > 10_000
        assert data(saved, "create")["backup"]["added"] < made["added"]
        assert data(saved, "check")["problems"] == []
        assert data(saved, "restore")["differences"] == []
        assert len(list((tmp_path / "pool/keep/manifests").iterdir())) == 2
        # Somebody else answers there: nothing is sent to him.
        pins = "/opt/clawkeep/etc/hostkeys"
        other = pair.public_line.split()[:2]
        saved.built.host(
            f"cp {pins} /tmp/pins; echo truenas-ssh {' '.join(other)} 10.0.30.20:22 > {pins}"
        )
        refused = backup(saved, "create")
        assert refused.returncode == 2
        assert "Host key verification failed" in refused.stderr
        saved.built.host(f"cp /tmp/pins {pins}")
    finally:
        saved.without = before
        saved.declare()
        saved.built.converge("--data", "phase=operations")
        saved.built.host("mv /tmp/backup.json /opt/clawkeep/var/")


@pytest.mark.slow
def test_a_guest_that_is_down_is_said(saved: AgentKeep) -> None:
    saved.built.clawkeep("vm", "stop")
    started = time.monotonic()
    done = backup(saved, "create")
    assert done.returncode == 2
    assert "the guest" in done.stderr
    assert "not running" in done.stderr
    assert time.monotonic() - started < 30
