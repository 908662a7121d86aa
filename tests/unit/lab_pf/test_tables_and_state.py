"""Tables as sets, states as bits, and the kernel's memory of rules."""

import plistlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lab.mac.pf.compile.filter import referenced
from lab.mac.pf.compile.sets import intervals
from lab.mac.pf.compile.states import bit_for, serials
from lab.mac.pf.kernel import Kernel
from lab.mac.pf.rules import rule_from_json
from lab.mac.pf.tables import change, matching, show
from tests.unit.lab_pf.test_rules_text import parsed

LAB = Path(__file__).parents[3] / "lab"


def test_the_longest_prefix_of_a_table_decides() -> None:
    found = intervals(["10.0.0.0/8", "!10.0.0.0/16", "10.0.0.7", "fd00::/8"], "inet")
    assert found == [(0x0A000007, 0x0A000007), (0x0A010000, 0x0AFFFFFF)]
    assert intervals(["10.0.0.0/8"], "inet6") == []


def test_a_state_made_going_in_covers_its_answers_going_out_and_nothing_else() -> None:
    assert bit_for(False, "original") == bit_for(True, "reply") == 1
    assert bit_for(True, "original") == bit_for(False, "reply") == 2


def test_the_mark_of_a_connection_names_the_rules_that_made_its_states() -> None:
    assert serials(0x1 | 5 << 2) == [(1, 5)]
    assert serials(0x3 | 5 << 2 | 9 << 17) == [(1, 5), (2, 9)]
    assert serials(0) == []


def test_a_wildcard_means_the_direct_children_by_name() -> None:
    kernel = Kernel()
    rules = parsed("block\n").rulesets[""]
    for path in ("com.apple/200.b", "com.apple/000.a/deep", "com.apple/100.c", "other"):
        kernel.set_rules(path, "filter", rules)
    expected = ["com.apple/000.a", "com.apple/100.c", "com.apple/200.b"]
    assert referenced(kernel, "", "com.apple/*") == expected
    assert referenced(kernel, "com.apple", "000.a") == ["com.apple/000.a"]
    assert referenced(kernel, "com.apple", "/other") == ["other"]


def test_skip_names_one_interface_or_every_number_of_a_driver() -> None:
    kernel = Kernel()
    kernel.set_rules("x", "filter", parsed("block on bridge105\n").rulesets[""])
    there = ["bridge", "bridge0", "bridge100", "bridgex", "lo0"]
    assert kernel.interfaces(there) == sorted(["ALL", "bridge105", *there])
    kernel.skip(["bridge", "lo0", "en0"], there)
    assert sorted(kernel.data["skip"]) == ["bridge", "bridge0", "bridge100", "bridge105", "lo0"]
    kernel.data["skip"] = []
    kernel.skip(["bridge10"], there)
    assert kernel.data["skip"] == []


@given(
    st.sampled_from(
        [
            "pass in quick on en0 inet proto tcp from 10/8 to <t> port 1:9 flags S/SA keep state\n",
            "nat on en0 inet from 10/8 to any -> (en0:0)\n",
            "rdr on en0 inet proto tcp from any to any port 80 -> 127.0.0.1 port 8080\n",
            "block return-icmp(13) in log (all) user operator label x\n",
            'anchor "a" in quick on ! en0\n',
            "pass out route-to (en0 10.0.10.1) inet from any to any\n",
        ]
    )
)
def test_a_rule_survives_being_stored(text: str) -> None:
    (rule,) = parsed(text).rulesets[""]
    assert rule_from_json(rule.to_json()) == rule


def test_table_commands_say_what_they_did() -> None:
    kernel = Kernel()
    assert change(kernel, "a", "t", "add", ["10.0.0.0/8", "1.2.3.4"]) == [
        "1 table created.",
        "2/2 addresses added.",
    ]
    assert change(kernel, "a", "t", "add", ["1.2.3.4"]) == ["0/1 addresses added."]
    assert show(kernel, "a", "t") == ["   1.2.3.4", "   10.0.0.0/8"]
    assert matching(kernel, "a", "t", ["10.9.9.9", "11.0.0.1"]) == ["10.9.9.9"]
    assert change(kernel, "a", "t", "replace", ["1.2.3.4"]) == ["1 addresses deleted."]
    assert change(kernel, "a", "t", "replace", ["1.2.3.4"]) == ["no changes."]
    assert change(kernel, "a", "t", "delete", ["9.9.9.9"]) == ["0/1 addresses deleted."]
    assert change(kernel, "a", "t", "flush", []) == ["1 addresses deleted."]
    assert change(kernel, "a", "t", "kill", []) == ["1 table deleted."]


def test_the_boot_job_loads_pf_at_boot_and_never_enables_it() -> None:
    path = LAB / "mac" / "system_launchdaemons" / "com.apple.pfctl.plist"
    job = plistlib.loads(path.read_bytes())
    assert (job["Label"], job["RunAtLoad"]) == ("com.apple.pfctl", True)
    assert "mac.pf.boot" in job["ProgramArguments"][-1]
    assert "-e" not in job["ProgramArguments"]
