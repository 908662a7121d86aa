"""The fork server beside the interpreter itself: whoever calls must see no difference."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.image.client import SOURCE, compiled

LAB = Path(__file__).resolve().parents[3] / "lab"


def usable_by_all() -> str | None:
    """Return an interpreter that other users can run, too."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
        # setpriv itself keeps root's capabilities until it executes something.
        other = ["setpriv", "--reuid=1234", "--regid=77", "--clear-groups", "sh", "-c"]
        command = [*other, 'exec "$0" -IS -c "$1"', path, new_enough]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return path
    return None


PYTHON = (usable_by_all() if os.geteuid() == 0 else None) or ""
SERVE = """\
import sys; sys.path[:0] = [{lab!r}, {folder!r}]
from mac.forkserver.server import run; run({socket!r}, "probes")
"""
SCRIPT = """\
#!{interpreter}
import sys; sys.path.insert(0, {folder!r})
from probes.probe import main; sys.exit(main(sys.argv))
"""
PROBE = """\
import json, os, resource, signal, subprocess, sys, time


def show():
    streams = [(s.name, s.mode, s.encoding, s.errors, s.newlines, s.line_buffering, s.isatty())
               for s in (sys.stdin, sys.stdout, sys.stderr)]
    umask = os.umask(0)
    print(json.dumps({
        "argv": sys.argv, "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        "umask": umask, "folder": os.getcwd(), "environment": sorted(os.environ.items()),
        "inherited": sorted(subprocess.run(["/usr/bin/env", "-0"], capture_output=True, text=True)
                            .stdout.split("\\0")),
        "limits": [resource.getrlimit(number) for number in range(16)],
        "nice": os.getpriority(os.PRIO_PROCESS, 0), "streams": streams,
        "ignored": [number for number in range(1, 32)
                    if signal.getsignal(number) == signal.SIG_IGN],
        "mask": list(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "files": sorted(os.listdir("/proc/self/fd"))[:3], "zone": time.tzname,
        "own": os.access("/proc/self/comm", os.W_OK),
    }))


def main(argv):
    what, *rest = argv[1:] or ["show"]
    if what == "show":
        show()
    elif what == "pid":
        print(os.getpid())
    elif what == "status":
        return {"none": None, "true": True, "text": "a text"}.get(rest[0]) \\
            if not rest[0].lstrip("-").isdigit() else int(rest[0])
    elif what == "exit":
        sys.exit(int(rest[0]))
    elif what == "raise":
        raise RuntimeError("what went wrong")
    elif what == "echo":
        for line in sys.stdin:
            print(line.upper(), end="")
        print("done", file=sys.stderr)
    elif what == "much":
        print("x" * 1000000)
    elif what == "die":
        os.kill(int(os.readlink("/proc/self")), int(rest[0]))
    elif what == "wait":
        print(os.readlink("/proc/self"), flush=True)
        time.sleep(60)
    return 0
"""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the fork server is root's"),
    pytest.mark.skipif(not PYTHON, reason="no interpreter for other users"),
    pytest.mark.skipif(not shutil.which("cc"), reason="no compiler"),
]


