"""One round trip to the host: what the script asks, and how its answer is read."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from clawkeep.explain.survey import read, script
from tests.unit.explain.hosts import INTERFACES, LSOF, RUN, keep, survey

MARK = "@@0123@@"
ANSWER = f"""\
{MARK} now
1700000000
{MARK} list
[{{"Source": "local", "Name": "nanoclaw-vm", "Disk": 50, "State": "running"}}]
{MARK} address
192.168.64.2 agent
{MARK} interfaces
{INTERFACES}{MARK} processes
{RUN}{MARK} policy
{{}}
{MARK} grants
{MARK} window
{MARK} cut
{{"why": "a leak"}}
{MARK} clock
{{"t": 1700000060.5}}
{MARK} pf-info
Status: Enabled
{MARK} main
anchor "com.apple/*" all
{MARK} anchor com.apple/000.clawkeep
block drop quick all
{MARK} table com.apple/000.clawkeep priv
   10.0.0.0/8
{MARK} anchor com.apple/my anchor
{MARK} listening
{LSOF}{MARK} end
"""


def test_every_section_is_read() -> None:
    found = read(ANSWER, MARK, "nanoclaw-vm")
    assert (found.now, found.running, found.address) == (1_700_000_060.5, True, "192.168.64.2")
    assert (found.policy, found.grants, found.window) == ("{}\n", None, None)
    assert found.cut == '{"why": "a leak"}\n'
    assert found.main == 'anchor "com.apple/*" all\n'
    assert found.anchors == {
        "com.apple/000.clawkeep": "block drop quick all\n",
        "com.apple/my anchor": "",
    }
    assert found.tables == {("com.apple/000.clawkeep", "priv"): "   10.0.0.0/8\n"}
    assert str(found.link().gateway) == "192.168.64.1"


@pytest.mark.parametrize("clock", ["", "{", "[]", '{"t": "x"}', '{"t": 5}'])
def test_without_a_later_time_on_record_the_wall_clock_counts(clock: str) -> None:
    text = ANSWER.replace('{"t": 1700000060.5}', clock)
    assert read(text, MARK, "nanoclaw-vm").now == 1.7e9


def test_an_answer_that_was_cut_short_says_nothing_of_what_root_asked() -> None:
    cut = ANSWER[: ANSWER.index(f"{MARK} listening")]
    found = read(cut, MARK, "nanoclaw-vm")
    assert (found.pf_info, found.main, found.listening) == (None, None, None)


def test_a_pfctl_that_failed_is_not_a_pf_that_is_off() -> None:
    silent = ANSWER.replace("Status: Enabled\n", "")
    assert read(silent, MARK, "nanoclaw-vm").pf_info is None


def test_a_guest_that_tart_does_not_list_is_not_running() -> None:
    assert read(ANSWER, MARK, "other").running is False
    assert read("", MARK, "nanoclaw-vm").running is None


def test_the_guests_own_tart_run_is_found_not_its_supervisor_nor_another_guest() -> None:
    argv = survey(keep()).run_argv("nanoclaw-vm")
    assert argv is not None
    assert argv[2:4] == ("--no-graphics", "--net-softnet-block=0.0.0.0/0")
    assert survey(keep()).run_argv("third") is None


def test_only_listeners_on_the_gateway_or_on_every_address_count() -> None:
    listeners = survey(keep()).listeners(IPv4Address("192.168.64.1"))
    assert listeners == {22: "launchd", 18443: "socat", 18022: "socat", 3128: "squid"}
    assert survey(keep(), listening=None).listeners(IPv4Address("192.168.64.1")) is None


def test_the_hosts_own_addresses_are_those_of_no_bridge_and_no_loopback() -> None:
    assert survey(keep()).host_addresses() == (IPv4Address("10.0.10.2"),)


@pytest.mark.parametrize("name", ["nanoclaw-vm", "a; touch /", "$(reboot)"])
def test_the_script_is_sound_shell_whatever_the_guest_is_called(name: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-n"], input=script(name, MARK), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_only_asks() -> None:
    text = script("nanoclaw-vm", MARK)
    for word in (" -f ", " -F ", " -d", " -e ", " -E", " -X", " -k ", " -T replace", " -T add"):
        assert word not in text, word


PFCTL = """#!/bin/sh
case "$*" in
"-s info") echo "Status: Enabled" ;;
"-sr") echo 'anchor "com.apple/*" all' ;;
"-v -s Anchors") printf '  com.apple\\n  com.apple/a b\\n' ;;
"-a com.apple -sr") ;;
"-a com.apple/a b -sr") echo 'block drop in quick from <bad> to any' ;;
"-a com.apple/a b -s Tables") echo bad ;;
"-a com.apple/a b -t bad -T show") printf '   10.0.0.0/8\\n   1.1.1.1\\n' ;;
*) echo "not expected: $*"; exit 1 ;;
esac
"""


def test_the_script_runs_and_its_answer_is_what_is_read(tmp_path: Path) -> None:
    programs = {
        "pfctl": PFCTL,
        "sudo": '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n',
        "tart": '#!/bin/sh\n[ "$1" = list ] && echo "[]"\n',
        "lsof": "#!/bin/sh\necho COMMAND\n",
        "ifconfig": "#!/bin/sh\necho en0: flags\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    asked = script("nanoclaw-vm", MARK)
    asked = asked.replace("/sbin/pfctl", str(tmp_path / "pfctl"))
    asked = asked.replace("/opt/homebrew/bin/tart", str(tmp_path / "tart"))
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=asked,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=False,
    )
    found = read(done.stdout, MARK, "nanoclaw-vm")
    assert found.main == 'anchor "com.apple/*" all\n'
    assert {name: text.strip() for name, text in found.anchors.items()} == {
        "com.apple": "",
        "com.apple/a b": "block drop in quick from <bad> to any",
    }
    assert found.tables == {("com.apple/a b", "bad"): "   10.0.0.0/8\n   1.1.1.1\n"}
    assert (found.listening, found.running) == ("COMMAND\n", False)
    assert found.now is not None
