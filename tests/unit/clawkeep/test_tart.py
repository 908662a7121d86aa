"""What is said to tart, and how its answers are read."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep import tart
from clawkeep.tart import VM, Size

# reference/tart.md §1.6
LIST = """[
  {"Source":"local","Name":"keep","Disk":50,"Size":21,"Accessed":"2026-01-02T03:04:05Z",
   "Running":true,"State":"running"},
  {"Source":"OCI","Name":"ghcr.io/x/y:latest","Disk":50,"Size":21,"Running":false,
   "State":"stopped"},
  {"Source":"local","Name":"keep-base","Disk":50,"Size":20,"Running":false,"State":"stopped"}
]"""
GET = (
    '{"OS":"darwin","CPU":4,"Memory":8192,"Disk":50,"DiskFormat":"raw","Size":"21.512",'
    '"Display":"1024x768","Running":false,"State":"stopped"}'
)


def test_local_vms_are_read_with_their_states() -> None:
    assert tart.parse_list(LIST) == (VM("keep", "running", 50), VM("keep-base", "stopped", 50))
    assert [vm.running for vm in tart.parse_list(LIST)] == [True, False]


def test_no_vm_is_an_answer_too() -> None:
    assert tart.parse_list("[]") == ()


def test_a_size_is_read() -> None:
    assert tart.parse_get(GET) == Size(cpu=4, memory_mb=8192, disk_gb=50)


@pytest.mark.parametrize(
    "text",
    ["", "Source Name", "{}", "null", "[1]", "[[]]", '[{"Source":"local"}]', "[null]",
     '[{"Name":"a","Disk":"big"}]', '[{"Name":"a","Disk":null}]'],
)  # fmt: skip
def test_another_answer_than_documented_is_an_error_and_never_no_vm(text: str) -> None:
    with pytest.raises(tart.TartError):
        tart.parse_list(text)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"CPU":4,"Memory":1}', '{"CPU":null,"Memory":1,"Disk":2}']
)
def test_a_size_that_is_incomplete_is_an_error(text: str) -> None:
    with pytest.raises(tart.TartError):
        tart.parse_get(text)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["Name", "Disk", "CPU"]), inner)
    ),
)


@given(json_like)
def test_no_json_makes_the_readers_fail_otherwise(data: object) -> None:
    for read in (tart.parse_list, tart.parse_get):
        with contextlib.suppress(tart.TartError):
            read(json.dumps(data))


@pytest.mark.parametrize(
    ("wanted", "flags"),
    [
        (Size(8, 8192, 50), ["--cpu", "8"]),
        (Size(4, 4096, 50), ["--memory", "4096"]),
        (Size(4, 8192, 51), ["--disk-size", "51"]),
        (Size(6, 16384, 80), ["--disk-size", "80", "--cpu", "6", "--memory", "16384"]),
    ],
)
def test_only_what_differs_is_set(wanted: Size, flags: list[str]) -> None:
    command = tart.set_size("keep", wanted, Size(4, 8192, 50))
    assert command == ["/opt/homebrew/bin/tart", "set", "keep", *flags]


def test_a_disk_never_shrinks() -> None:
    with pytest.raises(ValueError, match="cannot shrink to 50 GB; declare disk_gb >= 60"):
        tart.set_size("keep", Size(4, 8192, 50), Size(4, 8192, 60))


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("echo 192.168.64.5", "192.168.64.5 agent"),
        ('case "$*" in *agent) echo no agent >&2; exit 1;; esac; echo 192.168.64.6',
         "192.168.64.6 dhcp"),
        ("echo not running >&2; exit 1", ""),
    ],
)  # fmt: skip
def test_the_agent_is_asked_for_the_address_and_then_the_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, answer: str
) -> None:
    fake = tmp_path / "tart"
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(tart, "TART", str(fake))
    done = subprocess.run(
        ["/bin/sh", "-c", tart.address("keep")], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == (answer, "")
