"""What a hostile guest may send instead of its files: every answer ends, in a sentence."""

from __future__ import annotations

import ast
import io
import json
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.backup import pipe, reader
from clawkeep.backup.errors import BackupError
from clawkeep.backup.records import Again, Begin, Done, Piece, Remark
from tests.unit.backup.world import feed, said, tree

END = b'{"k":"end"}\n'


def entry(**values: object) -> bytes:
    data = {"k": "folder", "source": "agent", "path": "", "mode": 0o700, "mtime": 1.5, **values}
    return json.dumps(data).encode() + b"\n"


def test_the_control_a_good_answer_is_believed() -> None:
    file = entry(k="file", path="a")
    good = entry() + file + b'{"k":"data","n":3}\nabc{"k":"done"}\n' + END
    assert [type(r) for r in said(good)] == [Begin, Begin, Piece, Done]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"Welcome to macOS\n",
        b"[]\n",
        END,
        entry(),
        entry(path="../x") + END,
        entry(path="/etc/passwd") + END,
        entry(path="a//b") + END,
        entry(path="a/./b") + END,
        entry(path="a\0b") + END,
        entry(path="x" * 5000) + END,
        entry(source="host") + END,
        entry(source="../agent") + END,
        entry(k="device", path="x") + END,
        entry(k="file") + END,
        entry(mode=0o4755) + END,
        entry(mode=True) + END,
        entry(mode="700") + END,
        entry(mtime="now") + END,
        entry(path="b") + entry(path="a") + END,
        entry(path="a") + entry(path="a") + END,
        entry(k="link", path="l", target="a\0b") + END,
        entry(k="link", path="l", target="\ud800") + END,
        entry(path="\ud800") + END,
        entry(mtime=1e300) + END,
        entry(mtime=float("nan")) + END,
        entry(mtime=float("inf")) + END,
        b"[" * 100_000 + b"\n",
        entry(k="file", path="a") + END,
        entry(k="file", path="a") + b'{"k":"data","n":-1}\n' + END,
        entry(k="file", path="a") + b'{"k":"data","n":99999999999}\n' + END,
        entry(k="file", path="a") + b'{"k":"data","n":100}\nabc',
        entry(k="file", path="a") + b'{"k":"done","sqlite":{"check":1}}\n' + END,
        entry(k="file", path="a") + b'{"k":"done","sqlite":[]}\n' + END,
    ],
)
def test_what_no_reader_sends_is_refused(answer: bytes) -> None:
    with pytest.raises(BackupError, match=r"^guest: "):
        said(answer)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_at_all_end_in_a_sentence(answer: bytes) -> None:
    with pytest.raises(BackupError, match=r"^guest: "):
        said(answer)


def test_more_than_was_declared_is_an_error() -> None:
    file = entry(k="file", path="a") + b'{"k":"data","n":3}\nabc' * 4 + b'{"k":"done"}\n'
    most = 12 + 3 * 256  # Three lines that are no content.
    assert said(entry() + file + END, most=most)
    with pytest.raises(BackupError, match="max_gb"):
        said(entry() + file + END, most=most - 1)
    with pytest.raises(BackupError, match="max_gb"):
        said(entry() + b'{"k":"failed"}\n' * 100 + END, most=most)


def test_a_line_without_end_and_silence_are_errors() -> None:
    with pytest.raises(BackupError, match="without end"):
        said(b"x" * (3 << 20))
    read, write = os.pipe()
    with (
        os.fdopen(read, "rb"),
        os.fdopen(write, "wb"),
        pytest.raises(BackupError, match="nothing came"),
    ):
        pipe.Pipe(read, "guest", silent_s=0.1).line()


def test_what_a_guest_says_reaches_no_terminal_as_it_is() -> None:
    line = json.dumps({"k": "failed", "source": "agent", "path": "\x1b[2Jx", "why": "\u202e"})
    (remark,) = said(line.encode() + b"\n" + END)
    assert isinstance(remark, Remark)
    assert remark.problem
    assert "\x1b" not in remark.text
    assert "\u202e" not in remark.text


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tree(tmp_path / "state")


def paths(state: Path) -> list[str]:
    return [r.entry.path for r in feed(state) if isinstance(r, Begin)]


