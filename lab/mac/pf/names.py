"""Names a Mac knows: protocols, services, ICMP types and codes, time-outs, reserved words.

Source: reference/pf-grammar.md (keyword list; `proto icmp6` prints `ipv6-icmp`); pf.conf(5).
"""

from __future__ import annotations

KEYWORDS = frozenset(
    [
        "all",
        "allow-opts",
        "altq",
        "anchor",
        "antispoof",
        "any",
        "bandwidth",
        "binat",
        "binat-anchor",
        "bitmask",
        "block",
        "block-policy",
        "cbq",
        "code",
        "crop",
        "debug",
        "drop",
        "drop-ovl",
        "dummynet",
        "dummynet-anchor",
        "dup-to",
        "fastroute",
        "file",
        "fingerprints",
        "flags",
        "floating",
        "flush",
        "for",
        "fragment",
        "from",
        "global",
        "group",
        "hfsc",
        "hostid",
        "icmp-type",
        "icmp6-type",
        "if-bound",
        "in",
        "include",
        "inet",
        "inet6",
        "keep",
        "label",
        "limit",
        "linkshare",
        "load",
        "log",
        "loginterface",
        "max",
        "max-mss",
        "max-src-conn",
        "max-src-conn-rate",
        "max-src-nodes",
        "max-src-states",
        "min-ttl",
        "modulate",
        "nat",
        "nat-anchor",
        "no",
        "no-df",
        "no-route",
        "no-sync",
        "on",
        "optimization",
        "os",
        "out",
        "overload",
        "pass",
        "pipe",
        "port",
        "priority",
        "priq",
        "probability",
        "proto",
        "qlimit",
        "queue",
        "quick",
        "random",
        "random-id",
        "rdr",
        "rdr-anchor",
        "realtime",
        "reassemble",
        "reply-to",
        "require-order",
        "return",
        "return-icmp",
        "return-icmp6",
        "return-rst",
        "round-robin",
        "route",
        "route-to",
        "rtable",
        "rule",
        "ruleset-optimization",
        "scrub",
        "scrub-anchor",
        "set",
        "skip",
        "source-hash",
        "source-track",
        "state",
        "state-policy",
        "static-port",
        "sticky-address",
        "synproxy",
        "table",
        "tag",
        "tagged",
        "tbrsize",
        "timeout",
        "to",
        "tos",
        "ttl",
        "upperlimit",
        "urpf-failed",
        "user",
    ]
)

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58

PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st2": 5, "tcp": 6, "cbt": 7, "egp": 8, "igp": 9,
    "udp": 17, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50,
    "ah": 51, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ospf": 89, "ipip": 94,
    "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132,
    "carp": 112, "pfsync": 240, "ip": 0, "divert": 254,
}  # fmt: skip
PROTOCOL_ALIASES = {"icmp6": 58, "ipencap": 4, "ipv4": 4}
PROTOCOL_NAMES = {number: name for name, number in reversed(PROTOCOLS.items())}

# The services that pf rules name; the rest of a Mac's /etc/services is read from the file.
SERVICES = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67,
    "bootpc": 68, "tftp": 69, "http": 80, "www": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111,
    "ntp": 123, "imap": 143, "snmp": 161, "ldap": 389, "https": 443, "microsoft-ds": 445,
    "isakmp": 500, "syslog": 514, "ldaps": 636, "imaps": 993, "pop3s": 995, "mdns": 5353,
    "http-alt": 8080, "vnc-server": 5900,
}  # fmt: skip

