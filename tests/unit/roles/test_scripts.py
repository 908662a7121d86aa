"""The shell scripts of our operations, run by a real /bin/sh with tools of our own on the PATH.

What the tools do on a Mac is the lab's business; here it is what the scripts do with the answers.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from pyinfra.context import ctx_host, ctx_state

from clawkeep.model import Guest
from roles import launchd
from roles.base import snapshot, vm
from roles.bundle import Directory, File, install
from roles.network import bridges
from tests.operations.harness import Machine, described
from tests.recording import Faults

# A job is a file in $W/jobs; `bootout` only asks for its end, which $W/drain delays.
TOOLS = {
    "sudo": 'shift; [ "$1" != -H ] || shift 2; exec "$@"',
    "chown": 'echo "chown $*" >> "$W/calls"',
    "plutil": 'echo "plutil $*" >> "$W/calls"; ! grep -q BROKEN "$3"',
    "sleep": ":",
    "base64": "exec /usr/bin/base64 -d",
    "launchctl": """echo "launchctl $*" >> "$W/calls"
job="$W/jobs/$(basename "$2" .plist)"
case "$1" in
print)
  if [ -e "$W/ending" ]; then
    n=$(cat "$W/ending"); echo $((n - 1)) > "$W/ending"
    [ "$n" -gt 0 ] || { rm -f "$W/ending" "$job"; }
  fi
  [ -e "$job" ] ;;
bootout) [ -e "$job" ] || exit 3; cat "$W/drain" > "$W/ending" ;;
bootstrap)
  if [ -e "$W/busy" ]; then
    n=$(cat "$W/busy"); [ "$n" -le 0 ] || { echo $((n - 1)) > "$W/busy"
      echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5; }
  fi
  touch "$W/jobs/$(basename "$3" .plist)" ;;
