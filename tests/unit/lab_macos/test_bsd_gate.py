"""The BSD userland: what a Mac refuses is refused, what it accepts works.

The gate runs here outside a lab, over this machine's GNU programs. Expected texts and statuses are
those of file_cmds-457.100.3, shell_cmds-326 and text_cmds-195 (macOS 15.4).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BSD = Path(__file__).parents[3] / "lab/mac/bsd"
pytestmark = pytest.mark.skipif(
    not (shutil.which("dash") and sys.platform == "linux"), reason="the gate is a dash script"
)


class Userland:
    """Runs BSD commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.links = folder / ".bin"
        self.links.mkdir()
        (folder / "f").write_text("one\n")
        (folder / "f").chmod(0o640)

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        link = self.links / words[0]
        if not link.exists():
            link.symlink_to(BSD / "gate")
        environment = {
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            "LC_ALL": "C",
            "TMPDIR": str(self.folder),
            "LAB_BSD": str(BSD),
            "LAB_LINUX": "/usr/bin",
            "LAB_PYTHON": sys.executable,
            "LAB_FOLDERS": "/nonexistent",
            "LAB_MACHINE": "/nonexistent",
        }
        return subprocess.run(
            [str(link), *words[1:]],
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def bsd(tmp_path: Path) -> Userland:
    return Userland(tmp_path)


@pytest.mark.parametrize(
    ("command", "status", "complaint"),
    [
        ("stat -c %a f", 1, "stat: illegal option -- c"),
        ("date -d yesterday", 1, "date: illegal option -- d"),
        ("cp --parents f g", 64, "cp: illegal option -- -"),
        ("mv --backup f g", 64, "mv: illegal option -- -"),
        ("ln -T f g", 1, "ln: illegal option -- T"),
        ("install -t . f", 64, "install: illegal option -- t"),
        ("chmod --reference=f f", 1, "chmod: illegal option -- -"),
        ("grep -P x f", 2, "grep: invalid option -- P"),
        ("sort --parallel=2 f", 2, "sort: unrecognized option `--parallel=2'"),
        ("xargs -d , echo", 1, "xargs: invalid option -- d"),
        ("ls --group-directories-first", 1, "ls: unrecognized option `--group-directories-first'"),
        ("find -name f", 1, "find: illegal option -- n"),
        ("find . -printf %p", 1, "find: -printf: unknown primary or operator"),
        ("base64 f", 64, "base64: invalid argument f"),
        ("base64 --ignore-garbage", 64, "base64: unrecognized option `--ignore-garbage'"),
        ("readlink -e f", 1, "readlink: illegal option -- e"),
        ("realpath -m f", 1, "realpath: illegal option -- m"),
        ("tail --pid=1 f", 1, "tail: unrecognized option `--pid=1'"),
        ("du --max-depth=1", 64, "du: unrecognized option `--max-depth=1'"),
        ("ps --sort=pid", 1, "ps: illegal option -- -"),
        ("env --unset=X true", 1, "env: illegal option -- -"),
        ("touch -d yesterday f", 1, ("touch: out of range or illegal time specification: "
         "YYYY-MM-DDThh:mm:SS[.frac][tz]")),
        ("tar --transform=s/a/b/ -cf x f", 1, "tar: Option --transform is not supported"),
        ("mktemp --suffix=.txt", 1, "mktemp: unrecognized option `--suffix=.txt'"),
    ],
)  # fmt: skip
def test_what_a_mac_refuses_is_refused(
    bsd: Userland, command: str, status: int, complaint: str
) -> None:
    done = bsd(*command.split())
    assert done.stderr.splitlines()[0] == complaint
    assert done.returncode == status
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%Lp", "640\n"),
        ("%p", "100640\n"),
        ("%Mp%03Lp", "0640\n"),
        ("%Sp", "-rw-r-----\n"),
        ("%SHp", "rw-\n"),
        ("%HT", "Regular File\n"),
        ("%z %N", "4 f\n"),
        ("%N%SY", "f\n"),
        ("%-6z|", "4     |\n"),
        ("a%nb%t%%", "a\nb\t%\n"),
        ("%l", "1\n"),
    ],
)
def test_stat_formats_are_bsds(bsd: Userland, form: str, expected: str) -> None:
    done = bsd("stat", "-f", form, "f")
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


