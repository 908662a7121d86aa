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
from clawkeep.agent import probe_processes, probe_state
from clawkeep.agent.gather import PROBE
from clawkeep.agent.program import program as sent_program
from tests.unit.agent.guest_programs import FOLDER

probe: Any = untyped
processes: Any = probe_processes
state: Any = probe_state


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("state/data/ipc/main/messages", "state/store", "state/logs/clean", "runs"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("etime", "seconds"), [("00:07", 7), ("01:02:03", 3723), ("2-00:00:01", 172_801)]
)
def test_ages_are_read_as_ps_prints_them(etime: str, seconds: int) -> None:
    assert processes.seconds(etime) == seconds


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
        monkeypatch.setattr(processes, "LSOF", shutil.which("lsof") or "")
        time.sleep(0.3)
        found = processes.hosts(processes.processes(), str(tmp_path), [])
        mine = [each for each in found if each["program"] == str(script)]
        assert [each["pid"] for each in mine] == [running[0].pid]
        assert mine[0]["age_s"] < 20
        assert mine[0]["cwd"] == str(tmp_path)
        monkeypatch.setattr(processes, "LSOF", "/nowhere/lsof")
        assert processes.cwd(running[0].pid) == ""
        assert not [each for each in found if each["program"] == str(other)]
    finally:
        for each in running:
            each.kill()
            each.wait()


def entry(pid: int, parent: int, uid: int, command: str) -> dict[str, Any]:
    return {"pid": pid, "parent": parent, "uid": uid, "age_s": 1, "command": command}


def test_a_second_nanoclaw_is_found_however_it_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me, agent, root = os.getuid(), 65534, "/opt/nanoclaw"
    table = {
        each["pid"]: each
        for each in (
            entry(10, 1, me, f"node {root}/releases/x/dist/index.js"),
            entry(11, 1, me, "node --enable-source-maps dist/index.js"),
            entry(12, 1, me + 7, f"node {root}/current/dist/index.js"),
            entry(13, 1, me, "/opt/homebrew/bin/node --import tsx src/index.ts"),
            entry(14, 1, me, f"sqlite3 {root}/state/store/messages.db"),
            entry(15, 1, me + 7, "node /Users/somebody/tool/dist/index.js"),
            entry(16, 1, agent, f"node {root}/releases/x/agent/dist/index.js"),
            entry(17, 1, me, "tail -f dist/index.js.log"),
            entry(18, 1, me, "/usr/bin/python3 -I /usr/local/clawkeep/bin/docker run -i"),
        )
    }
    folders = {10: f"{root}/releases/x", 11: "/Users/claw/mine"}
    monkeypatch.setattr(processes, "uids", lambda users: {agent: "claw-agent"})
    monkeypatch.setattr(processes, "openers", lambda path: {10, 11, 13, 14, 99})
    monkeypatch.setattr(processes, "cwd", lambda pid: folders.get(pid, ""))
    monkeypatch.setattr(processes, "connections", lambda pid: 1)
    found = {each["pid"]: each["program"] for each in processes.hosts(table, root, ["claw-agent"])}
    assert found == {
        10: f"{root}/releases/x/dist/index.js",
        11: "/Users/claw/mine/dist/index.js",
        12: f"{root}/current/dist/index.js",
        13: "/opt/homebrew/bin/node --import tsx src/index.ts",
    }


def test_who_has_the_database_open_is_known_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.db"
    monkeypatch.setattr(processes, "LSOF", shutil.which("lsof") or "")
    with path.open("w"):
        assert os.getpid() in processes.openers(str(path))
    assert processes.openers(str(path)) == set()
    assert processes.openers(str(tmp_path / "none")) == set()


def test_connections_are_those_that_leave_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LSOF", shutil.which("lsof") or "")
    before = processes.connections(os.getpid())
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()):
        assert processes.connections(os.getpid()) == before
    said = (
        "p7\nf3\nn192.168.64.2:50000->192.168.64.1:3128\nf4\nn127.0.0.1:1->127.0.0.1:2\nf5\nn*:80\n"
    )
    monkeypatch.setattr(processes, "run", lambda command: (0, said, ""))
    assert processes.connections(7) == 1
    monkeypatch.setattr(processes, "run", lambda command: (1, "", ""))
    assert processes.connections(7) == 0
    monkeypatch.setattr(processes, "run", lambda command: (1, "", "lsof: no pwd entry"))
    assert processes.connections(7) is None


def test_only_a_stray_that_stays_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = os.getuid()
    name = processes.pwd.getpwuid(agent).pw_name
    stays, goes = (subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) for _ in "ab")
    monkeypatch.setattr(processes, "MOMENT_S", 0)
    monkeypatch.setattr(processes, "SHOWN", 10**6)
    try:
        table = processes.processes()
        assert {stays.pid, goes.pid} <= {each["pid"] for each in processes.strays(table, [name])}
        goes.kill()
        goes.wait()
        found = {each["pid"] for each in processes.lasting_strays(table, [name])}
        assert stays.pid in found
        assert goes.pid not in found
    finally:
        for each in (stays, goes):
            each.kill()
            each.wait()


