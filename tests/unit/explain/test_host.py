"""One round trip to the host: what the script asks, and how its answer is read."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from clawkeep.explain.host import Host, read, script
from clawkeep.survey import MARK, NEVER, PARTS
from tests.unit.explain.hosts import INTERFACES, LSOF, RUN, host, keep

ROOT = "".join(f"{MARK} {name}\n\n" for name in PARTS if name not in {"info", "main"})
ANSWER = f"""\
{MARK} list
[{{"Source": "local", "Name": "nanoclaw-vm", "Disk": 50, "State": "running"}}]
{MARK} address
192.168.64.2 agent
{MARK} ifconfig
{INTERFACES}{MARK} processes
{RUN}{MARK} info
Status: Enabled
{MARK} main
anchor "com.apple/*" all
{ROOT}{MARK} anchor com.apple/000.clawkeep
block drop quick all
{MARK} table com.apple/000.clawkeep priv
   10.0.0.0/8
{MARK} anchor com.apple/my anchor
{MARK} listening
{LSOF}{MARK} end
"""


def answered(text: str = ANSWER) -> Host:
    return read(text, "nanoclaw-vm")


def test_every_part_is_read() -> None:
    found = answered()
    assert (found.running, found.address, found.survey.asked) == (True, "192.168.64.2", True)
    assert found.survey.seen.main == ('anchor "com.apple/*" all',)
    assert found.anchors == {
        "com.apple/000.clawkeep": "block drop quick all\n",
        "com.apple/my anchor": "",
    }
    assert found.tables == {("com.apple/000.clawkeep", "priv"): "   10.0.0.0/8\n"}
    assert str(found.link().gateway) == "192.168.64.1"


def test_an_answer_that_was_cut_short_says_nothing_of_what_root_asked() -> None:
    found = answered(ANSWER[: ANSWER.index(f"{MARK} listening")])
    assert (found.survey.asked, found.anchors, found.listening) == (False, {}, None)
    assert found.address == "192.168.64.2"


def test_a_pfctl_that_failed_is_not_a_pf_that_is_off() -> None:
    assert not answered(ANSWER.replace("Status: Enabled\n", "")).survey.asked


def test_a_guest_that_tart_does_not_list_is_not_running() -> None:
    assert read(ANSWER, "other").running is False
    assert answered("").running is None


def test_the_guests_own_tart_run_is_found_not_its_supervisor_nor_another_guest() -> None:
    argv = host(keep()).run_argv("nanoclaw-vm")
    assert argv is not None
    assert argv[2:4] == ("--no-graphics", "--net-softnet-block=0.0.0.0/0")
    assert host(keep()).run_argv("third") is None


def test_only_listeners_on_the_gateway_or_on_every_address_count() -> None:
    listeners = host(keep()).listeners(IPv4Address("192.168.64.1"))
    assert listeners == {22: "launchd", 18443: "socat", 18022: "socat", 3128: "squid"}
    assert host(keep(), listening=None).listeners(IPv4Address("192.168.64.1")) is None


@pytest.mark.parametrize("name", ["nanoclaw-vm", "a; touch /", "$(reboot)"])
def test_the_script_is_sound_shell_whatever_the_guest_is_called(name: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-n"], input=script(name), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_only_asks() -> None:
    text = script("nanoclaw-vm")
    for word in (" -f ", " -F ", " -d", " -e ", " -E", " -X", " -k ", " -T replace", " -T add"):
        assert word not in text, word


PFCTL = """#!/bin/sh
case "$*" in
"-s info") echo "Status: Enabled" ;;
"-sr") echo 'anchor "com.apple/*" all' ;;
"-v -s Anchors") printf '  com.apple\\n  com.apple/a b\\n' ;;
"-a com.apple -sr") ;;
"-a com.apple/00"*" -sr") ;;
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
    asked = script("nanoclaw-vm")
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
    found = answered(done.stdout)
    assert found.survey.asked
    assert found.survey.seen.main == ('anchor "com.apple/*" all',)
    assert {name: text.strip() for name, text in found.anchors.items()} == {
        "com.apple": "",
        "com.apple/a b": "block drop in quick from <bad> to any",
    }
    assert found.tables == {("com.apple/a b", "bad"): "   10.0.0.0/8\n   1.1.1.1\n"}
    assert (found.listening, found.running) == ("COMMAND\n\n", False)
    assert found.survey.now < NEVER
