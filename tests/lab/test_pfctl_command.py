"""pfctl as a command: exit statuses, what it says and where, tokens, anchors, what it refuses."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pf_world import GATEWAY, LAB, MAIN, World, after_boot, world

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
ALTQ = "No ALTQ support in kernel\nALTQ related functions disabled\n"
WARNING = (
    "pfctl: Use of -f option, could result in flushing of rules\n"
    "present in the main ruleset added by the system at startup.\n"
    "See /etc/pf.conf for further details.\n\n"
)
ANCHOR = "com.apple/000.test"


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(Path(tmp_path_factory.mktemp("pf"))) as made:
        yield made


@pytest.fixture
def net(_world: World) -> Iterator[World]:
    with after_boot(_world):
        yield _world


def test_enable_and_disable_say_so_and_fail_when_there_is_nothing_to_do(net: World) -> None:
    done = net.pfctl("-e")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ALTQ + "pf enabled\n")
    again = net.pfctl("-e")
    assert (again.returncode, again.stderr) == (1, ALTQ + "pfctl: pf already enabled\n")
    off = net.pfctl("-d")
    assert (off.returncode, off.stderr) == (0, ALTQ + "pf disabled\n")
    again = net.pfctl("-d")
    assert (again.returncode, again.stderr) == (1, ALTQ + "pfctl: pf not enabled\n")


def _token(net: World) -> str:
    done = net.pfctl("-E")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(ALTQ + "pf enabled\nToken : ")
    return done.stderr.split()[-1]


def test_tokens_hold_pf_enabled_until_the_last_is_released(net: World) -> None:
    first, second = _token(net), _token(net)
    assert first in net.pfctl("-s", "References").stdout
    released = net.pfctl("-X", first)
    assert released.returncode == 0
    assert released.stderr == ALTQ + (
        "disable request successful. 1 more pf enable reference(s) remaining, pf still enabled.\n"
    )
    stale = net.pfctl("-X", first)
    assert (stale.returncode, stale.stderr) == (1, ALTQ + "pfctl: pf: token invalid\n")
    last = net.pfctl("-X", second)
    assert (last.returncode, last.stderr) == (0, ALTQ + "pf disabled\n")
    gone = net.pfctl("-X", second)
    assert (gone.returncode, gone.stderr) == (1, ALTQ + "pfctl: pf not enabled\n")


def test_disabling_voids_every_token(net: World) -> None:
    token = _token(net)
    assert net.pfctl("-d").returncode == 0
    assert "Status: Disabled" in net.pfctl("-s", "info").stdout
    assert net.pfctl("-e").returncode == 0
    assert net.pfctl("-X", token).stderr == ALTQ + "pfctl: pf: token invalid\n"


def test_loading_the_main_ruleset_warns_and_loading_an_anchor_does_not(net: World) -> None:
    main = net.pfctl("-f", "-", text=MAIN)
    assert (main.returncode, main.stdout, main.stderr) == (0, "", WARNING + ALTQ)
    anchor = net.pfctl("-a", ANCHOR, "-f", "-", text="block in\n")
    assert (anchor.returncode, anchor.stdout, anchor.stderr) == (0, "", ALTQ)


def test_a_syntax_error_loads_nothing_and_keeps_what_was_there(net: World, tmp_path: Path) -> None:
    net.load("block in quick\n")
    bad = tmp_path / "bad.conf"
    bad.write_text("pass in all\nfoo\n")
    done = net.pfctl("-a", ANCHOR, "-f", str(bad))
    assert done.returncode == 1
    assert done.stderr == (
        f"{ALTQ}{bad}:2: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n"
    )
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == "block drop in quick all\n"


def test_a_missing_file_is_an_error_and_a_folder_is_empty(net: World, tmp_path: Path) -> None:
    done = net.pfctl("-a", ANCHOR, "-f", "/nonexistent")
    assert done.returncode == 1
    assert done.stderr == ALTQ + (
        "pfctl: /nonexistent: No such file or directory\n"
        "pfctl: cannot open the main config file!: No such file or directory\n"
    )
    assert net.pfctl("-a", ANCHOR, "-f", str(tmp_path)).returncode == 0


def test_checking_only_needs_no_root_and_changes_nothing(net: World) -> None:
    net.load("block in quick\n")
    good = net.pfctl("-a", ANCHOR, "-nf", "-", text="pass in all\n", user=65534)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = net.pfctl("-a", ANCHOR, "-nf", "-", text="pass on all\nfoo\n", user=65534)
    assert (bad.returncode, bad.stderr) == (1, "stdin:1: syntax error\nstdin:2: syntax error\n")
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == "block drop in quick all\n"


def test_everything_else_needs_root(net: World) -> None:
    for arguments in (("-sr",), ("-e",), ("-a", ANCHOR, "-F", "rules")):
        done = net.pfctl(*arguments, user=65534)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("pfctl: /dev/pf: Permission denied\n")


def test_checking_verbosely_prints_macros_tables_and_rules_in_load_order(net: World) -> None:
    text = (
        'br = "bridge100"\n'
        "table <t> { 10/8 }\n"
        "scrub in\n"
        "rdr on $br inet proto tcp to port 80 -> 127.0.0.1 port 8080\n"
        "nat on en0 inet from 10/8 -> (en0:0)\n"
        "block in on $br from <t>\n"
    )
    assert net.pfctl("-nvf", "-", text=text).stdout.splitlines() == [
        'br = "bridge100"',
        "table <t> { 10.0.0.0/8 }",
        "scrub in all fragment reassemble",
        "nat on en0 inet from 10.0.0.0/8 to any -> (en0:0)",
        "rdr on bridge100 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080",
        "block drop in on bridge100 from <t> to any",
    ]
    failed = net.pfctl("-nvf", "-", text=text + "foo\n")
    assert failed.stdout == 'br = "bridge100"\ntable <t> { 10.0.0.0/8 }\n'
    assert failed.returncode == 1


@pytest.mark.parametrize("arguments", [(), ("-Q",), ("-s", "nosuch"), ("-h",), ("-sr", "stray")])
def test_a_wrong_command_line_shows_the_usage(net: World, arguments: tuple[str, ...]) -> None:
    done = net.pfctl(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "usage: pfctl " in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "block out quick proto tcp user root",
        "pass in tag GREEN",
        "block in tagged GREEN",
        "pass in keep state (max 10)",
        "pass in keep state (if-bound)",
        "pass out route-to (en0 10.0.10.1) inet",
        "block in fragment",
        "pass in rtable 2",
        "binat on en0 inet from 10.0.0.1 to any -> 1.2.3.4",
    ],
)
def test_what_cannot_be_enforced_is_refused_and_changes_nothing(net: World, line: str) -> None:
    net.load("block in quick\n")
    done = net.pfctl("-a", ANCHOR, "-f", "-", text=line + "\n")
    assert done.returncode == 1
    assert "pfctl: DIOCADDRULE: Operation not supported by device\n" in done.stderr
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == "block drop in quick all\n"
    assert net.pfctl("-a", ANCHOR, "-nf", "-", text=line + "\n").returncode == 0


def test_rules_of_an_absent_interface_load_and_work_once_it_is_there(net: World) -> None:
    assert net.pfctl("-e").returncode == 0
    net.listen("host", GATEWAY, 3001)
    net.load("block return in quick on { bridge109 bridge100 } proto tcp\n")
    assert net.tcp("guest", GATEWAY, 3001) == "refused"
    net.load("block return in quick on bridge109 proto tcp\n")
    assert net.tcp("guest", GATEWAY, 3001) == "open"


def test_loading_and_enabling_at_once_keeps_the_rules_when_already_enabled(net: World) -> None:
    assert net.pfctl("-e").returncode == 0
    done = net.pfctl("-e", "-a", ANCHOR, "-f", "-", text="block in quick\n")
    assert (done.returncode, done.stderr) == (1, ALTQ + "pfctl: pf already enabled\n")
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == "block drop in quick all\n"


def test_boot_forgets_everything_and_enables_nothing(net: World, tmp_path: Path) -> None:
    net.load("block in quick\n")
    _token(net)
    (tmp_path / "pf.conf").write_text(MAIN)
    state = net.folder / "pf.json"
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({**kept, "boot": "an earlier one"}))
    net.python(f"from mac.pf import boot; assert boot.start({str(tmp_path / 'pf.conf')!r}) == []")
    assert net.pfctl("-s", "Anchors").stdout == ""
    assert "Status: Disabled" in net.pfctl("-s", "info").stdout
    assert 'anchor "com.apple/*" all' in net.pfctl("-sr").stdout


def test_the_boot_job_keeps_what_was_loaded_before_it_ran(net: World, tmp_path: Path) -> None:
    (tmp_path / "pf.conf").write_text(MAIN)
    net.load("block in quick\n")
    net.python(f"from mac.pf import boot; assert boot.start({str(tmp_path / 'pf.conf')!r}) == []")
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == "block drop in quick all\n"


def test_the_systems_own_configuration_loads(net: World, tmp_path: Path) -> None:
    configuration = LAB / "mac" / "pf" / "etc" / "pf.conf"
    anchors = str(configuration.parent / "pf.anchors")
    text = configuration.read_text().replace("/etc/pf.anchors", anchors)
    assert net.pfctl("-f", "-", text=text).returncode == 0
    assert net.pfctl("-a", "com.apple", "-sr").stdout.splitlines() == [
        'anchor "200.AirDrop/*" all',
        'anchor "250.ApplicationFirewall/*" all',
    ]