ICMP_TYPES = {
    "echorep": 0, "unreach": 3, "squench": 4, "redir": 5, "althost": 6, "echoreq": 8,
    "routeradv": 9, "routersol": 10, "timex": 11, "paramprob": 12, "timereq": 13, "timerep": 14,
    "inforeq": 15, "inforep": 16, "maskreq": 17, "maskrep": 18, "trace": 30, "dataconv": 31,
    "mobredir": 32, "ipv6-where": 33, "ipv6-here": 34, "mobregreq": 35, "mobregrep": 36,
    "skip": 39, "photuris": 40,
}  # fmt: skip
ICMP6_TYPES = {
    "unreach": 1, "toobig": 2, "timex": 3, "paramprob": 4, "echoreq": 128, "echorep": 129,
    "groupqry": 130, "listqry": 130, "grouprep": 131, "listenrep": 131, "groupterm": 132,
    "listendone": 132, "routersol": 133, "routeradv": 134, "neighbrsol": 135, "neighbradv": 136,
    "redir": 137, "routrrenum": 138, "wrureq": 139, "wrurep": 140, "fqdnreq": 139, "fqdnrep": 140,
    "niqry": 139, "nirep": 140, "mtraceresp": 200, "mtrace": 201,
}  # fmt: skip
ICMP_CODES: dict[tuple[int, str], int] = {
    (3, "net-unr"): 0, (3, "host-unr"): 1, (3, "proto-unr"): 2, (3, "port-unr"): 3,
    (3, "needfrag"): 4, (3, "srcfail"): 5, (3, "net-unk"): 6, (3, "host-unk"): 7,
    (3, "isolate"): 8, (3, "net-prohib"): 9, (3, "host-prohib"): 10, (3, "net-tos"): 11,
    (3, "host-tos"): 12, (3, "filter-prohib"): 13, (3, "host-preced"): 14,
    (3, "cutoff-preced"): 15, (5, "redir-net"): 0, (5, "redir-host"): 1, (5, "redir-tos-net"): 2,
    (5, "redir-tos-host"): 3, (9, "normal-adv"): 0, (9, "common-adv"): 16, (11, "transit"): 0,
    (11, "reassemb"): 1, (12, "badhead"): 0, (12, "optmiss"): 1, (12, "badlen"): 2,
}  # fmt: skip
ICMP6_CODES: dict[tuple[int, str], int] = {
    (1, "noroute-unr"): 0, (1, "admin-unr"): 1, (1, "notnbr-unr"): 2, (1, "beyond-unr"): 2,
    (1, "addr-unr"): 3, (1, "port-unr"): 4, (3, "transit"): 0, (3, "reassemb"): 1,
    (4, "badhead"): 0, (4, "nxthdr"): 1, (137, "redironlink"): 0, (137, "redirrouter"): 1,
}  # fmt: skip

TIMEOUTS = (
    "tcp.first", "tcp.opening", "tcp.established", "tcp.closing", "tcp.finwait", "tcp.closed",
    "tcp.tsdiff", "udp.first", "udp.single", "udp.multiple", "icmp.first", "icmp.error",
    "grev1.first", "grev1.initiating", "grev1.established", "esp.first", "esp.initiating",
    "esp.established", "other.first", "other.single", "other.multiple", "frag", "interval",
    "adaptive.start", "adaptive.end", "src.track",
)  # fmt: skip
LIMITS = {
    "states": 10000, "app-states": 10000, "src-nodes": 10000, "frags": 5000, "tables": 1000,
    "table-entries": 200000,
}  # fmt: skip
OPTIMIZATIONS = (
    "normal", "default", "satellite", "high-latency", "conservative", "aggressive",
)  # fmt: skip


def service_port(name: str) -> int | None:
    """Port number of a service name, or None: /etc/services as a Mac has it, tcp before udp."""
    if name in SERVICES:
        return SERVICES[name]
    found: int | None = None
    try:
        with open("/etc/services", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split("#")[0].split()
                if len(words) > 1 and name in (words[0], *words[2:]):
                    port, _, proto = words[1].partition("/")
                    if proto == "tcp":
                        return int(port)
                    found = found or int(port)
    except OSError:
        return None
    return found


def protocol_number(name: str) -> int | None:
    """Protocol number of a name, or None."""
    return PROTOCOL_ALIASES.get(name, PROTOCOLS.get(name))
