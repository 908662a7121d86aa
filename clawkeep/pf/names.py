"""Words of pf.conf: protocols, services, ICMP types and codes, and what is reserved.

A name that is missing here is an error of the text, never a guess.
Source: reference/pf-grammar.md (keywords; `icmp6` prints `ipv6-icmp`; ports print as numbers).
"""

from __future__ import annotations

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
WITH_PORTS = frozenset({TCP, UDP})

_PROTOCOLS = (
    "icmp 1 igmp 2 ipencap 4 tcp 6 udp 17 ipv6 41 gre 47 esp 50 ah 51 ipv6-icmp 58 etherip 97 "
    "pim 103 ipcomp 108 sctp 132"
)
_SERVICES = (
    "ftp 21 ssh 22 telnet 23 smtp 25 domain 53 bootps 67 bootpc 68 tftp 69 http 80 kerberos 88 "
    "pop3 110 ntp 123 imap 143 snmp 161 ldap 389 https 443 syslog 514 ldaps 636 imaps 993 "
    "pop3s 995 mdns 5353 http-alt 8080"
)
_ICMP_TYPES = (
    "echorep 0 unreach 3 squench 4 redir 5 althost 6 echoreq 8 routeradv 9 routersol 10 timex 11 "
    "paramprob 12 timereq 13 timerep 14 inforeq 15 inforep 16 maskreq 17 maskrep 18 trace 30 "
    "dataconv 31 mobredir 32 ipv6-where 33 ipv6-here 34 mobregreq 35 mobregrep 36 skip 39 "
    "photuris 40"
)
_ICMP6_TYPES = (
    "unreach 1 toobig 2 timex 3 paramprob 4 echoreq 128 echorep 129 groupqry 130 grouprep 131 "
    "groupterm 132 routersol 133 routeradv 134 neighbrsol 135 neighbradv 136 redir 137 "
    "routrrenum 138 niqry 139 nirep 140 mtraceresp 200 mtrace 201"
)
_UNREACHABLE = (
    "net-unr 0 host-unr 1 proto-unr 2 port-unr 3 needfrag 4 srcfail 5 net-unk 6 host-unk 7 "
    "isolate 8 net-prohib 9 host-prohib 10 net-tos 11 host-tos 12 filter-prohib 13 "
    "host-preced 14 cutoff-preced 15"
)
_UNREACHABLE6 = "noroute-unr 0 admin-unr 1 notnbr-unr 2 addr-unr 3 port-unr 4"
_OTHER_CODES = {
    5: "redir-net 0 redir-host 1 redir-tos-net 2 redir-tos-host 3",
    9: "normal-adv 0 common-adv 16",
    11: "transit 0 reassemb 1",
    12: "badhead 0 optmiss 1 badlen 2",
}
_OTHER_CODES6 = {3: "transit 0 reassemb 1", 4: "badhead 0 nxthdr 1", 137: "redironlink 0"}


def _numbers(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


PROTOCOLS = _numbers(_PROTOCOLS) | {"icmp6": ICMP6}
PROTOCOL_NAMES = {number: name for name, number in _numbers(_PROTOCOLS).items()}
SERVICES = _numbers(_SERVICES)
TYPES = {ICMP: _numbers(_ICMP_TYPES), ICMP6: _numbers(_ICMP6_TYPES)}
CODES = {
    ICMP: {3: _numbers(_UNREACHABLE)} | {k: _numbers(v) for k, v in _OTHER_CODES.items()},
    ICMP6: {1: _numbers(_UNREACHABLE6)} | {k: _numbers(v) for k, v in _OTHER_CODES6.items()},
}


def shown(names: dict[str, int], number: int) -> str:
    """Return the name of `number`, or the number itself."""
    return next((name for name, known in names.items() if known == number), str(number))


_KEYWORDS = """
all allow-opts altq anchor antispoof any bandwidth binat binat-anchor bitmask block
block-policy cbq code crop debug drop drop-ovl dummynet dummynet-anchor dup-to fastroute file
fingerprints flags floating flush for fragment from global group hfsc hostid icmp-type
icmp6-type if-bound in include inet inet6 keep label limit linkshare load log loginterface max
max-mss max-src-conn max-src-conn-rate max-src-nodes max-src-states min-ttl modulate nat
nat-anchor no no-df no-route no-sync on optimization os out overload pass pipe port priority
priq probability proto qlimit queue quick random random-id rdr rdr-anchor realtime reassemble
reply-to require-order return return-icmp return-icmp6 return-rst round-robin route route-to
rtable rule ruleset-optimization scrub scrub-anchor set skip source-hash source-track state
state-policy static-port sticky-address synproxy table tag tagged tbrsize timeout to tos ttl
upperlimit urpf-failed user
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""Words that must be quoted where a name is meant."""