def test_stat_shows_links_and_times(bsd: Userland) -> None:
    os.utime(bsd.folder / "f", (0, 1_700_000_000))
    (bsd.folder / "l").symlink_to("f")
    assert bsd("stat", "-f", "%N%SY %Y %HT", "l").stdout == "l -> f f Symbolic Link\n"
    assert bsd("stat", "-f", "%m", "f").stdout == "1700000000\n"
    assert bsd("stat", "-L", "-f", "%HT", "l").stdout == "Regular File\n"
    assert bsd("stat", "-f", "%Sm", "-t", "%Y-%m-%d", "f").stdout == "2023-11-14\n"
    assert bsd("stat", "-f", "%Sm", "f").stdout == "Nov 14 22:13:20 2023\n"


def test_stat_of_setuid_and_sticky_modes(bsd: Userland) -> None:
    (bsd.folder / "f").chmod(0o4755)
    assert bsd("stat", "-f", "%Lp %Mp %p %A", "f").stdout == "755 4 104755 4755\n"


def test_stat_of_a_missing_file(bsd: Userland) -> None:
    done = bsd("stat", "-f", "%z", "nope")
    assert done.stderr == "stat: nope: stat: No such file or directory\n"
    assert done.returncode == 1


def test_stat_refuses_a_bad_format(bsd: Userland) -> None:
    done = bsd("stat", "-f", "%y", "f")
    assert done.returncode == 1
    assert done.stderr == "stat: %y: bad format\n"


def test_sed_takes_the_next_word_as_suffix(bsd: Userland) -> None:
    assert bsd("sed", "-i", "s/one/two/", "f").returncode == 1
    assert (bsd.folder / "f").read_text() == "one\n"
    assert bsd("sed", "-i", "", "s/one/two/", "f").returncode == 0
    assert (bsd.folder / "f").read_text() == "two\n"
    assert bsd("sed", "-i.bak", "s/two/three/", "f").returncode == 0
    assert (bsd.folder / "f.bak").read_text() == "two\n"


def test_sed_knows_no_gnu_operators_in_basic_expressions(bsd: Userland) -> None:
    assert bsd("sed", r"s/a\+/X/", stdin="aab\n").stdout == "aab\n"
    assert bsd("sed", "-E", "s/a+/X/", stdin="aab\n").stdout == "Xb\n"
    assert bsd("sed", "$a text", stdin="x\n").returncode == 1


def test_options_after_operands_are_operands(bsd: Userland) -> None:
    (bsd.folder / "d").mkdir()
    assert bsd("cp", "d", "e", "-R").returncode != 0
    assert bsd("cp", "-R", "d", "e").returncode == 0


def test_wc_pads_its_counts(bsd: Userland) -> None:
    assert bsd("wc", "-l", stdin="a\nb\n").stdout == "       2\n"
    assert bsd("wc", "f").stdout == "       1       1       4 f\n"


def test_xargs_runs_nothing_without_input(bsd: Userland) -> None:
    assert bsd("xargs", "echo", "ran", stdin="").stdout == ""
    assert bsd("xargs", "-n", "1", "echo", stdin="a b").stdout == "a\nb\n"


def test_base64_both_ways(bsd: Userland) -> None:
    assert bsd("base64", stdin="hello").stdout == "aGVsbG8=\n"
    assert bsd("base64", "-D", stdin="aGVsbG8=\n").stdout == "hello"
    assert bsd("base64", "-i", "f", "-o", "out").returncode == 0
    assert (bsd.folder / "out").read_text() == "b25lCg==\n"
    long = bsd("base64", stdin="x" * 100).stdout
    assert long.count("\n") == 1


