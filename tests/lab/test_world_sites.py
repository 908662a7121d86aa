"""What tests of egress need of the lab's outside: names that mislead, transfers that last."""

import subprocess
import time

import pytest

from lab.lab import Lab
from tests.lab.tart_host import wait_for

pytestmark = pytest.mark.lab

RESOLVE = "import socket,sys; print(socket.gethostbyname(sys.argv[1]))"
DOWNLOAD = "https://download.example/slow"
STREAM = "http://10.0.30.5:8123/stream"


def curl(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/curl", "-sS", "--max-time", "8", *words]
    return lab.exec("host", command, user="operator")


def resolve(lab: Lab, name: str) -> str:
    return lab.exec("host", ["/usr/bin/python3", "-c", RESOLVE, name]).stdout.strip()


@pytest.mark.parametrize(
    "name",
    ["api.anthropic.com", "discord.com", "gateway.discord.gg", "statsig.anthropic.com",
     "sentry.io", "example.com", "download.example"],
)  # fmt: skip
def test_sites_answer_on_443_with_a_certificate_and_on_80(lab: Lab, name: str) -> None:
    assert curl(lab, f"https://{name}/").stdout == f"lab: {name}\n"
    assert curl(lab, f"http://{name}/").stdout == f"lab: {name}\n"


def test_a_public_name_leads_into_the_lan(lab: Lab) -> None:
    assert resolve(lab, "rebind.example") == "10.0.30.99"
    assert "nobody may reach" in curl(lab, "http://rebind.example/").stdout


def test_a_name_is_public_and_private_in_turns(lab: Lab) -> None:
    seen = [resolve(lab, "flip.example") for _ in range(4)]

    assert set(seen) == {"203.0.113.201", "10.0.30.99"}
    assert seen[:2] == seen[2:]
    public = curl(lab, "--resolve", "flip.example:443:203.0.113.201", "https://flip.example/")
    assert public.stdout == "lab: flip.example\n"


def test_a_public_address_answers_on_port_22(lab: Lab) -> None:
    scan = ["/usr/bin/ssh-keyscan", "-T", "5", "-t", "ed25519", "github.com"]

    assert lab.exec("host", scan).stdout.startswith("github.com ssh-ed25519 ")
    assert [v for v in lab.visits() if v["service"] == "public-ssh"]


@pytest.mark.parametrize(
    ("url", "length"), [(f"{DOWNLOAD}?seconds=1&rate=50000", 50_000), (f"{STREAM}?seconds=1", 20)]
)
def test_a_transfer_lasts_as_long_as_asked_for(lab: Lab, url: str, length: int) -> None:
    began = time.monotonic()

    answer = curl(lab, url)

    assert answer.returncode == 0
    assert len(answer.stdout) == length
    assert 0.8 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("url", "where"), [(f"{DOWNLOAD}?seconds=4", "internet"), (f"{STREAM}?seconds=4", "lan")]
)
def test_a_transfer_that_is_cut_is_seen_by_both_ends(lab: Lab, url: str, where: str) -> None:
    cut = curl(lab, "--max-time", "0.5", url)

    assert cut.returncode == 28
    assert cut.stdout != ""

    def noted() -> bool:
        return any(visit.get("whole") is False for visit in lab.visits(where))

    wait_for("the server to notice", noted)
