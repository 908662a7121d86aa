import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.mac.tart.arguments import Command, parse
from lab.mac.tart.cli import COMMANDS, version
from lab.mac.tart.disk_image import human
from lab.mac.tart.errors import (
    TartError,
    UsageError,
    VMAlreadyRunningError,
    VMDoesNotExistError,
    VMIsRunningError,
    VMNotRunningError,
)
from lab.mac.tart.remote_name import parse as parse_name
from lab.mac.tart.remote_name import parse_or_none
from lab.mac.tart.run_options import network_of
from lab.mac.tart.showing import table
from lab.mac.tart.vm_config import pretty, random_mac, set_display

RUN = COMMANDS["run"][0]
DIGEST = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_exit_table() -> None:
    assert VMDoesNotExistError("x").status == 2
    assert VMNotRunningError("x").status == 2
    assert VMAlreadyRunningError("x").status == 2
    assert VMIsRunningError("x").status == 1
    assert TartError("x").status == 1


def test_an_option_given_twice_keeps_the_last_value() -> None:
    values = parse(RUN, ["vm", "--net-softnet-allow=a", "--net-softnet-allow", "b"])
    assert values.options["net-softnet-allow"] == "b"


def test_dir_and_disk_add_up() -> None:
    assert parse(RUN, ["--dir", "a", "vm", "--dir=b"]).repeated["dir"] == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing expected argument '<name>'"),
        (["a", "b"], "Unexpected argument 'b'"),
        (["a", "--no-such"], "Unknown option '--no-such'"),
        (["a", "--dir"], "Missing value for '--dir <dir>'"),
        (["a", "--dir", "--nested"], "Missing value for '--dir <dir>'"),
        (["a", "-x"], "Unknown option '-x'"),
    ],
)
def test_wrong_words_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(RUN, words)
    assert str(caught.value) == message


def test_exec_leaves_the_commands_own_options_alone() -> None:
    values = parse(COMMANDS["exec"][0], ["-it", "vm", "ls", "-i", "--color"])
    assert values.flags == {"interactive", "tty"}
    assert values.positionals == ["vm", "ls", "-i", "--color"]


def test_short_options_take_values() -> None:
    assert parse(COMMANDS["stop"][0], ["vm", "-t", "5"]).integer("timeout") == 5
    assert parse(COMMANDS["stop"][0], ["vm", "--timeout=7"]).integer("timeout") == 7


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_words_either_parse_or_are_wrong_usage(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        assert len(parse(RUN, words).positionals) == 1


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ([], "shared"),
        (["--net-softnet"], "softnet"),
        (["--net-softnet-block=0.0.0.0/0"], "softnet"),
        (["--net-softnet-control-fd=3"], "softnet"),
        (["--net-host"], "host"),
        (["--net-bridged=en0"], "bridged"),
    ],
)
def test_softnet_options_imply_softnet(words: list[str], network: str) -> None:
    assert network_of(parse(RUN, ["vm", *words])) == network


def test_networks_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="mutually exclusive"):
        network_of(parse(RUN, ["vm", "--net-host", "--net-softnet-allow=@host"]))


# The cases of tart's own RemoteNameTests.swift.
@pytest.mark.parametrize(
    ("text", "host", "namespace", "reference"),
    [
        ("ghcr.io/a/b:latest", "ghcr.io", "a/b", ":latest"),
        ("ghcr.io/a/b", "ghcr.io", "a/b", ":latest"),
        ("ghcr.io/a/b:1.2.3-RC-1", "ghcr.io", "a/b", ":1.2.3-RC-1"),
        (f"ghcr.io/a/b@{DIGEST}", "ghcr.io", "a/b", f"@{DIGEST}"),
        ("127.0.0.1:8080/a/b", "127.0.0.1:8080", "a/b", ":latest"),
    ],
)
def test_remote_names(text: str, host: str, namespace: str, reference: str) -> None:
    name = parse_name(text)
    assert (name.host, name.namespace, name.reference) == (host, namespace, reference)


@pytest.mark.parametrize(
    "text",
    ["vm", "debian:latest", "127.0.0.1:/a/b", "ghcr.io/a/../b/c:latest", "touché.fr/a/b:latest"],
)
def test_these_name_no_image_of_a_registry(text: str) -> None:
    assert parse_or_none(text) is None


def test_json_is_printed_as_foundation_prints_it() -> None:
    assert pretty([{"Name": "a/b", "Disk": 50, "Running": False}]) == (
        '[\n  {\n    "Name" : "a\\/b",\n    "Disk" : 50,\n    "Running" : false\n  }\n]'
    )
    assert pretty([]) == "[\n\n]"


def test_the_text_table_has_no_running_column() -> None:
    rows = [{"Name": "a", "Running": True, "State": "running"}]
    assert table(rows) == "Name State\na    running"
    assert table([]) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(50_000_000_000, "50 GB"), (1_500_000, "1.5 MB"), (999, "999 bytes"), (0, "0 bytes")],
)
def test_sizes_read_as_apples_formatter_writes_them(size: int, text: str) -> None:
    assert human(size) == text


def test_a_random_mac_is_local_and_unicast() -> None:
    assert {int(random_mac()[:2], 16) & 3 for _ in range(50)} == {2}


def test_a_display_keeps_what_the_words_leave_out() -> None:
    config = {"display": {"width": 1024, "height": 768, "unit": "px"}}
    set_display(config, "x900pt")
    assert config == {"display": {"width": 1024, "height": 900, "unit": "pt"}}


def test_the_version_is_that_of_the_poured_keg() -> None:
    program = "/opt/homebrew/Cellar/tart/2.32.1/libexec/tart.app/Contents/MacOS/tart"
    assert version(program) == "2.32.1"


def test_usage_names_every_argument() -> None:
    assert Command("rename", ("name", "new-name")).usage().splitlines()[0] == (
        "Usage: tart rename <name> <new-name>"
    )
