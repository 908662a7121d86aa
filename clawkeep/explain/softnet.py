"""What Softnet does with a frame, computed from the flags of `tart run`.

Softnet filters by destination address alone: no ports, no protocols, no states. A rule with the
longest prefix decides, a block wins a tie, and without a rule everything public passes.
Pure, standard library only. Source: reference/tart.md §2.2-2.3 (softnet 0.19.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, NetmaskValueError

Address = IPv4Address | IPv6Address

HOST_ALIAS = "@host"
EVERYTHING = IPv4Network("0.0.0.0/0")
BROADCAST = IPv4Address("255.255.255.255")
SOFTNET, ALLOW, BLOCK = "--net-softnet", "--net-softnet-allow", "--net-softnet-block"

NOT_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
    )
)
"""What Softnet does not take for the internet. Multicast (224.0.0.0/4) is not among it."""


class SoftnetError(ValueError):
    """The flags are none that softnet 0.19 starts with, or not ones that are understood here."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One target of an option, as it was written, and the network that it means."""

    option: str
    text: str
    network: IPv4Network

    @property
    def allows(self) -> bool:
        """Whether what the rule matches may pass."""
        return self.option == ALLOW

    def __str__(self) -> str:
        return f"{self.option}={self.text}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether Softnet passes a frame; `by` is the deciding flag or built-in rule, then words."""

    passes: bool
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class Softnet:
    """Softnet's policy for one guest. `on` is False when the guest has another network."""

    rules: tuple[Rule, ...]
    gateway: IPv4Address
    on: bool = True

    @property
    def isolated(self) -> bool:
        """Whether guests are kept apart on layer 2: not when everything is allowed.

        Source: reference/tart.md §2.1.
        """
        return self.on and not any(r.allows and r.network == EVERYTHING for r in self.rules)

    def outgoing(
        self,
        source: Address,
        destination: Address,
        protocol: str,
        port: int | None = None,
        *,
        lease: IPv4Address | None = None,
    ) -> Decision:
        """Decide a packet from the guest.

        `lease` is the address that the guest got by DHCP, by default `source`; `port` the
        destination's, of TCP and UDP.
        """
        if not self.on:
            return _pass("no softnet flag", "Softnet is not in use: it filters nothing")
        if isinstance(destination, IPv6Address) or isinstance(source, IPv6Address):
            return _drop("IPv6", "Softnet carries ARP and IPv4 only; every IPv6 frame is dropped")
        if (protocol, port, destination) == ("udp", 67, BROADCAST):
            return _pass("DHCP", "a DHCP request to everybody always passes")
        if lease is not None and source != lease:
            return _drop("source", f"only frames from the leased address {lease} leave the guest")
        if rule := self._decisive(destination):
            return _by_rule(rule, destination)
        return self._default(destination)

    def incoming(self, source: Address) -> Decision:
        """Decide a packet to the guest: IPv4 passes from anywhere to any port."""
        if not self.on:
            return _pass("no softnet flag", "Softnet is not in use: it filters nothing")
        if isinstance(source, IPv6Address):
            return _drop("IPv6", "Softnet carries ARP and IPv4 only; every IPv6 frame is dropped")
        return _pass("inbound", "Softnet lets every IPv4 packet in; only answers are filtered")

    def _decisive(self, destination: IPv4Address) -> Rule | None:
        matching = [rule for rule in self.rules if destination in rule.network]
        return max(matching, key=lambda r: (r.network.prefixlen, not r.allows), default=None)

    def _default(self, destination: IPv4Address) -> Decision:
        """Decide without a rule. The DNS server that DHCP announces is the gateway itself."""
        if not any(destination in network for network in NOT_PUBLIC):
            return _pass("default", f"no rule names {destination}, and what is public passes")
        if destination == self.gateway:
            return _pass("default", "no rule names the gateway, and it passes on every port")
        return _drop("default", f"no rule names {destination}, and private addresses are dropped")


def softnet(argv: Sequence[str], gateway: IPv4Address) -> Softnet:
    """Read the softnet flags of a `tart run` command line, or of softnet's own.

    An option that is given twice counts once, the last time (reference/tart.md §1.5). Raises
    SoftnetError for a target that softnet does not accept, or one whose meaning is not known here.
    """
    given: dict[str, str] = {}
    on = False
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        name = {"--allow": ALLOW, "--block": BLOCK}.get(name, name)
        on = on or name.startswith(SOFTNET) or name == "--vm-fd"
        if name in {ALLOW, BLOCK}:
            given[name] = value if equals else next(words, "")
    rules = tuple(
        Rule(option, target, _network(target, gateway))
        for option in (BLOCK, ALLOW)
        if option in given
        for target in given[option].split(",")
    )
    return Softnet(rules, gateway, on)


def _network(target: str, gateway: IPv4Address) -> IPv4Network:
    if target == HOST_ALIAS:
        return IPv4Network(gateway)
    address, slash, length = target.partition("/")
    try:
        if not slash or not (length.isascii() and length.isdecimal()):
            raise SoftnetError(f"{target!r} is no CIDR like 192.168.64.1/32: softnet refuses it")
        return IPv4Network((IPv4Address(address), int(length)), strict=False)
    except (AddressValueError, NetmaskValueError) as error:
        raise SoftnetError(f"{target!r} is no CIDR like 192.168.64.1/32: {error}") from error


def _by_rule(rule: Rule, destination: IPv4Address) -> Decision:
    does = "lets it pass" if rule.allows else "drops it"
    words = (
        f"of the rules that hold {destination}, {rule.network} has the longest prefix and {does}"
    )
    return Decision(rule.allows, str(rule), words)


def _pass(by: str, words: str) -> Decision:
    return Decision(True, by, words)


def _drop(by: str, words: str) -> Decision:
    return Decision(False, by, words)
