"""The real deploy.py and inventory.py, run by the real command line on machines that are fake."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from clawkeep.model import Agent
from roles.agent.checkout import specification
from tests.operations.project import Project, lay_out, operations
from tests.recording import Faults

PREPARED = [
    "Host | Tart, Softnet and the tools of the bridges",
    "Host | Python at /opt/clawkeep, root's own",
    "Host | Softnet as root's own copy",
    "Host | folders shared with the guest",
]
CLOSED = [
    "Host | user _clawkeep",
    "Host | Clawkeep's own program",
    "Host | bridges are closed by pf",
    "Host | the guard keeps them so",
]
STARTED = [
    "Host | guest keep",
    "Host | size of keep",
    "Host | keep starts by itself",
    "Host | keep starts by itself and runs now",
]
PROVISIONED = [
    "Guest | user claw",
    "Guest | SSH, shells and sudo",
    "Guest | the image's public password is replaced",
    "Guest | claw logs in automatically",
    "Guest | packages",
    "Guest | pip tools",
    "Guest | no automatic updates",
    "Guest | SSH host keys of its own",
]
SNAPSHOT = ["Host | snapshot keep-base"]
DOORS = [
    "Host | policy with the declared doors",
    "Host | exactly the declared doors are open",
    "Host | bridges of the services",
    "Host | bridges are listening",
    "Host | the canary looks from inside the guest",
    "Host | the traffic log is written",
    "Host | SSH host keys of the services",
]
NAMES = [
    "Guest | names of the services",
    "Guest | names that the resolver knows",
    "Guest | clients know the services",
    "Guest | programs know of the proxy",
]
OPERATED = [
    "Host | logs are kept in one place",
    "Host | nobody is told of what is wrong",
    "Host | what is watched",
    "Host | the keep is watched, and mended",
]
SERVED = [
    "Host | services of skills that are no more",
    "Host | services of skills that are no more: models",
]
NO_MORE = ["Guest | skills that are no more", "Guest | rows of TCC"]
NO_BACKUPS = ["Host | no backups are declared", "Host | no plan of backups"]
SNAPSHOTS = ["Host | plan of snapshots", "Host | snapshots are looked after"]
REACHABLE = ["All | the guest is reachable"]
COMPLETE = ["All | the guest is provisioned"]
BACK = ["All | the guest is back"]
OPEN = ["All | the doors are open"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return lay_out(tmp_path)


def test_everything_comes_in_its_order_with_the_guest_between_barriers(project: Project) -> None:
    done = project.pyinfra("-y")
    assert done.returncode == 0, done.stderr[-3000:]
    order = operations(done.stderr)
    assert order == [
        *PREPARED, *CLOSED, *STARTED, *REACHABLE, *PROVISIONED, *COMPLETE, *SNAPSHOT, *BACK, *DOORS,
        *OPERATED, *NO_BACKUPS, *SNAPSHOTS, *SERVED, *OPEN, *NAMES, *NO_MORE,
    ]  # fmt: skip


def test_no_command_reaches_the_guest_before_the_anchor_is_closed_and_its_job_is_loaded(
    project: Project,
) -> None:
    assert project.pyinfra("-y").returncode == 0
    commands = project.commands()
    guest = [n for n, line in enumerate(commands) if line.startswith("@fake/guest: ")]
    closed = next(n for n, line in enumerate(commands) if "bin/clawkeep enforce" in line)
    loaded = next(n for n, line in enumerate(commands) if "gui/501 com.nanoclaw.vm /Users" in line)
    cloned = next(n for n, line in enumerate(commands) if "tart clone keep keep-base.new" in line)
    named = next(n for n, line in enumerate(commands) if "dscacheutil -flushcache" in line)
    assert closed < loaded < guest[0]
    assert max(n for n in guest if n < cloned) < cloned < named


AGENT = """
guest |= {"packages": ["node@22"]}
agent = {"secrets": {"ANTHROPIC_API_KEY": "env:KEY"}}
"""
LIVES = [
    "Guest | users of the agents",
    "Guest | what runs agents",
    "Guest | shared folders are as declared",
    "Guest | NanoClaw is built",
    "Guest | secrets of NanoClaw",
    "Guest | logs are kept clean",
    "Guest | skills of the agents: the list",
    "Guest | skills of the agents: no tools are served",
    "Guest | NanoClaw runs",
]


def test_the_agent_comes_last_and_only_when_there_is_one(project: Project) -> None:
    file = project.folder / "group_data" / "all.py"
    file.write_text(file.read_text() + AGENT)
    spec = specification(Agent(secrets={"ANTHROPIC_API_KEY": "env:KEY"}))
    name, abi = f"{spec['commit'][:12]}-01234567", {"abi": "127", "arch": "arm64"}
    record = {"id": name, "spec": spec["digest"], "node": {"abi": "127"}, "arch": "arm64"}
    data = {"releases": {name: record}, "active": {}, "node": abi, "dirty": [], "folders": []}
    project.answers(
        guest={"releases *": json.dumps(data), "agent job *": "\n@@\n\n@@\n\n@@\n\n@@\n"}
    )
    done = project.pyinfra("-y", "--data", "phase=network,agent", KEY="sesame")
    assert done.returncode == 0, done.stderr[-3000:]
    assert operations(done.stderr)[-len(NAMES) - len(LIVES) :] == [*NAMES, *LIVES]
    done = project.pyinfra("-y", "--data", "phase=agent", KEY="sesame")
    assert operations(done.stderr)[-len(LIVES) - 1 :] == [*OPEN, *LIVES]


BACKUP = """
backup = {"key": "env:BACKUP_KEY", "folder": "/Volumes/Backup/keep"}
"""
BACKED_UP = [
    "Host | cryptography for backups, root's own",
    "Host | keys of backups",
    "Host | plan of backups",
    "Host | backups are made each day",
]


def test_backups_are_laid_out_and_their_key_is_seen_nowhere(project: Project) -> None:
    file = project.folder / "group_data" / "all.py"
    file.write_text(file.read_text() + BACKUP)
    key = "clawkeep-backup-key-" + "5e5a" * 16
    done = project.pyinfra("-y", "-vvv", "--data", "phase=operations", BACKUP_KEY=key)
    assert done.returncode == 0, done.stderr[-3000:]
    assert operations(done.stderr)[-len(BACKED_UP) - 3 :] == [*BACKED_UP, *SNAPSHOTS, *OPEN]
    assert "5e5a5e5a" not in done.stderr + done.stdout + "".join(project.commands())


@pytest.mark.parametrize("key", ["", "short", "clawkeep-backup-key-5e5a5e5a"])
def test_a_key_that_is_none_ends_the_run_before_anything_changes(
    project: Project, key: str
) -> None:
    file = project.folder / "group_data" / "all.py"
    file.write_text(file.read_text() + BACKUP)
    done = project.pyinfra("-y", BACKUP_KEY=key)
    assert done.returncode != 0
    assert "backup" in done.stderr
    assert not key or key not in done.stderr.replace("clawkeep backup key new", "")
    assert project.commands() == []


def test_a_secret_that_cannot_be_had_or_written_ends_the_run_before_anything_changes(
    project: Project,
) -> None:
    file = project.folder / "group_data" / "all.py"
    file.write_text(file.read_text() + AGENT)
    for value, why in {
        "": "ANTHROPIC_API_KEY (env:KEY): the variable is empty",
        "open\nsesame": "agent: ANTHROPIC_API_KEY has more than one line",
    }.items():
        done = project.pyinfra("-y", KEY=value)
        assert done.returncode != 0
        assert why in done.stderr
        assert "sesame" not in done.stderr
        assert project.commands() == []


@pytest.mark.parametrize(
    ("phase", "order"),
    [
        ("base", [*PREPARED, *CLOSED, *STARTED, *REACHABLE, *PROVISIONED, *COMPLETE, *SNAPSHOT,
                  *BACK, *OPEN]),
        ("agent", [*CLOSED, *REACHABLE, *COMPLETE, *BACK, *OPEN]),
        ("network", [*CLOSED, *REACHABLE, *COMPLETE, *BACK, *DOORS, *OPEN, *NAMES]),
        ("skills", [*CLOSED, *REACHABLE, *COMPLETE, *BACK, *SERVED, *OPEN, *NO_MORE]),
        ("operations", [*CLOSED, *REACHABLE, *COMPLETE, *BACK, *OPERATED, *NO_BACKUPS,
                        *SNAPSHOTS, *OPEN]),
    ],
)  # fmt: skip
def test_one_phase_alone_still_closes_the_bridges_first(
    project: Project, phase: str, order: list[str]
) -> None:
    done = project.pyinfra("-y", "--data", f"phase={phase}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert operations(done.stderr) == order


def test_an_unknown_phase_is_refused_with_the_known_ones_and_changes_nothing(
    project: Project,
) -> None:
    done = project.pyinfra("-y", "--data", "phase=netwrok")
    assert done.returncode != 0
    known = "known phases: base, network, agent, skills, operations - did you mean network?"
    assert f"unknown phase netwrok; {known}" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.commands() == []


@pytest.mark.parametrize(
    ("failing", "last", "guest_touched"),
    [
        ("tart set keep", "Host | size of keep", False),
        ("clawkeep enforce", "Host | bridges are closed by pf", False),
        ("softwareupdate", "Guest | no automatic updates", True),
        ("tart clone keep keep-base", "Host | snapshot keep-base", True),
    ],
)
def test_a_failure_on_one_machine_ends_the_run_for_all(
    project: Project, failing: str, last: str, guest_touched: bool
) -> None:
    project.answers(failing=(failing,))
    done = project.pyinfra("-y")
    assert done.returncode == 1
    assert operations(done.stderr)[-1] == last
    touched = any(line.startswith("@fake/guest: ") for line in project.commands())
    assert touched is guest_touched


def test_a_host_that_does_not_answer_its_questions_is_left_alone(project: Project) -> None:
    project.answers(failing=(" begin ",))
    done = project.pyinfra("-y")
    assert done.returncode == 1
    assert project.commands() == []


def test_no_password_is_said_however_loud_the_run(project: Project) -> None:
    done = project.pyinfra("-y", "-vvv")
    assert done.returncode == 0
    assert "exec /usr/bin/python3 -I -" in done.stderr
    assert "a-new-password" not in done.stderr + done.stdout
    assert not any("a-new-password" in line for line in project.commands())


def test_every_operation_that_changed_something_stands_in_the_journal(project: Project) -> None:
    done = project.pyinfra("-y")
    entries = project.journal()
    unchanged = {"Host | guest keep", STARTED[-1], "Guest | pip tools", PROVISIONED[-1], NAMES[1],
                 NAMES[-1], SERVED[-1], *NO_MORE, OPERATED[1], NO_BACKUPS[-1]}  # fmt: skip
    barriers = {*REACHABLE, *COMPLETE, *BACK, *OPEN}
    changed = [name for name in operations(done.stderr) if name not in unchanged | barriers]
    assert [entry["did"] for entry in entries] == changed
    assert {entry["machine"] for entry in entries if entry["did"][:5] == "Guest"} == {"@fake/guest"}
    assert {len(entry["model"]) for entry in entries} == {64}


def test_a_plan_changes_nothing_and_shows_a_guest_that_is_not_there_yet(project: Project) -> None:
    project.inventory(guest="@tart/keep")
    project.answers({"vms": "[]", "link keep": "", "size keep": ["", 2]})
    done = project.pyinfra("--dry")
    assert done.returncode == 0, done.stderr[-3000:]
    assert project.commands() == []
    assert project.journal() == []
    for name in [*PREPARED, *CLOSED, "Host | guest keep", *PROVISIONED, *SNAPSHOT, *DOORS, *NAMES]:
        assert name in done.stderr


def test_a_guest_that_does_not_start_ends_the_run_with_its_first_cause_and_no_traceback(
    project: Project,
) -> None:
    project.inventory(guest="@tart/keep")
    project.answers({"vms": '[{"Name": "keep", "State": "stopped", "Disk": 50}]'})
    done = project.pyinfra("-y")
    assert done.returncode == 1
    assert "the guest keep is not running; a whole `clawkeep apply` builds and" in done.stderr
    assert "~/Library/Logs/clawkeep/keep.log says:" in done.stderr
    assert "Traceback" not in done.stderr
    assert operations(done.stderr)[-1] == REACHABLE[0]


def test_a_second_run_at_the_same_time_leaves_with_the_holders_pid(
    project: Project, faults: Faults
) -> None:
    folder = project.folder / "state" / "@fake_mac"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        done = project.pyinfra("-y")
        assert done.returncode == 75
        assert f"another run is at work (pid {os.getpid()})" in done.stderr
        assert project.commands() == []
    assert project.pyinfra("--dry").returncode == 0
    says = "exit 75 with the holder's pid, nothing done; a plan runs all the same"
    faults.show("two-runs", "a lock that another process holds", says)
    # The file is left, as a crash leaves it; the lock went with its process.
    assert project.pyinfra("-y").returncode == 0
    faults.show("two-runs", "a lock file that a crash left", "the next run takes it and succeeds")


# --- the real inventory


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("services:\n  - name: nas\n    prot: 18022\n", "allowlist.yml:3:5: unknown key 'prot'"),
        ("services:\n  - name: nas\n\tport: 1\n", "allowlist.yml:3:1: "),
        ("", "allowlist.yml"),
    ],
)
def test_a_mistake_in_the_allowlist_ends_the_run_with_2_before_anything_is_connected(
    tmp_path: Path, text: str, problem: str
) -> None:
    project = lay_out(tmp_path, real_inventory=True)
    (tmp_path / "allowlist.yml").write_text(text)
    done = project.pyinfra("-y", CLAWKEEP_HOST="me@127.0.0.1:1")
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Connecting to hosts" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_group_data_ends_the_run_with_2(tmp_path: Path) -> None:
    project = lay_out(tmp_path, real_inventory=True)
    (tmp_path / "group_data" / "all.py").write_text('guest = {\n    "cpus": 4,\n}\n')
    done = project.pyinfra("-y", CLAWKEEP_HOST="me@127.0.0.1:1")
    assert done.returncode == 2
    assert "all.py:2:13: guest: unknown key 'cpus'; did you mean 'cpu'?" in done.stderr


def test_without_a_mac_or_a_lab_the_run_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    if os.uname().sysname == "Darwin":
        pytest.skip("a Mac is its own host")
    done = lay_out(tmp_path, real_inventory=True).pyinfra("-y")
    assert done.returncode == 2
    assert "set CLAWKEEP_HOST=user@mac, or start the lab: make up" in done.stderr
    assert "Connecting to hosts" not in done.stderr


def test_a_mac_that_cannot_be_reached_is_a_failure(tmp_path: Path) -> None:
    project = lay_out(tmp_path, real_inventory=True)
    done = project.pyinfra("-y", CLAWKEEP_HOST="me@127.0.0.1:1")
    assert done.returncode == 1
    assert "Connecting to hosts" in done.stderr