def test_mktemp_replaces_trailing_xs_only(bsd: Userland) -> None:
    made = bsd("mktemp", "-d", "dir.XXXXXX").stdout.strip()
    assert (bsd.folder / made).stat().st_mode & 0o777 == 0o700
    assert bsd("mktemp", "name.XXXXXX.txt").stdout == "name.XXXXXX.txt\n"
    again = bsd("mktemp", "name.XXXXXX.txt")
    assert again.stderr == "mktemp: mkstemp failed on name.XXXXXX.txt: File exists\n"
    assert again.returncode == 1
    assert bsd("mktemp", "-t", "claw").stdout.startswith(f"{bsd.folder}/claw.")
    assert bsd("mktemp").stdout.startswith(f"{bsd.folder}/tmp.")


def test_date_reads_seconds_and_adjusts(bsd: Userland) -> None:
    assert bsd("date", "-r", "0").stdout == "Thu Jan  1 00:00:00 UTC 1970\n"
    assert bsd("date", "-r", "0", "+%F").stdout == "1970-01-01\n"
    assert bsd("date", "-r", "1706659200", "-v+1m", "+%F").stdout == "2024-02-29\n"
    assert bsd("date", "-r", "1706659200", "-v-1d", "-v0H", "+%F %H").stdout == "2024-01-30 00\n"
    text = bsd("date", "-j", "-f", "%Y-%m-%d %H:%M:%S", "2024-01-31 10:20:30", "+%s")
    assert text.stdout == "1706696430\n"


def test_nobody_sets_the_clock(bsd: Userland) -> None:
    done = bsd("date", "010112002024")
    assert done.stderr == "date: clock_settime: Operation not permitted\n"
    assert done.returncode == 1


def test_digests_look_as_on_a_mac(bsd: Userland) -> None:
    digest = "5bbf5a52328e7439ae6e719dfe712200"
    assert bsd("md5", "f").stdout == f"MD5 (f) = {digest}\n"
    assert bsd("md5", "-q", "f").stdout == f"{digest}\n"
    assert bsd("md5", stdin="one\n").stdout == f"{digest}\n"


def test_uname_is_darwin_on_arm(bsd: Userland) -> None:
    assert bsd("uname").stdout == "Darwin\n"
    assert bsd("uname", "-srm").stdout == "Darwin 24.6.0 arm64\n"
    assert bsd("uname", "-o").stdout == "Darwin\n"
    assert bsd("uname", "--machine").returncode == 1


def test_find_wants_a_path_and_leaves_exec_alone(bsd: Userland) -> None:
    done = bsd("find", ".", "-name", "f", "-exec", "echo", "{}", "-printf", ";")
    assert done.stdout == "./f -printf\n"
    assert bsd("find", "-E", ".", "-regex", ".*/(f|g)").stdout == "./f\n"
    assert bsd("find").returncode == 1


def test_readlink_and_realpath_want_existing_files(bsd: Userland) -> None:
    (bsd.folder / "l").symlink_to("f")
    assert bsd("readlink", "-f", "l").stdout == f"{bsd.folder.resolve()}/f\n"
    assert bsd("readlink", "-f", "nope").returncode == 1
    assert bsd("realpath", "nope").stderr == "realpath: nope: No such file or directory\n"


def test_words_with_blanks_and_quotes_survive_translation(bsd: Userland) -> None:
    name = "it's a 'file'"
    assert bsd("cp", "-c", "f", name).returncode == 0
    assert (bsd.folder / name).read_text() == "one\n"


def test_df_has_inode_columns_unless_posix(bsd: Userland) -> None:
    plain = bsd("df", "-k", ".").stdout.splitlines()[0].split()
    assert plain[1:5] == ["1024-blocks", "Used", "Available", "Capacity"]
    assert plain[5:8] == ["iused", "ifree", "%iused"]
    assert "iused" not in bsd("df", "-P", "-k", ".").stdout
    assert bsd("df", "-k", "/no/such/folder").returncode == 1
