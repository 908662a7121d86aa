"""The lab's LAN and internet answer as the real ones would, and lead nowhere else."""

import json
import re
import socket
import subprocess
import time

import pytest

from lab.lab import Lab

pytestmark = pytest.mark.lab

CURL = ("/usr/bin/curl", "--silent", "--show-error", "--max-time", "5")
RESOLVE = "import socket,sys; print(socket.gethostbyname(sys.argv[1]))"
# A DNS query of our own making, over UDP or TCP: argv = server, protocol, name.
QUERY = """
import socket, struct, sys
server, protocol, name = sys.argv[1:]
question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\\0\\0\\1\\0\\1"
query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question
kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
with socket.socket(socket.AF_INET, kind) as s:
    s.settimeout(3)
    s.connect((server, 53))
    s.sendall(query if protocol == "udp" else struct.pack("!H", len(query)) + query)
    reply = s.recv(2048) if protocol == "udp" else s.recv(2048)[2:] or s.recv(2048)
number, flags = struct.unpack("!HH", reply[:4])
print(number, flags & 15, socket.inet_ntoa(reply[-4:]))
"""


def on_host(lab: Lab, *command: str) -> subprocess.CompletedProcess[str]:
    return lab.exec("host", command, user="operator")


def curl(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return on_host(lab, *CURL, *words)


def links(lab: Lab, machine: str) -> list[str]:
    ip = "/System/Lab/linux/bin/ip" if machine == "host" else "/bin/ip"
    rows = json.loads(lab.exec(machine, [ip, "-j", "link"], check=True).stdout)
    # Every namespace has the fallback devices of loaded tunnel modules; they carry nothing.
    return [row["ifname"] for row in rows if row.get("link_type") in {"ether", "loopback"}]


def python(lab: Lab, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return on_host(lab, "/usr/bin/python3", "-c", code, *words)


def test_vaultwarden_answers_with_the_right_name_in_its_certificate(lab: Lab) -> None:
    answer = curl(lab, "https://bitwarden.cstrube.de/alive")

    assert answer.returncode == 0, answer.stderr
    assert re.fullmatch(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', answer.stdout)


def test_vaultwardens_certificate_is_no_good_for_another_name(lab: Lab) -> None:
    answer = curl(lab, "--resolve", "other.example:443:10.0.30.10", "https://other.example/alive")

    assert answer.returncode == 60
    assert "no alternative certificate subject name matches" in answer.stderr


def test_certificates_are_the_labs_own(lab: Lab) -> None:
    answer = curl(lab, "--cacert", "/dev/null", "https://bitwarden.cstrube.de/alive")

    assert answer.returncode != 0
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [("X-None: 1", "401", "401: Unauthorized"), ("Authorization: Bearer t", "200", "API running.")],
)
def test_home_assistant_wants_a_token(lab: Lab, header: str, status: str, body: str) -> None:
    answer = curl(lab, "-H", header, "-w", "\n%{http_code}", "http://10.0.30.5:8123/api/")

    assert answer.stdout.splitlines()[-1] == status
    assert body in answer.stdout


@pytest.mark.parametrize("name", ["10.0.40.100", "kubernetes", "kubernetes.default"])
def test_the_api_server_answers_under_its_names(lab: Lab, name: str) -> None:
    target = ["--connect-to", "::10.0.40.100:6443", f"https://{name}:6443/version"]

    assert json.loads(curl(lab, *target).stdout)["gitVersion"] == "v1.34.1"


def test_the_api_server_refuses_another_name(lab: Lab) -> None:
    answer = curl(lab, "--connect-to", "::10.0.40.100:6443", "-k", "https://other:6443/version")

    assert answer.returncode == 35  # the handshake fails, whatever the client would accept


def test_the_api_server_wants_credentials(lab: Lab) -> None:
    answer = curl(lab, "https://10.0.40.100:6443/api/v1/pods")

    assert json.loads(answer.stdout)["reason"] == "Unauthorized"


@pytest.mark.parametrize("address", ["10.0.30.20", "10.0.30.99"])
def test_a_real_sshd_shows_its_banner_and_key(lab: Lab, address: str) -> None:
    answer = on_host(lab, "/usr/bin/ssh-keyscan", "-T", "5", "-t", "ed25519", address)

    assert answer.stdout.startswith(f"{address} ssh-ed25519 AAAA")


def test_the_two_sshds_have_keys_of_their_own(lab: Lab) -> None:
    scan = ("/usr/bin/ssh-keyscan", "-T", "5", "-t", "ed25519")
    keys = {on_host(lab, *scan, to).stdout.split()[-1] for to in ("10.0.30.20", "10.0.30.99")}

    assert len(keys) == 2


def test_what_nobody_may_reach_is_there_to_be_reached(lab: Lab) -> None:
    assert "nobody may reach" in curl(lab, "http://10.0.30.99/").stdout
    assert "nobody may reach" in curl(lab, "-k", "https://10.0.30.99/").stdout
    assert [v["service"] for v in lab.visits("lan") if v["to"].startswith("10.0.30.99:80")]


@pytest.mark.parametrize("server", ["10.0.10.1", "1.1.1.1", "8.8.8.8"])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_resolvers_know_the_labs_names_and_no_others(lab: Lab, server: str, protocol: str) -> None:
    assert python(lab, QUERY, server, protocol, "github.com").stdout == "7 0 140.82.112.4\n"
    assert python(lab, QUERY, server, protocol, "debian.org").stdout.startswith("7 3 ")


def test_only_the_lans_resolver_knows_the_lans_names(lab: Lab) -> None:
    name = "bitwarden.cstrube.de"

    assert python(lab, QUERY, "10.0.10.1", "udp", name).stdout == "7 0 10.0.30.10\n"
    assert python(lab, QUERY, "1.1.1.1", "udp", name).stdout.startswith("7 3 ")
    assert python(lab, RESOLVE, name).stdout == "10.0.30.10\n"


@pytest.mark.parametrize("name", ["claude.ai", "api.anthropic.com", "discord.com", "example.com"])
def test_internet_sites_answer_by_name_and_the_visit_is_noted(lab: Lab, name: str) -> None:
    answer = curl(lab, f"https://{name}/x")

    assert (answer.returncode, answer.stdout) == (0, f"lab: {name}\n")
    assert [v["from"].split(":")[0] for v in lab.visits() if v.get("host") == name] == ["10.0.10.2"]


def test_a_registered_site_answers_from_its_function(lab: Lab) -> None:
    assert "Simple index" in curl(lab, "https://packages.lab.internet/simple/").stdout


def test_icmp_reaches_the_internet_and_the_lan(lab: Lab) -> None:
    for address in ("1.1.1.1", "10.0.30.5"):
        assert on_host(lab, "/sbin/ping", "-c", "1", address).returncode == 0


def test_no_namespace_of_the_lab_has_a_wire_to_the_machine(lab: Lab) -> None:
    assert links(lab, "lan") == ["lo", "lan0", "wan0"]
    assert links(lab, "internet") == ["lo", "eth0"]
    assert links(lab, "host") == ["lo", "en0"]
    assert {name for _, name in socket.if_nameindex()}.isdisjoint({"lan0", "wan0", "en0"})


def test_a_packet_to_the_real_internet_ends_in_the_labs(lab: Lab) -> None:
    # 9.9.9.9 is nobody's in the lab. The packet crosses the LAN, and the lab's internet drops it.
    def seen() -> int:
        row = lab.exec("internet", ["/bin/grep", "eth0", "/proc/self/net/dev"], check=True).stdout
        return int(row.split()[2])

    before = seen()
    probe = on_host(lab, "/usr/bin/nc", "-z", "-w", "1", "9.9.9.9", "443")

    assert probe.returncode != 0
    assert seen() > before
    trace = lab.exec("internet", ["/bin/ip", "-4", "route", "show", "default"]).stdout
    assert trace.startswith("default via 198.51.100.1 dev eth0")


def test_private_addresses_that_are_nobodys_are_unreachable(lab: Lab) -> None:
    began = time.monotonic()

    assert curl(lab, "http://172.16.9.9/").returncode == 7
    assert time.monotonic() - began < 3  # refused by the LAN's router, not timed out


def test_the_machines_own_services_are_out_of_reach(lab: Lab) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = str(server.getsockname()[1])
        for address in ("10.0.10.1", "127.0.0.1", "198.51.100.1"):
            assert on_host(lab, "/usr/bin/nc", "-z", "-w", "1", address, port).returncode != 0
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
