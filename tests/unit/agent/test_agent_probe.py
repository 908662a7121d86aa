"""What the probe sees in a guest: real files, sockets, databases and processes, made for it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from clawkeep.agent import probe as untyped
from tests.unit.agent.guest_programs import FOLDER

probe: Any = untyped


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("state/data/ipc/main/messages", "state/store", "state/logs/clean", "runs"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("etime", "seconds"), [("00:07", 7), ("01:02:03", 3723), ("2-00:00:01", 172_801)]
)
def test_ages_are_read_as_ps_prints_them(etime: str, seconds: int) -> None:
    assert probe.seconds(etime) == seconds


def test_nanoclaw_is_known_by_its_program_and_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "dist" / "index.js"
    script.parent.mkdir()
    script.write_text("import time; time.sleep(30)")
    other = tmp_path / "agent" / "other.js"
    other.parent.mkdir()
    other.write_text(script.read_text())
    running = [
        subprocess.Popen([sys.executable, str(each)], cwd=tmp_path) for each in (script, other)
    ]
    try:
        monkeypatch.setattr(probe, "LSOF", shutil.which("lsof") or "")
        time.sleep(0.3)
        found = probe.hosts(probe.processes())
        mine = [each for each in found if each["program"] == str(script)]
        assert [each["pid"] for each in mine] == [running[0].pid]
        assert mine[0]["age_s"] < 20
        assert mine[0]["cwd"] == str(tmp_path)
        monkeypatch.setattr(probe, "LSOF", "/nowhere/lsof")
        assert probe.cwd(running[0].pid) == ""
        assert not [each for each in found if each["program"] == str(other)]
    finally:
        for each in running:
            each.kill()
            each.wait()


def test_a_process_of_an_agent_without_a_living_runtime_is_a_stray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me, agent = os.getuid(), 65534

    def process(pid: int, parent: int, uid: int, command: str) -> dict[str, Any]:
        return {"pid": pid, "parent": parent, "uid": uid, "age_s": 1, "command": command}

    table = {
        each["pid"]: each
        for each in (
            process(1, 0, 0, "launchd"),
            process(10, 1, me, "node /opt/nanoclaw/releases/x/dist/index.js"),
            process(11, 10, me, "/usr/bin/python3 -I /usr/local/clawkeep/bin/docker run -i --rm"),
            process(12, 11, 0, "sudo -n -u claw-agent"),
            process(13, 12, agent, "node agent/dist/index.js"),
            process(14, 13, agent, "bash"),
            process(20, 1, agent, "node agent/dist/index.js"),
            process(21, 20, agent, "sleep 1 docker run"),
            process(30, 10, agent, "node"),
            process(40, 41, agent, "loop"),
            process(41, 40, agent, "loop"),
        )
    }
    monkeypatch.setattr(
        probe.pwd, "getpwnam", lambda name: type("Entry", (), {"pw_uid": {"a": agent}[name]})
    )
    assert [each["pid"] for each in probe.strays(table, ["a", "nobody-knows"])] == [
        20,
        21,
        30,
        40,
        41,
    ]


def test_the_loop_is_alive_when_the_message_is_taken_up(root: Path) -> None:
    seen: list[dict[str, Any]] = []

    def nanoclaw() -> None:
        folder = root / "state/data/ipc/clawkeep-probe/messages"
        while not seen:
            for path in folder.glob("*.json"):
                seen.append(json.loads(path.read_text()))
                path.unlink()
            time.sleep(0.01)

    thread = threading.Thread(target=nanoclaw, daemon=True)
    thread.start()
    found = probe.loop(str(root), 5)
    thread.join(5)
    assert found["ok"] is True
    assert seen == [{"type": "clawkeep-probe"}]


def test_a_loop_that_stands_still_leaves_nothing_behind(root: Path) -> None:
    assert probe.loop(str(root), 0.2) == {"ok": False, "waited_s": 0.2}
    assert not list((root / "state/data/ipc/clawkeep-probe/messages").iterdir())


def test_the_channel_answers_with_its_pid(root: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "state/local.sock"))
    listener.listen()

    def nanoclaw() -> None:
        with listener.accept()[0] as sock:
            sock.sendall(b'{"type":"hello","assistant":"Andy","pid":812}\n')
            assert json.loads(sock.recv(100)) == {"type": "ping"}
            sock.sendall(b'{"type":"pong"}\n')

    threading.Thread(target=nanoclaw, daemon=True).start()
    assert probe.channel(str(root))["pid"] == 812
    listener.close()
    assert "ConnectionRefused" in probe.part(probe.channel, str(root))["error"]


def test_waiting_files_and_errors_are_counted_and_aged(root: Path) -> None:
    ipc = root / "state/data/ipc"
    (ipc / "errors").mkdir()
    (ipc / "clawkeep-probe/messages").mkdir(parents=True)
    (ipc / "clawkeep-probe/messages/x.json").write_text("{}")
    (ipc / "available_groups.json").write_text("{}")
    for name, age in (
        ("main/messages/a.json", 30),
        ("main/messages/b.json", 3),
        ("errors/c.json", 60),
    ):
        (ipc / name).write_text("{}")
        os.utime(ipc / name, (time.time() - age, time.time() - age))
    (ipc / "main/messages/half.json.tmp").write_text("")
    found = probe.ipc(str(root))
    assert (found["waiting"], found["errors"]) == (2, 1)
    assert 29 < found["oldest_s"] < 40
    assert 59 < found["newest_error_s"] < 70


@pytest.mark.parametrize("is_main", [True, False], ids=["1.2", "1.1"])
def test_messages_that_nobody_took_up_are_counted_where_an_answer_is_due(
    root: Path, is_main: bool
) -> None:
    database = sqlite3.connect(root / "state/store/messages.db")
    database.executescript(f"""
        CREATE TABLE registered_groups (jid, name, folder, requires_trigger
          {", is_main" if is_main else ""});
        CREATE TABLE messages (id, chat_jid, content, timestamp, is_bot_message);
        CREATE TABLE router_state (key, value);
        CREATE TABLE scheduled_tasks (id, status, next_run);
        INSERT INTO router_state VALUES ('last_agent_timestamp',
          '{{"m": "2026-11-20T10:00:00.000Z"}}');
        INSERT INTO messages VALUES (1, 'm', 'old', '2026-11-20T09:00:00.000Z', 0),
          (2, 'm', 'new', '2026-11-20T10:00:01.000Z', 0),
          (3, 'm', 'own', '2026-11-20T10:00:02.000Z', 1),
          (4, 'm', '', '2026-11-20T10:00:00.500Z', 0),
          (5, 'needs a trigger', 'x', '2026-11-20T08:00:00.000Z', 0),
          (6, 'free', 'x', '2026-11-20T10:00:03.000Z', 0);
        INSERT INTO scheduled_tasks VALUES (1, 'active', '2020-01-01T00:00:00.000Z'),
          (2, 'active', '2999-01-01T00:00:00.000Z'), (3, 'paused', '2020-01-01T00:00:00.000Z');
    """)  # fmt: skip
    main = ["m", "Main", "main" if not is_main else "boss", 1]
    row = "?, ?, ?, ?" + (", ?" if is_main else "")
    for values, flag in (
        (main, 1),
        (["needs a trigger", "x", "x", 1], 0),
        (["free", "y", "y", 0], 0),
    ):
        database.execute(
            f"INSERT INTO registered_groups VALUES ({row})", values + ([flag] if is_main else [])
        )
    database.commit()
    database.close()
    assert probe.queue(str(root)) == {
        "waiting": 2, "oldest": "2026-11-20T10:00:01.000Z", "tasks": 2, "due": 1,
    }  # fmt: skip


def test_a_database_that_is_not_there_is_not_made(root: Path) -> None:
    assert "error" in probe.part(probe.queue, str(root))
    assert not list((root / "state/store").iterdir())


def test_the_last_results_are_read_over_a_rotation(root: Path) -> None:
    logs = root / "state/logs"
    (logs / "runtime.jsonl.1").write_text('{"event":"result","t":1}\n{"event":"start","t":1}\n')
    (logs / "runtime.jsonl").write_text('{"event":"result","t":2}\nnot "result" json\n["result"]\n')
    (root / "state/credentials").write_text("{}")
    os.utime(root / "state/credentials", (5, 5))
    found = probe.results(str(root))
    assert [each["t"] for each in found["last"]] == [1, 2]
    assert found["credentials_changed"] == 5


def test_runs_are_asked_of_the_runtime_and_unknown_folders_are_named(root: Path) -> None:
    runtime = root / "docker"
    runtime.write_text("#!/bin/sh\n[ \"$*\" = 'ps --format json' ] || exit 64\n"
                       "echo '{\"Names\":\"nanoclaw-main-1\",\"Pid\":7}'\n")  # fmt: skip
    runtime.chmod(0o755)
    for name in ("nanoclaw-main-1", "nanoclaw-old-2", ".new-x", ".claw-agent.lock"):
        (root / "runs" / name).mkdir()
    found = probe.runs(str(root), str(runtime))
    assert (found["count"], found["left"]) == (1, ["nanoclaw-old-2"])
    runtime.write_text("#!/bin/sh\necho no settings >&2; exit 125\n")
    assert (
        "exit status 125: no settings" in probe.part(probe.runs, str(root), str(runtime))["error"]
    )


def test_one_answer_comes_whatever_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = {"root": str(tmp_path), "label": "l", "log_label": "ll", "local": True,
                "wait_s": 0.1,
                "runtime": str(tmp_path / "docker"), "users": ["nobody-knows"]}  # fmt: skip
    probe.main(json.dumps(question))
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) == {
        "now", "release", "job", "log_job", "channel", "log", "results", "ipc", "queue", "runs",
        "hosts", "strays", "loop",
    }  # fmt: skip
    assert all("error" in facts[name] for name in ("release", "job", "log", "ipc", "queue", "runs"))


@pytest.mark.parametrize(
    "path",
    [
        *(FOLDER / f"{name}.py" for name in
          ("channel", "logclean", "logcollect", "lograw", "logs", "logstore")),
        *(Path(untyped.__file__).with_name(name) for name in ("probe.py", "speak.py")),
    ],
    ids=lambda path: path.name,
)  # fmt: skip
def test_it_needs_nothing_newer_than_the_guests_python(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    nodes = list(ast.walk(tree))
    caught = {name.id for node in nodes if isinstance(node, ast.ExceptHandler)
              for name in ast.walk(node) if isinstance(name, ast.Name)}  # fmt: skip
    assert "TimeoutError" not in caught
    assert not any(word.arg == "strict" for node in nodes if isinstance(node, ast.Call)
                   for word in node.keywords)  # fmt: skip