esac""",
}


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "jobs").mkdir()
        (folder / "drain").write_text("3\n")
        for name, body in TOOLS.items():
            self.tool(name, body)

    def tool(self, name: str, body: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, script: str, *values: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", script, "clawkeep", *values],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "W": str(self.folder),
                "HOME": str(self.folder),
            },
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def calls(self, tool: str = "launchctl") -> list[str]:
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split()[1] for line in lines if line.split()[0] == tool]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def load(world: World, content: str = "<plist/>") -> subprocess.CompletedProcess[str]:
    plist = str(world.folder / "Daemons" / "com.x.plist")
    loaded = str(world.folder / "loaded")
    return world.run(
        launchd.LOAD, "system", "com.x", plist, "mark-1", "root", "wheel", loaded, stdin=content
    )


def test_a_new_job_is_written_checked_enabled_and_loaded(world: World) -> None:
    done = load(world)
    assert done.returncode == 0, done.stderr
    assert (world.folder / "Daemons" / "com.x.plist").read_text() == "<plist/>"
    assert (world.folder / "Daemons" / "com.x.plist").stat().st_mode & 0o777 == 0o644
    assert (world.folder / "loaded" / "com.x").read_text() == "mark-1\n"
    assert world.calls() == ["enable", "print", "bootstrap"]
    assert [p.name for p in (world.folder / "Daemons").iterdir()] == ["com.x.plist"]


def test_a_job_that_drains_is_waited_for_before_it_is_loaded_anew(
    world: World, faults: Faults
) -> None:
    (world.folder / "jobs" / "com.x").touch()
    assert load(world).returncode == 0
    calls = world.calls()
    assert calls[:3] == ["enable", "print", "bootout"]
    assert calls[-1] == "bootstrap"
    assert calls.count("print") == 5
    says = "it is waited for, then loaded; no `service already loaded`"
    faults.show("launchd", "the job still drains after `bootout`", says, "the same run")


def test_a_busy_launchd_is_asked_again_and_then_said_so(world: World, faults: Faults) -> None:
    (world.folder / "busy").write_text("2\n")
    assert load(world).returncode == 0
    (world.folder / "busy").write_text("100\n")
    (world.folder / "jobs" / "com.x").unlink()
    done = load(world)
    assert done.returncode == 1
    assert "com.x.plist: Bootstrap failed: 5: Input/output error" in done.stderr
    assert not (world.folder / "loaded" / "com.x").exists()
    says = "asked again for 10 s; then launchd's own words, and no mark that it was loaded"
    faults.show("launchd", "`bootstrap` fails with 5 (EIO)", says, "the same run, or the next")


def test_a_plist_that_is_none_replaces_nothing(world: World) -> None:
    assert load(world, "good").returncode == 0
    assert load(world, "BROKEN").returncode != 0
    assert (world.folder / "Daemons" / "com.x.plist").read_text() == "good"
    assert world.calls().count("bootstrap") == 1


def test_a_killed_load_leaves_no_mark(world: World) -> None:
    assert load(world).returncode == 0
    world.tool("launchctl", "kill -9 $PPID")
    assert load(world, "other").returncode == -9
    assert not (world.folder / "loaded" / "com.x").exists()


def test_a_removed_job_is_gone_with_its_files(world: World) -> None:
    (world.folder / "jobs" / "com.x").touch()
    plist, mark = world.folder / "com.x.plist", world.folder / "mark"
    plist.touch()
    mark.touch()
    done = world.run(launchd.UNLOAD, "system", "com.x", str(plist), str(mark))
    assert done.returncode == 0, done.stderr
    assert not plist.exists()
    assert not mark.exists()
    assert not (world.folder / "jobs" / "com.x").exists()


def test_a_job_that_never_ends_keeps_its_plist_so_that_the_next_run_finds_it(
    world: World,
) -> None:
    (world.folder / "jobs" / "com.x").touch()
    (world.folder / "drain").write_text("100000\n")
    plist = world.folder / "com.x.plist"
    plist.touch()
    world.tool("launchctl", '[ "$1" = print ]')
    done = world.run(launchd.UNLOAD, "system", "com.x", str(plist), "/nonexistent")
    assert done.returncode == 1
    assert "com.x is still draining after 60 s" in done.stderr
    assert plist.exists()


def test_a_guest_is_stopped_through_its_job_and_the_mark_goes_first(world: World) -> None:
    (world.folder / "jobs" / "com.nanoclaw.vm").touch()
    (world.folder / "state").write_text('{"State" : "stopped"}')
    mark = world.folder / "mark"
    mark.touch()
    done = world.run(
        vm.STOP, "gui/501", "com.nanoclaw.vm", str(mark), f"cat {world.folder}/state", "keep"
    )
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    assert world.calls()[0] == "bootout"
    assert not (world.folder / "jobs" / "com.nanoclaw.vm").exists()


#: A VM is a folder, whole once `disk` is in it. While there is `$W/deadly`, whoever clones dies.
TART = """echo "tart $*" >> "$W/calls"; mkdir -p "$W/vms"; cd "$W/vms"
case "$1" in
clone) mkdir "$3"; [ ! -e "$W/deadly" ] || { kill -9 $PPID; exit 1; }; touch "$3/disk" ;;
get) [ -d "$2" ] ;;
delete) rm -r "$2" ;;
rename) mv "$2" "$3" ;;
esac"""


def test_a_clone_that_is_killed_is_no_guest_and_the_next_run_makes_one(
    world: World, faults: Faults
) -> None:
    machine = Machine({"vms": "[]"})
    guest = Guest.model_validate({"name": "keep", "image": "ghcr.io/x/y"})
    *_, command = machine.commands(lambda: vm.cloned("clone", guest))
    world.tool("tart", TART)
    script = described(command)["script"].replace("/opt/homebrew/bin/tart", "tart")
    (world.folder / "deadly").touch()
    assert world.run(script).returncode == -signal.SIGKILL
    vms = world.folder / "vms"
    assert [path.name for path in vms.iterdir()] == ["keep.new"]
    assert not (vms / "keep.new" / "disk").exists()  # The control: it was half a clone.
    (world.folder / "deadly").unlink()
    assert world.run(script).returncode == 0
    assert [path.name for path in vms.iterdir()] == ["keep"]
    assert (vms / "keep" / "disk").exists()
    says = "half a clone never has the guest's name; the next run deletes it and makes a whole one"
    faults.show("half-clone", "`tart clone` is killed", says, "the next run")


@pytest.mark.parametrize("state", ['{"State":"running"}', '{\n  "State" : "running"\n}'])
def test_a_guest_that_somebody_else_runs_is_left_alone_with_a_word(
    world: World, state: str
) -> None:
    (world.folder / "state").write_text(state)
    done = world.run(vm.STOP, "gui/501", "v", "/none", f"cat {world.folder}/state", "keep")
    assert done.returncode == 1
    assert "keep still runs although its job is unloaded" in done.stderr


def test_a_guest_that_does_not_start_fails_with_its_log(world: World) -> None:
    (world.folder / "state").write_text('{"State":"stopped"}')
    (world.folder / "keep.log").write_text("tart: no softnet\n")
    done = world.run(vm.WAIT_RUNNING, f"cat {world.folder}/state", "gui/501/v", "keep.log")
    assert done.returncode == 1
    assert "did not start within 60 s; ~/keep.log says:\ntart: no softnet" in done.stderr


def test_a_guest_that_runs_is_not_waited_for(world: World) -> None:
    (world.folder / "state").write_text('{"State":"running"}')
    done = world.run(vm.WAIT_RUNNING, f"cat {world.folder}/state", "gui/501/v", "keep.log")
    assert (done.returncode, done.stderr) == (0, "")


def test_after_the_snapshot_the_job_is_loaded_with_the_mark_it_had(world: World) -> None:
    mark = world.folder / "mark"
    done = world.run(snapshot.START, "gui/501", "/a/com.nanoclaw.vm.plist", str(mark), "abc")
    assert done.returncode == 0, done.stderr
    assert mark.read_text() == "abc\n"
    assert world.calls() == ["bootstrap"]


def test_a_bridge_that_stays_deaf_fails_with_the_address_after_15_s(world: World) -> None:
    world.tool("lsof", "exit 1")
    done = world.run(bridges.WAIT_LISTENING, "10.0.0.1:18443")
    assert done.returncode == 1
    assert "nothing listens on 10.0.0.1:18443 after 15 s" in done.stderr


def test_all_bridges_are_waited_for(world: World) -> None:
    world.tool("lsof", 'echo "lsof $2" >> "$W/calls"')
    assert world.run(bridges.WAIT_LISTENING, "10.0.0.1:1", "10.0.0.1:2").returncode == 0
    assert world.calls("lsof") == ["-iTCP@10.0.0.1:1", "-iTCP@10.0.0.1:2"]


def lay_down(world: World, *entries: File | Directory) -> subprocess.CompletedProcess[str]:
    machine = Machine({})
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        data = described(install(entries))
    script = data["script"].replace("/private/var/root", str(world.folder))
    return world.run(script, stdin=data["stdin"])


def test_files_land_with_their_content_and_mode_and_nothing_beside_them(world: World) -> None:
    target = world.folder / "new folder" / "it's a file"
    done = lay_down(world, File(str(target), b"\0binary\xff\n", "600"))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == b"\0binary\xff\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in target.parent.iterdir()] == ["it's a file"]
    assert list(world.folder.glob("clawkeep.*")) == []


def test_one_file_that_fails_its_check_replaces_none(world: World) -> None:
    one, two = world.folder / "one", world.folder / "two"
    one.write_text("old")
    done = lay_down(world, File(str(one), b"new"), File(str(two), b"bad", check="grep -q good"))
    assert done.returncode != 0
    assert one.read_text() == "old"
    assert not two.exists()
    assert list(world.folder.glob("clawkeep.*")) == []


def test_a_truncated_upload_replaces_nothing(world: World) -> None:
    one = world.folder / "one"
    one.write_text("old")
    machine = Machine({})
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        data = described(install([File(str(one), b"x" * 50_000)]))
    script = data["script"].replace("/private/var/root", str(world.folder))
    done = world.run(script, stdin=data["stdin"][:30_000])
    assert done.returncode != 0
    assert one.read_text() == "old"


def test_a_link_where_the_new_file_is_prepared_is_not_followed(world: World) -> None:
    victim, target = world.folder / "victim", world.folder / "home" / "file"
    target.parent.mkdir()
    victim.write_text("root's")
    (target.parent / ".file.clawkeep~").symlink_to(victim)
    assert lay_down(world, File(str(target), b"new")).returncode == 0
    assert victim.read_text() == "root's"
    assert target.read_text() == "new"


def test_a_link_in_place_of_a_directory_is_refused_and_not_followed(world: World) -> None:
    victim = world.folder / "victim"
    victim.mkdir(mode=0o755)
    link = world.folder / ".ssh"
    link.symlink_to(victim)
    done = lay_down(world, Directory(str(link), "700", "claw", "staff"))
    assert done.returncode == 1
    assert ".ssh is a symbolic link; expected a directory" in done.stderr
    assert victim.stat().st_mode & 0o777 == 0o755
    assert world.calls("chown") == []


def test_a_directory_gets_its_mode_and_owner(world: World) -> None:
    path = world.folder / "a" / "b c"
    assert lay_down(world, Directory(str(path), "700", "me", "staff")).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o700
    assert (world.folder / "calls").read_text().startswith(f"chown me:staff {path}")
