"""What a run asks: everything that is open answers, and nothing else may."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from clawkeep.canary.plan import HOST_PORTS, MAX_TARGETS, PROTOCOLS, plan
from clawkeep.canary.probe import ANSWER, SILENCE, Decoys, Plan, Surroundings, permitted
from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Door, Openings

NONCE = "0123456789abcdef0123456789abcdef"
LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
GATEWAY = "192.168.64.1"
AROUND = Surroundings(
    decoys=Decoys(tcp=50001, udp=50002, tcp6=50003),
    own=("10.0.10.2",),
    gateway6="fe80::1",
    lan=("10.0.10.1",),
    guests=("192.168.64.9",),
    targets=(("10.0.30.10", 443), ("10.0.30.20", 22)),
)
TLS = Door("vault", 18443, "vault.lan", 443, kind="tls", server_name="vault.lan", ca="PEM")
SSH = Door("nas", 18022, "10.0.30.20", 22, kind="ssh")
HTTP = Door("home", 18123, "10.0.30.5", 8123, kind="http", guest_name="home.lan")


def by_name(made: Plan) -> dict[str, tuple[str, str]]:
    return {probe.name: (probe.what, probe.expected) for probe in made.probes}


def asked(made: Plan, what: str, host: str, port: int = 0) -> list[str]:
    found = [p for p in made.probes if (p.what, p.host, p.port) == (what, host, port)]
    return [probe.expected for probe in found]


def test_each_door_is_asked_as_what_it_is() -> None:
    made = plan(Openings(doors=(TLS, SSH, HTTP)), LINK, AROUND, NONCE)
    doors = {p.name: p for p in made.probes if p.expected == ANSWER}
    assert {name: (p.what, p.host, p.port, p.rule) for name, p in doors.items()} == {
        "door vault": ("tls", GATEWAY, 18443, "clawkeep-svc-vault"),
        "door nas": ("ssh", GATEWAY, 18022, "clawkeep-svc-nas"),
        "door home": ("http", GATEWAY, 18123, "clawkeep-svc-home"),
    }
    assert doors["door vault"].question["server_name"] == "vault.lan"
    assert doors["door vault"].question["ca"] == "PEM"
    assert doors["door home"].question["authority"] == "home.lan:18123"


def test_with_nothing_open_nothing_is_expected_to_answer() -> None:
    made = plan(Openings(), LINK, AROUND, NONCE)
    assert {p.expected for p in made.probes} == {SILENCE}
    for port in (*HOST_PORTS, 53, PROXY_PORT, RESOLVER_PORT, 50001):
        assert asked(made, "open", GATEWAY, port) == [SILENCE], port
    for port in HOST_PORTS:
        assert asked(made, "open", "10.0.10.2", port) == [SILENCE], port
    for what, host, port in (
        ("open", "1.1.1.1", 443),
        ("open", "1.1.1.1", 53),
        ("open", "10.0.10.1", 22),
        ("open", "10.0.30.10", 443),
        ("open", "192.168.64.9", 22),
        ("open", "fe80::1", 22),
        ("open", "fe80::1", 50003),
        ("open", "2606:4700:4700::1111", 443),
        ("dns", "1.1.1.1", 53),
        ("dns", GATEWAY, 53),
        ("udp", GATEWAY, 50002),
        ("udp", "1.1.1.1", 443),
        ("mdns", GATEWAY, 5353),
        ("mdns", "224.0.0.251", 5353),
        ("ping", GATEWAY, 0),
        ("ping", "1.1.1.1", 0),
        ("ping", "10.0.10.1", 0),
        ("ping", "192.168.64.9", 0),
        ("name", "example.com", 443),
    ):
        assert asked(made, what, host, port) == [SILENCE], (what, host)


def test_a_door_on_a_common_port_is_no_leak_at_the_gateway_but_one_elsewhere() -> None:
    made = plan(Openings(doors=(Door("air", 7000, "10.0.30.7", 7000),)), LINK, AROUND, NONCE)
    assert asked(made, "open", GATEWAY, 7000) == []
    assert asked(made, "open", "10.0.10.2", 7000) == [SILENCE]


def test_the_proxy_serves_a_declared_name_and_refuses_the_rest() -> None:
    names = (".github.com", "api.anthropic.com", "example.com")
    made = plan(Openings(domains=names), LINK, AROUND, NONCE)
    tunnels = {p.question["asked"]: p.expected for p in made.probes if p.what == "connect"}
    assert tunnels == {
        "api.anthropic.com": ANSWER,
        "1.1.1.1": SILENCE,
        GATEWAY: SILENCE,
        "127.0.0.1": SILENCE,
        "10.0.30.10": SILENCE,
        "example.org": SILENCE,
    }
    assert asked(made, "open", GATEWAY, PROXY_PORT) == []


def test_report_mode_says_that_undeclared_names_are_not_asked() -> None:
    made = plan(Openings(domains=("api.anthropic.com",), report=True), LINK, AROUND, NONCE)
    tunnels = {p.question["asked"] for p in made.probes if p.what == "connect"}
    assert "example.com" not in tunnels
    assert "1.1.1.1" in tunnels
    assert any("report mode" in note for note in made.notes)


def test_a_resolver_must_answer_and_must_not_know_other_names() -> None:
    made = plan(Openings(doors=(HTTP,), resolver=True), LINK, AROUND, NONCE)
    assert by_name(made)["resolver"] == ("dns", ANSWER)
    assert by_name(made)["resolver for other names"] == ("resolves", SILENCE)
    assert asked(made, "open", GATEWAY, RESOLVER_PORT) == []


def test_a_declared_network_is_not_taken_for_a_leak() -> None:
    openings = Openings(cidrs=("1.1.1.1/32", "9.0.0.0/8"), ports=(443,))
    made = plan(openings, LINK, AROUND, NONCE)
    assert asked(made, "tcp", "1.1.1.1", 443) == [ANSWER]
    assert asked(made, "open", "1.1.1.1", 443) == []
    assert asked(made, "open", "9.9.9.9", 443) == []
    assert asked(made, "open", "8.8.8.8", 443) == [SILENCE]
    assert asked(made, "udp", "1.1.1.1", 443) == [SILENCE]
    assert asked(made, "ping", "1.1.1.1") == [SILENCE]


def test_who_is_not_there_is_said() -> None:
    made = plan(Openings(), LINK, Surroundings(decoys=Decoys(50001, 50002)), NONCE)
    assert made.notes == (
        "another guest: absent",
        "another LAN host: none known",
        "the gateway has no IPv6 address",
    )


def test_with_many_services_each_run_asks_some_of_them_directly() -> None:
    many = Surroundings(
        decoys=AROUND.decoys, targets=tuple((f"10.1.0.{n}", 443) for n in range(1, 101))
    )
    runs = [plan(Openings(), LINK, many, nonce) for nonce in (NONCE, NONCE[::-1])]
    hosts = [{p.host for p in run.probes if p.host.startswith("10.1.0.")} for run in runs]
    assert [len(some) for some in hosts] == [MAX_TARGETS, MAX_TARGETS]
    assert hosts[0] != hosts[1]


def test_the_guest_is_not_told_what_is_expected() -> None:
    for question in plan(Openings(doors=(TLS,)), LINK, AROUND, NONCE).questions["probes"]:
        assert not question.keys() & {"expected", "rule", "name"}


doors = st.lists(
    st.builds(
        Door,
        name=st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
        port=st.one_of(
            st.integers(1024, 65535), st.sampled_from([p for p in HOST_PORTS if p > 1023])
        ),
        target_host=st.just("10.0.30.5"),
        target_port=st.integers(1, 65535),
        kind=st.sampled_from(["tls", "http", "ssh", "tcp"]),
    ),
    max_size=6,
    unique_by=(lambda door: door.name, lambda door: door.port),
).map(tuple)
openings = st.builds(
    Openings,
    doors=doors,
    cidrs=st.sampled_from([(), ("1.1.1.1/32",), ("8.8.8.0/24", "93.184.215.14")]),
    ports=st.sampled_from([(443,), (443, 53), (80,)]),
    domains=st.sampled_from([(), ("api.anthropic.com",), (".example.com", "example.org")]),
    window=st.sampled_from([(), ("github.com",)]),
    report=st.booleans(),
    resolver=st.booleans(),
)
surroundings = st.builds(
    Surroundings,
    decoys=st.just(AROUND.decoys),
    own=st.sampled_from([(), ("10.0.10.2", "100.64.0.3")]),
    gateway6=st.sampled_from([None, "fe80::1"]),
    lan=st.sampled_from([(), ("10.0.10.1",)]),
    guests=st.sampled_from([(), ("192.168.64.9",)]),
    targets=st.lists(
        st.tuples(st.sampled_from(["10.0.30.5", "1.1.1.1"]), st.integers(1, 65535)), max_size=4
    ).map(tuple),
)


def opened(made: Openings, host: str, port: int) -> bool:
    """Whether the anchor passes TCP there: said once more, in other words."""
    if host == GATEWAY:
        allowed = {door.port for door in made.doors}
        allowed |= {PROXY_PORT} if made.domains or made.window or made.report else set()
        allowed |= {RESOLVER_PORT} if made.resolver else set()
        return port in allowed
    networks = [ip_network(cidr) for cidr in made.cidrs]
    v4 = ":" not in host
    return v4 and port in made.ports and any(IPv4Address(host) in net for net in networks)


@given(openings, surroundings)
def test_nothing_undeclared_is_ever_expected_to_answer_and_nothing_open_to_be_silent(
    made: Openings, around: Surroundings
) -> None:
    for probe in plan(made, LINK, around, NONCE).probes:
        protocol = PROTOCOLS.get(probe.what, "tcp")
        if probe.what in {"name", "connect", "resolves"}:
            continue  # decided by what is asked for; see the tests of proxy and resolver
        if probe.expected == ANSWER:
            assert permitted(made, LINK, protocol, probe.host, probe.port), probe
            if protocol == "tcp":
                assert opened(made, probe.host, probe.port), probe
        else:
            assert not permitted(made, LINK, protocol, probe.host, probe.port), probe
            assert not (protocol == "tcp" and opened(made, probe.host, probe.port)), probe


@given(openings, surroundings)
def test_every_door_is_asked_and_every_probe_has_its_own_name_and_nonce(
    made: Openings, around: Surroundings
) -> None:
    result = plan(made, LINK, around, NONCE)
    assert {f"door {door.name}" for door in made.doors} <= {p.name for p in result.probes}
    assert len({p.name for p in result.probes}) == len(result.probes)
    assert len({p.nonce for p in result.probes}) == len(result.probes)
    other = plan(made, LINK, around, NONCE[::-1])
    assert not {p.nonce for p in other.probes} & {p.nonce for p in result.probes}
