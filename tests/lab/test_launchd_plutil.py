"""plutil, and the parts of launchd that need no machine: dates and the auto-login password."""

import json
import plistlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from lab.mac.launchd import caffeinate, calendar, describe, passwords, plutil, session

PLUTIL = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> PLUTIL:
    def call(*argv: str) -> tuple[int, str, str]:
        status = plutil.main(["plutil", *argv])
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.plist"
    path.write_bytes(plistlib.dumps({"Label": "x", "On": True, "List": ["a", 2], "D": {"k": "v"}}))
    return path


def test_lint_says_ok_and_is_the_default(run: PLUTIL, file: Path) -> None:
    assert run("-lint", str(file)) == (0, f"{file}: OK\n", "")
    assert run(str(file)) == (0, f"{file}: OK\n", "")


def test_lint_of_broken_xml_names_the_line_and_exits_1(run: PLUTIL, tmp_path: Path) -> None:
    path = tmp_path / "broken.plist"
    path.write_text('<?xml version="1.0"?>\n<plist>\n<dict>\n<key>a</dict></plist>')
    status, out, err = run("-lint", str(path))
    assert (status, out) == (1, "")
    assert "line 4" in err


def test_lint_of_a_missing_file_exits_1(run: PLUTIL, tmp_path: Path) -> None:
    status, _out, err = run("-lint", str(tmp_path / "none"))
    assert status == 1
    assert "file does not exist or is not readable" in err


def test_convert_writes_over_the_file(run: PLUTIL, file: Path) -> None:
    assert run("-convert", "binary1", str(file)) == (0, "", "")
    assert file.read_bytes().startswith(b"bplist00")
    assert run("-convert", "json", "-o", "-", str(file)) == (
        0,
        '{"D":{"k":"v"},"Label":"x","List":["a",2],"On":true}',
        "",
    )
    assert run("-convert", "xml1", str(file))[0] == 0
    assert file.read_bytes().startswith(b"<?xml")


def test_json_becomes_a_property_list(run: PLUTIL, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": [1, true]}')
    assert run("-convert", "xml1", str(path))[0] == 0
    assert plistlib.loads(path.read_bytes()) == {"a": [1, True]}


def test_extract_follows_a_keypath(run: PLUTIL, file: Path) -> None:
    assert run("-extract", "List.0", "raw", str(file)) == (0, "a\n", "")
    assert run("-extract", "D", "raw", str(file)) == (0, "k\n", "")
    assert run("-extract", "On", "raw", "-o", "-", str(file)) == (0, "true\n", "")
    status, _out, err = run("-extract", "Nope", "raw", str(file))
    assert status == 1
    assert "No value at that key path" in err


def test_replace_insert_and_remove_edit_the_file(run: PLUTIL, file: Path) -> None:
    assert run("-replace", "D.k", "-string", "w", str(file))[0] == 0
    assert run("-insert", "New", "-json", '{"n": 1}', str(file))[0] == 0
    assert run("-remove", "List", str(file))[0] == 0
    assert run("-insert", "New", "-integer", "1", str(file))[0] == 1
    assert plistlib.loads(file.read_bytes()) == {
        "Label": "x",
        "On": True,
        "D": {"k": "w"},
        "New": {"n": 1},
    }


def test_p_prints_for_people(run: PLUTIL, file: Path) -> None:
    assert run("-p", str(file))[1] == (
        '{\n  "D" => {\n    "k" => "v"\n  }\n  "Label" => "x"\n'
        '  "List" => [\n    0 => "a"\n    1 => 2\n  ]\n  "On" => true\n}\n'
    )


def test_a_bad_call_exits_1(run: PLUTIL) -> None:
    assert run("-frobnicate", "x")[0] == 1
    assert run("-lint")[0] == 1


NOON = datetime(2026, 11, 21, 12, 0, 30)  # a Saturday


@pytest.mark.parametrize(
    ("entry", "due"),
    [
        ({"Minute": 5}, "2026-11-21 12:05"),
        ({"Hour": 3, "Minute": 0}, "2026-11-22 03:00"),
        ({}, "2026-11-21 12:01"),
        ({"Weekday": 0, "Hour": 4, "Minute": 0}, "2026-11-22 04:00"),
        ({"Weekday": 7, "Hour": 4, "Minute": 0}, "2026-11-22 04:00"),
        ({"Day": 1, "Hour": 4, "Minute": 0}, "2026-12-01 04:00"),
        ({"Day": 1, "Weekday": 1, "Hour": 4, "Minute": 0}, "2026-11-23 04:00"),
        ({"Month": 2, "Day": 29, "Hour": 0, "Minute": 0}, "2028-02-29 00:00"),
    ],
)
def test_a_calendar_interval_is_due_next_at(entry: dict[str, int], due: str) -> None:
    """Missing fields are wildcards, Day and Weekday are ORed. Source: reference/macos.md §4.1."""
    assert calendar.next_of(entry, NOON) == datetime.fromisoformat(due)


def test_the_31st_of_february_never_comes() -> None:
    assert calendar.next_due([{"Month": 2, "Day": 31}], NOON) is None


def test_kcpassword_is_decoded_up_to_the_nul_garbage_or_not() -> None:
    """The bytes of the images' own file. Source: reference/macos.md §5."""
    assert session.decode_kcpassword(bytes.fromhex("1ced3f4abcbcba2ccaca4e82")) == "admin"


def test_passwords_are_checked_against_crypt_hashes() -> None:
    hashed = (
        "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iw"
        "MuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."
    )
    assert passwords.matches("password", hashed)
    assert not passwords.matches("Password", hashed)
    assert not passwords.matches("password", "*")
    assert not passwords.matches("", "!")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (None, "last exit code = (never exited)"),
        (0, "last exit code = 0"),
        (78 << 8, "last exit code = 78: EX_CONFIG"),
        (9, "last terminating signal = Killed: 9"),
        (15, "last terminating signal = Terminated: 15"),
    ],
)
def test_print_tells_how_the_last_run_ended(status: int | None, line: str) -> None:
    assert describe.last_exit(status) == line


def test_caffeinate_t_ends_by_itself() -> None:
    assert caffeinate.main(["caffeinate", "-dis", "-t", "0"]) == 0
    assert caffeinate.main(["caffeinate", "-x"]) == 1


def test_every_registered_command_has_its_main() -> None:
    folder = Path(calendar.__file__).parents[1]
    registered = json.loads((folder / "commands/launchd.json").read_text())
    for entry in registered.values():
        module = entry["module"] if isinstance(entry, dict) else entry
        assert (folder / f"{module.replace('.', '/')}.py").exists()
    assert sorted(registered) == [
        "/bin/launchctl",
        "/sbin/halt",
        "/sbin/reboot",
        "/sbin/shutdown",
        "/usr/bin/caffeinate",
        "/usr/bin/plutil",
    ]
