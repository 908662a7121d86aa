"""The report on MLX and CoreML: what a machine says of itself, and what follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from clawkeep.skills import registry
from clawkeep.skills.tools import Failed, NeedsMac, Ran, Tools


class Machine(Tools):
    """A machine that answers sysctl and system_profiler."""

    def __init__(self, said: Mapping[str, str], gpu: Any, on_a_mac: bool = True) -> None:
        super().__init__({"least_gb": 8})
        self.said, self.gpu, self.on_a_mac = said, gpu, on_a_mac

    def run(self, *argv: str, **_: Any) -> Ran:
        if argv[0].endswith("system_profiler"):
            return Ran(0, json.dumps({"SPDisplaysDataType": self.gpu}), "")
        found = self.said.get(argv[-1])
        return Ran(0, found + "\n", "") if found else Ran(1, "", f"unknown oid '{argv[-1]}'")


GUEST = {
    "machdep.cpu.brand_string": "Apple M4 (Virtual)",
    "hw.memsize": "8589934592",
    "kern.hv_vmm_present": "1",
}
HOST = {
    "machdep.cpu.brand_string": "Apple M4",
    "hw.memsize": "17179869184",
    "kern.hv_vmm_present": "0",
}


def gpu(name: str) -> list[dict[str, str]]:
    return [{"sppci_model": name, "spdisplays_mtlgpufamilysupport": "spdisplays_metal3"}]


@pytest.mark.parametrize(
    ("said", "gpus", "verdict"),
    [
        (GUEST, gpu("Apple Paravirtual device"), "MLX no-go: it crashes on a paravirtual GPU"),
        (GUEST, gpu("Apple M4"), "MLX no-go"),
        (GUEST, [], "MLX no-go: no Apple GPU"),
        (HOST, gpu("Apple M4"), "MLX go; CoreML go"),
        ({**HOST, "hw.memsize": "4294967296"}, gpu("Apple M4"), "MLX no-go: 4 GB, it takes 8"),
    ],
)
def test_the_verdict_follows_from_the_machine(
    said: dict[str, str], gpus: list[dict[str, str]], verdict: str
) -> None:
    machine = Machine(said, gpus)
    assert verdict in registry()["ml_report"].probe(machine)
    assert machine.measured["metal"] == ("metal3" if gpus else "none")


def test_what_is_no_mac_is_no_report() -> None:
    with pytest.raises(NeedsMac, match="only a Mac has a GPU"):
        registry()["ml_report"].probe(Machine(GUEST, [], on_a_mac=False))


def test_a_mac_that_does_not_say_is_a_failure() -> None:
    with pytest.raises(Failed, match="does not say which GPU"):
        registry()["ml_report"].probe(Machine(HOST, None))