def remarks(state: Path) -> list[Remark]:
    return [r for r in feed(state) if isinstance(r, Remark)]


def test_no_link_is_followed(state: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    (state / "groups/main/away").symlink_to(tmp_path / "outside")
    (state / "groups/main/file").symlink_to(tmp_path / "outside/secret")
    found = {r.entry.path: r.entry for r in feed(state) if isinstance(r, Begin)}
    assert found["groups/main/away"].kind == found["groups/main/file"].kind == "link"
    assert not any("secret" in path for path in found)


def test_what_is_neither_file_nor_folder_is_left_out(state: Path) -> None:
    os.mkfifo(state / "groups/fifo")
    assert [(r.text, r.problem) for r in remarks(state)] == [
        ("agent:groups/fifo: left out, neither file nor folder", False)
    ]


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    (remark,) = remarks(tmp_path / "nothing")
    assert not remark.problem
    assert "there is no" in remark.text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to read as")
def test_what_cannot_be_read_is_named_and_the_rest_is_kept(state: Path, tmp_path: Path) -> None:
    (state / "groups/main/CLAUDE.md").chmod(0)
    for path in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(path.stat().st_mode) & 0o005 != 0o005 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    os.chown(state, 65534, 65534)
    answer = tmp_path / "answer"
    child = os.fork()
    if not child:
        with answer.open("wb") as out:
            os.setgid(65534)
            os.setuid(65534)
            sending = reader.Reader(out)  # type: ignore[no-untyped-call]
            sending.read({"name": "agent", "root": str(state)})  # type: ignore[no-untyped-call]
            sending.say("end")  # type: ignore[no-untyped-call]
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    found = [r for r in said(answer.read_bytes()) if isinstance(r, Remark)]
    assert [r.text for r in found if r.problem] == [
        "agent:groups/main/CLAUDE.md: cannot be read: Permission denied",
    ]
    assert b'"path":"big"' in answer.read_bytes()


def test_a_file_that_never_stands_still_is_kept_and_named(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = state / "busy"
    busy.write_text("x")
    real = os.read

    def read(handle: int, size: int) -> bytes:
        with busy.open("a") as file:
            file.write("x")
        return real(handle, size)

    monkeypatch.setattr(os, "read", read)
    monkeypatch.setattr(reader, "AGAIN_S", 0)
    out = io.BytesIO()
    sending = reader.Reader(out)  # type: ignore[no-untyped-call]
    sending.read({"name": "agent", "root": str(state), "only": ["busy"]})  # type: ignore[no-untyped-call]
    monkeypatch.undo()
    found = said(out.getvalue() + END)
    assert [type(r) for r in found].count(Again) == 2
    assert [r.note for r in found if isinstance(r, Done)] == [
        "changed while it was read, each time"
    ]


def test_a_database_of_somebody_else_is_not_let_to_sqlite_in_its_place(state: Path) -> None:
    folder = state / "groups/main"
    folder.chmod(0o770)  # Agents write there, too.
    db = sqlite3.connect(folder / "memory.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE kept (x)")
    db.execute("INSERT INTO kept VALUES (1)")
    db.commit()
    (folder / "memory.db-shm").unlink()  # SQLite would make it again.
    done = [r for r in feed(state) if isinstance(r, Done) and r.sqlite]
    assert {"kept": 1} in [r.sqlite.tables for r in done if r.sqlite]
    assert not (folder / "memory.db-shm").exists()
    db.close()


def test_a_file_that_only_begins_like_a_database(state: Path) -> None:
    (state / "store/odd.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert "store/odd.db" in paths(state)
    assert any("SQLite cannot read it" in r.text and r.problem for r in remarks(state))


@pytest.mark.parametrize("name", ["reader", "writer"])
def test_what_runs_in_the_guest_is_python_3_9_and_its_standard_library(name: str) -> None:
    text = (Path(pipe.__file__).parent / f"{name}.py").read_text()
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert imported
    assert {module.partition(".")[0] for module in imported} <= sys.stdlib_module_names
    assert not any(isinstance(n, ast.ImportFrom) for n in ast.walk(tree))