def test_a_process_of_an_agent_without_a_living_runtime_is_a_stray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me, agent = os.getuid(), 65534

    table = {
        each["pid"]: each
        for each in (
            entry(1, 0, 0, "launchd"),
            entry(10, 1, me, "node /opt/nanoclaw/releases/x/dist/index.js"),
            entry(11, 10, me, "/usr/bin/python3 -I /usr/local/clawkeep/bin/docker run -i --rm"),
            entry(12, 11, 0, "sudo -n -u claw-agent"),
            entry(13, 12, agent, "node agent/dist/index.js"),
            entry(14, 13, agent, "bash"),
            entry(20, 1, agent, "node agent/dist/index.js"),
            entry(21, 20, agent, "sleep 1 docker run"),
            entry(30, 10, agent, "node"),
            entry(40, 41, agent, "loop"),
            entry(41, 40, agent, "loop"),
        )
    }
    monkeypatch.setattr(
        processes.pwd, "getpwnam", lambda name: type("Entry", (), {"pw_uid": {"a": agent}[name]})
    )
    assert [each["pid"] for each in processes.strays(table, ["a", "nobody-knows"])] == [
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
    found = state.ipc(str(root))
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
    assert state.queue(str(root)) == {
        "waiting": 2, "oldest": "2026-11-20T10:00:01.000Z", "tasks": 2, "due": 1,
    }  # fmt: skip


def test_a_database_that_is_not_there_is_not_made(root: Path) -> None:
    assert "error" in probe.part(state.queue, str(root))
    found = probe.part(state.database, str(root))
    assert found["error"].startswith("OperationalError: unable to open")
    assert not list((root / "state/store").iterdir())


def test_a_database_is_looked_through_as_far_as_time_allows(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "state/store/messages.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, content UNIQUE)")
        database.executemany(
            "INSERT INTO messages (content) VALUES (?)", ((f"{n:0500}",) for n in range(9000))
        )
    database.close()
    assert state.database(str(root)) == {"messages": 9000, "check": "ok"}
    monkeypatch.setattr(state, "CHECK_S", 0)
    assert state.database(str(root)) == {"messages": 9000, "check": "too large"}
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = b"\x5a" * 20_000
    path.write_bytes(data)
    damaged = probe.part(state.database, str(root))
    assert damaged.get("check") not in {"ok", "too large"}
    path.write_text("this is no database at all, but long enough to be looked at" * 20)
    assert "DatabaseError" in probe.part(state.database, str(root))["error"]


def test_the_last_results_are_read_over_a_rotation(root: Path) -> None:
    logs = root / "state/logs"
    (logs / "runtime.jsonl.1").write_text('{"event":"result","t":1}\n{"event":"start","t":1}\n')
    (logs / "runtime.jsonl").write_text('{"event":"result","t":2}\nnot "result" json\n["result"]\n')
    (root / "state/credentials").write_text("{}")
    os.utime(root / "state/credentials", (5, 5))
    found = state.results(str(root))
    assert [each["t"] for each in found["last"]] == [1, 2]
    assert found["credentials_changed"] == 5


def test_runs_are_asked_of_the_runtime_and_unknown_folders_are_named(root: Path) -> None:
    runtime = root / "docker"
    runtime.write_text("#!/bin/sh\n[ \"$*\" = 'ps --format json' ] || exit 64\n"
                       "echo '{\"Names\":\"nanoclaw-main-1\",\"Pid\":7}'\n")  # fmt: skip
    runtime.chmod(0o755)
    for name in ("nanoclaw-main-1", "nanoclaw-old-2", ".new-x", ".claw-agent.lock"):
        (root / "runs" / name).mkdir()
    found = state.runs(str(root), str(runtime))
    assert (found["count"], found["left"]) == (1, ["nanoclaw-old-2"])
    runtime.write_text("#!/bin/sh\necho no settings >&2; exit 125\n")
    assert (
        "exit status 125: no settings" in probe.part(state.runs, str(root), str(runtime))["error"]
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
        "now", "release", "job", "log_job", "channel", "log", "results", "ipc", "database", "queue",
        "runs", "hosts", "strays", "loop",
    }  # fmt: skip
    assert all("error" in facts[name] for name in ("release", "job", "log", "ipc", "queue", "runs"))


def test_it_is_one_program_for_a_bare_python(tmp_path: Path) -> None:
    question = {"root": f"{tmp_path}/\u2028\0'", "label": "l", "log_label": "ll", "local": True,
                "wait_s": 0.1, "runtime": str(tmp_path / "docker"), "users": []}  # fmt: skip
    program = sent_program([f"agent.{name}" for name in PROBE], question)
    assert program.isascii()
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=program, capture_output=True, check=True, text=True,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert json.loads(done.stdout)["now"] > 0


@pytest.mark.parametrize(
    "path",
    [
        *(FOLDER / f"{name}.py" for name in
          ("channel", "logclean", "logcollect", "lograw", "logs", "logstore")),
        *(Path(untyped.__file__).with_name(f"{name}.py") for name in (*PROBE, "speak")),
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