class World:
    """A script that runs by itself (`direct`) and one by a server (`warm`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "server.sock"
        (folder / "probes").mkdir()
        (folder / "probes" / "probe.py").write_text(PROBE)
        client = folder / "client"
        defines = [f'-DSERVER="{self.socket}"', f'-DPYTHON="{PYTHON}"']
        subprocess.run(["cc", *defines, "-o", client, SOURCE], check=True)
        self.direct = self._script("direct", f"{PYTHON} -IS")
        self.warm = self._script("warm", f"{client} probe")
        self.server: subprocess.Popen[bytes] | None = None

    def _script(self, name: str, interpreter: str) -> str:
        path = self.folder / name / "probe"
        path.parent.mkdir()
        path.write_text(SCRIPT.format(interpreter=interpreter, folder=str(self.folder)))
        path.chmod(0o755)
        return str(path)

    def start(self) -> None:
        text = SERVE.format(lab=str(LAB), folder=str(self.folder), socket=str(self.socket))
        # What it ignores is nothing to its callers.
        command = ["env", "--ignore-signal=INT,USR1", PYTHON, "-IS", "-c", text]
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(self.socket.is_socket)

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = World(folder)
        made.start()
        try:
            yield made
        finally:
            made.stop()


def run(program: str, *words: str, before: tuple[str, ...] = (), **options: Any) -> Any:
    options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
    return subprocess.run(
        [*before, program, *words], capture_output=True, text=True, check=False, **options
    )


def shown(program: str, **options: Any) -> dict[str, Any]:
    done = run(program, "show", "-x", "", "ü \udcff", **options)
    found = dict(json.loads(done.stdout))
    found["argv"][0] = Path(found["argv"][0]).name
    return found


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("setpriv", "--reuid=1234", "--regid=77", "--groups=5,6"),
        ("setpriv", "--reuid=1234", "--regid=77", "--clear-groups"),
        ("nice", "-n", "7"),
        ("prlimit", "--nofile=99:120", "--cpu=50"),
        ("sh", "-c", 'umask 027; cd /usr/lib; exec "$@"', "sh"),
        ("env", "-i", "A=1", "B=", "C=x=y\nz", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8"),
        ("env", "-i"),
        ("env", "-i", "LANG=xx_XX.UTF-8"),
        ("env", "LC_ALL=C"),
        ("env", "--ignore-signal=INT,HUP,TERM"),
        ("env", "--default-signal=INT,HUP,TERM"),
    ],
)
def test_a_process_finds_itself_as_it_would_without_the_server(
    world: World, before: tuple[str, ...]
) -> None:
    direct, warm = (shown(program, before=before) for program in (world.direct, world.warm))

    assert warm == direct


@pytest.mark.parametrize(
    "before",
    [
        ("setpriv", "--reuid=1234", "--keep-groups"),  # the group stays root's
        ("setpriv", "--euid=1234"),
        ("setpriv", "--bounding-set=-net_raw"),
        ("setpriv", "--no-new-privs"),
        ("unshare", "--net"),
        ("unshare", "--mount"),
    ],
)
def test_who_cannot_be_stood_in_for_runs_the_program_himself(
    world: World, before: tuple[str, ...]
) -> None:
    with subprocess.Popen(
        [*before, world.warm, "wait"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        really = int(running.stdout.readline())
        running.kill()

    assert really == running.pid
    assert shown(world.warm, before=before) == shown(world.direct, before=before)


@pytest.mark.parametrize(
    "words",
    [
        ("status", "0"), ("status", "3"), ("status", "256"), ("status", "-1"),
        ("status", "none"), ("status", "true"), ("status", "text"), ("exit", "9"),
        ("die", "9"), ("die", "15"), ("die", "11"),
    ],
)  # fmt: skip
def test_it_ends_as_it_would_without_the_server(world: World, words: tuple[str, ...]) -> None:
    direct, warm = (run(program, *words) for program in (world.direct, world.warm))

    assert (warm.returncode, warm.stdout, warm.stderr) == (
        direct.returncode, direct.stdout, direct.stderr,
    )  # fmt: skip


def test_an_exception_is_told_on_standard_error(world: World) -> None:
    direct, warm = (run(program, "raise") for program in (world.direct, world.warm))

    assert warm.returncode == direct.returncode == 1
    assert warm.stderr.splitlines()[0] == direct.stderr.splitlines()[0]
    # The direct one also names the script.
    assert direct.stderr.endswith("\n".join(warm.stderr.splitlines()[1:]) + "\n")
    assert "RuntimeError: what went wrong" in warm.stderr


def test_it_reads_and_writes_the_callers_pipes(world: World) -> None:
    def piped(program: str) -> tuple[bytes, bytes]:
        given = "one\r\ntwo ü".encode() + b"\xff"
        done = subprocess.run([program, "echo"], input=given, capture_output=True, check=True)
        return done.stdout, done.stderr

    assert piped(world.warm) == piped(world.direct)
    assert piped(world.warm)[0].startswith(b"ONE\r\nTWO")


def test_it_writes_where_the_callers_file_is(world: World, tmp_path: Path) -> None:
    target = tmp_path / "written"
    command = '(echo before; "$1" echo; echo after) >"$2" <"$3" 2>&1'
    given = tmp_path / "given"
    given.write_text("x\n")

    subprocess.run(["sh", "-c", command, "sh", world.warm, target, given], check=True)

    assert target.read_text() == "before\ndone\nX\nafter\n"


def test_a_reader_that_goes_is_noticed_in_the_same_way(world: World) -> None:
    def ended(program: str) -> tuple[int, bytes]:
        with subprocess.Popen(
            [program, "much"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.close()
            told = running.stderr.read()
            return running.wait(), told.splitlines()[-1]

    assert ended(world.warm) == ended(world.direct)


def test_a_closed_standard_file_is_none_of_its_own(world: World) -> None:
    def closed(program: str, which: str) -> tuple[int, str]:
        done = run(program, "pid", before=("sh", "-c", f'exec "$@" {which}', "sh"))
        return done.returncode, done.stderr

    for which in ("<&-", "2>&-"):
        assert closed(world.warm, which) == closed(world.direct, which)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_caller_ends_both(world: World, number: signal.Signals) -> None:
    for program in (world.direct, world.warm):
        with subprocess.Popen(
            # Whoever runs the tests may have them ignored, in the background for one.
            ["env", "--default-signal=INT,HUP,TERM", program, "wait"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as running:  # fmt: skip
            assert running.stdout is not None
            child = int(running.stdout.readline())
            assert (child == running.pid) == (program == world.direct)
            running.send_signal(number)
            assert running.wait(10) == -number
            assert (b"KeyboardInterrupt" in running.communicate()[1]) == (number == signal.SIGINT)
        wait_for(lambda child=child: not os.path.exists(f"/proc/{child}"))  # type: ignore[misc]


def test_the_program_takes_its_pid_for_the_callers(world: World) -> None:
    running = subprocess.Popen(
        [world.warm, "pid"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )

    assert int(running.communicate()[0]) == running.pid


def test_calls_run_beside_each_other(world: World) -> None:
    waiting = [
        subprocess.Popen([world.warm, "wait"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for _ in range(10)
    ]
    pids = {running.stdout.readline() for running in waiting if running.stdout}
    quick = run(world.warm, "status", "4")
    for running in waiting:
        running.kill()
        running.wait()
        if running.stdout:
            running.stdout.close()

    assert len(pids) == 10
    assert quick.returncode == 4


def test_without_a_server_the_program_runs_by_itself(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    alone = World(tmp_path)
    missing = shown(alone.warm)
    alone.start()
    served = shown(alone.warm)
    assert alone.server is not None
    alone.server.kill()
    alone.server.wait()
    refused = shown(alone.warm)

    assert missing == served == refused


def test_a_server_that_is_told_to_end_lets_calls_finish(tmp_path: Path) -> None:
    alone = World(tmp_path)
    alone.start()
    with subprocess.Popen(
        [alone.warm, "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert alone.server is not None
        children = Path(f"/proc/{alone.server.pid}/task/{alone.server.pid}/children")
        wait_for(children.read_text)
        alone.server.terminate()
        time.sleep(0.1)
        assert alone.server.poll() is None
        assert run(alone.warm, "status", "5").returncode == 5
        assert running.communicate(b"last\n")[0] == b"LAST\n"
    assert alone.server.wait(10) == 0


def test_a_server_that_is_killed_takes_its_calls_along(tmp_path: Path) -> None:
    alone = World(tmp_path)
    alone.start()
    with subprocess.Popen(
        [alone.warm, "wait"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        assert alone.server is not None
        alone.server.kill()
        alone.server.wait()
        assert running.wait(10) == -signal.SIGKILL
        wait_for(lambda: not os.path.exists(f"/proc/{child}"))


def test_who_became_root_after_he_connected_is_not_served(world: World) -> None:
    # The connection is nobody's, the process root's, as after sudo.
    text = (
        "import os, socket, sys, array\n"
        "os.setresuid(1234, 1234, 0); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "os.seteuid(0); os.setresuid(0, 0, 0)\n"
        "files = array.array('i', [0, 1, 2, os.open('/', os.O_RDONLY)])\n"
        "socket.send_fds(s, [b'x'], list(files))\n"
        "print(int.from_bytes(s.recv(4), 'little', signed=True))\n"
    )

    done = subprocess.run(
        [PYTHON, "-c", text, str(world.socket)], capture_output=True, text=True, check=False
    )

    assert done.stdout == "-1\n", done.stderr


def test_the_client_is_compiled_once_and_missing_where_there_is_no_compiler(
    tmp_path: Path,
) -> None:
    assert compiled(tmp_path / "none", compiler="no-such-compiler") is None
    first = compiled(tmp_path / "cache")
    assert first is not None
    assert first == compiled(tmp_path / "cache", compiler="no-such-compiler")
