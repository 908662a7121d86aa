"""What pfctl shows of what is loaded: anchors, tables, interfaces."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pf_world import MAIN, World, after_boot, world

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


def _interfaces(net: World, *verbose: str) -> list[str]:
    done = net.pfctl(*verbose, "-s", "Interfaces")
    assert done.returncode == 0
    return done.stdout.splitlines()


def test_interfaces_are_those_there_are_and_those_that_rules_name(net: World) -> None:
    net.load("block in on bridge105\n")
    there = ["ALL", "bridge100", "bridge105", "en0", "lo0", "vmenet0"]
    assert _interfaces(net) == there
    assert _interfaces(net, "-v") == there


def test_skipped_interfaces_are_marked_until_the_main_ruleset_says_otherwise(net: World) -> None:
    net.load("block in on bridge105\n")
    assert net.pfctl("-O", "-f", "-", text="set skip on { lo0 bridge }\n").returncode == 0
    assert "bridge100" in _interfaces(net)
    marked = [line for line in _interfaces(net, "-v") if " " in line]
    assert marked == ["bridge100 (skip)", "bridge105 (skip)", "lo0 (skip)"]
    assert "com.apple" in net.pfctl("-sr").stdout  # -O leaves rules alone.
    # What is not there, and no rule names, is not skipped when it comes.
    assert net.pfctl("-O", "-f", "-", text="set skip on bridge106\n").returncode == 0
    assert not [line for line in _interfaces(net, "-v") if " " in line]
    net.load("block in on bridge106\n")
    assert "bridge106" in _interfaces(net, "-v")


def test_translation_is_shown_anchor_by_anchor(net: World) -> None:
    rdr = "rdr pass on bridge100 inet proto tcp from any to any port = 9 -> 127.0.0.1 port 22\n"
    net.load(rdr, "com.apple/a/deep")
    anchors = 'nat-anchor "com.apple/*" all\nrdr-anchor "com.apple/*" all\n'
    assert net.pfctl("-sn").stdout == anchors
    assert net.pfctl("-a", "*", "-sn").stdout == anchors  # Only -sr goes into anchors.
    assert net.pfctl("-a", "com.apple/a/deep", "-sn").stdout == rdr
    assert net.pfctl("-a", "com.apple/a/deep", "-sr").stdout == ""
    shown = net.pfctl("-v", "-s", "Anchors").stdout.split()
    assert shown == ["com.apple", "com.apple/a", "com.apple/a/deep"]


def test_glued_and_shortened_modifiers_mean_the_same(net: World) -> None:
    shown = [net.pfctl(*words).stdout for words in (("-s", "rules"), ("-sr",), ("-s", "r"))]
    assert (
        shown
        == ['scrub-anchor "com.apple/*" all fragment reassemble\nanchor "com.apple/*" all\n'] * 3
    )
    shown = [net.pfctl(*words).stdout for words in (("-s", "nat"), ("-sn",))]
    assert shown == ['nat-anchor "com.apple/*" all\nrdr-anchor "com.apple/*" all\n'] * 2


def test_anchors_are_listed_by_level(net: World) -> None:
    net.load("block in\n")
    net.load("block in\n", "com.apple/100.other/deep")
    assert net.pfctl("-s", "Anchors").stdout == "  com.apple\n"
    assert net.pfctl("-a", "com.apple", "-sA").stdout.splitlines() == [
        "  com.apple/000.test",
        "  com.apple/100.other",
    ]
    assert "  com.apple/100.other/deep" in net.pfctl("-vsA").stdout.splitlines()
    missing = net.pfctl("-a", "nosuch", "-sr")
    assert (missing.stdout, missing.stderr) == (
        "",
        ALTQ + "pfctl: DIOCGETRULES: Invalid argument\n",
    )


def test_flushing_an_anchors_rules_leaves_its_tables(net: World) -> None:
    net.load("table <t> persist { 10/8 }\nblock in from <t>\n")
    assert net.pfctl("-a", ANCHOR, "-F", "rules").stderr == ALTQ + "rules cleared\n"
    assert net.pfctl("-a", ANCHOR, "-sr").stdout == ""
    assert net.pfctl("-a", ANCHOR, "-sT").stdout == "t\n"
    done = net.pfctl("-a", ANCHOR, "-F", "all")
    assert done.stderr.splitlines()[2:] == [
        "rules cleared",
        "nat cleared",
        "dummynet cleared",
        "1 tables deleted.",
    ]


def test_a_reload_resets_an_inline_table_and_keeps_a_persistent_one(net: World) -> None:
    rules = "table <t> persist\nblock in from <t>\n"
    net.load(rules)
    add = net.pfctl("-a", ANCHOR, "-t", "t", "-T", "add", "10.0.0.0/8", "1.2.3.4")
    assert (add.returncode, add.stderr) == (0, ALTQ + "2/2 addresses added.\n")
    net.load(rules)
    assert net.pfctl("-a", ANCHOR, "-t", "t", "-T", "show").stdout.splitlines() == [
        "   1.2.3.4",
        "   10.0.0.0/8",
    ]
    net.load("table <t> persist {}\nblock in from <t>\n")
    assert net.pfctl("-a", ANCHOR, "-t", "t", "-T", "show").stdout == ""


def test_tables_are_tested_and_missing_ones_are_errors(net: World) -> None:
    net.load("table <t> const { 10/8, !10.1.0.0/16 }\nblock in from <t>\n")
    table = ("-a", ANCHOR, "-t", "t", "-T")
    hit = net.pfctl(*table, "test", "10.2.3.4")
    assert (hit.returncode, hit.stderr) == (0, ALTQ + "1/1 addresses match.\n")
    miss = net.pfctl(*table, "test", "10.1.3.4")
    assert (miss.returncode, miss.stderr) == (2, ALTQ + "0/1 addresses match.\n")
    const = net.pfctl(*table, "add", "1.2.3.4")
    assert (const.returncode, const.stderr) == (1, ALTQ + "pfctl: Operation not permitted.\n")
    none = net.pfctl("-a", ANCHOR, "-t", "nosuch", "-T", "show")
    assert (none.returncode, none.stderr) == (1, ALTQ + "pfctl: Table does not exist.\n")


def test_an_anchor_path_has_a_limit(net: World) -> None:
    longest = "com.apple/" + "x" * 53
    assert net.pfctl("-a", longest, "-f", "-", text="block\n").returncode == 0
    done = net.pfctl("-a", longest + "x", "-f", "-", text="block\n")
    assert (done.returncode, done.stderr) == (1, ALTQ + "pfctl: pfctl_add_rule: strlcpy\n")


def test_the_file_loads_the_anchors_it_names_unless_it_is_loaded_into_one(
    net: World, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.write_text('anchor "200.AirDrop/*"\n')
    text = f'{MAIN}load anchor "com.apple" from "{inner}"\n'
    assert net.pfctl("-f", "-", text=text).returncode == 0
    assert net.pfctl("-a", "com.apple", "-sr").stdout == 'anchor "200.AirDrop/*" all\n'
    ignored = f'load anchor "x" from "{tmp_path}/none"\nblock\n'
    assert net.pfctl("-a", ANCHOR, "-f", "-", text=ignored).returncode == 0


def test_two_loads_at_once_both_take_effect(net: World) -> None:
    threads = [
        threading.Thread(target=net.load, args=("block in\n", f"com.apple/{index:03d}.x"))
        for index in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.pfctl("-a", "com.apple", "-sA").stdout.splitlines() == [
        f"  com.apple/{index:03d}.x" for index in range(6)
    ]
