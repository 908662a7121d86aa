"""squid.conf of the egress proxy: names that may be reached by CONNECT, and nothing else.

Whoever may speak to the proxy is decided by pf; what they may say is decided here, in the order of
the rules. Three habits of squid decide their form:

- `dstdomain` looks up the name of an address that a client asks for, and believes the answer: so
  `-n`, and addresses are refused before (measured: squid 5.7).
- `dst` resolves a name and matches when *any* of its addresses does, but an address that could
  not be found matches nothing and would pass a `deny`: so what has none is refused (`resolved`).
- Names that are not listed are refused before anything is resolved: a query is a way out.

Only directives are used that every build knows: `squid -k parse` fails for the others.
Source: reference/macos.md §2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from clawkeep.domains import minimal
from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, Openings
from clawkeep.traffic.formats import (
    SQUID_LOG,
    SQUID_LOGFORMAT,
    SQUID_LOGFORMAT_NAME,
    SQUID_NOTE,
)

SQUID = "/opt/homebrew/sbin/squid"
LOG_DIR = "/var/log/clawkeep"
NAMES_A_LINE = 8

MOST_CONNECTIONS = 256
"""At a time, from the guest: an agent and a package manager need dozens."""

FILES = 4096
"""File descriptors; launchd gives a daemon 256 unless told otherwise."""

NEVER_V4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    "224.0.0.0/3",
)
"""Where no name leads a guest: this host, its networks, and all that is not the internet. The
documentation networks are missing, as nothing is there. Source: IANA's registry, RFC 6890."""

NEVER_V6 = (
    *("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/8", "200::/7"),
    *("400::/6", "800::/5", "1000::/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    *("4000::/2", "8000::/1"),
)
"""The same of IPv6: all but global unicast, and what carries an IPv4 address inside. `::/8` must
not stand here: squid keeps IPv4 addresses in it, as ::ffff:0:0/96."""

LITERAL = r"(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$ :"
"""A host that is an address, in any notation that inet_aton(3) or IPv6 knows."""


def squid_conf(
    openings: Openings,
    link: Link,
    *,
    host_networks: Iterable[str] = (),
    log_dir: str = LOG_DIR,
) -> str:
    """Return squid.conf for what is open at this moment; Openings.proxy must be true.

    `host_networks` are the networks of the host's own interfaces, in CIDR form: a Mac with a
    public address must not be reached through its own proxy either. `log_dir` must be writable by
    the proxy's user.
    """
    parts = (
        "# Written by clawkeep. Do not edit: it is rendered anew.",
        *_server(link),
        *_limits(),
        *_names(openings),
        *_acls(link, host_networks),
        *_rules(openings),
        *_logs(log_dir),
    )
    return "\n".join(parts) + "\n"


def never(*more: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the IPv4 and the IPv6 networks to which no name may lead, `more` among them.

    None lies in another: of two such squid drops one, not always the smaller (measured: 5.7).
    """
    networks = [ip_network(text) for text in (*NEVER_V4, *NEVER_V6, *more)]
    v4 = [network for network in networks if isinstance(network, IPv4Network)]
    v6 = [network for network in networks if isinstance(network, IPv6Network)]
    return (
        tuple(str(network) for network in collapse_addresses(v4)),
        tuple(str(network) for network in collapse_addresses(v6)),
    )


def _server(link: Link) -> Iterator[str]:
    yield f"http_port {link.gateway}:{PROXY_PORT}"
    yield "visible_hostname clawkeep"
    yield "httpd_suppress_version_string on"
    # launchd knows the process; a stale file would stop a restart.
    yield "pid_filename none"
    # What ends it has closed something: tunnels are not waited for.
    yield "shutdown_lifetime 0 seconds"
    # Nothing is kept: not answers, not failures for long, and no names of the host's own.
    yield "cache deny all"
    yield "cache_mem 8 MB"
    yield "memory_pools off"
    yield "hosts_file none"
    yield "dns_defnames off"
    # Their defaults have squid ask DNS for the name of every client.
    yield "url_rewrite_extras %>a"
    yield "store_id_extras %>a"
    yield "positive_dns_ttl 1 hours"
    yield "negative_dns_ttl 10 seconds"
    # `Via` stays: HTTP wants it, and it names nobody. Who asked is nobody's business.
    yield "forwarded_for delete"


def _limits() -> Iterator[str]:
    yield f"max_filedescriptors {FILES}"
    yield "request_header_max_size 32 KB"
    yield "request_body_max_size 64 MB"
    yield "request_timeout 30 seconds"
    yield "dns_timeout 10 seconds"
    yield "connect_timeout 15 seconds"
    yield "relaxed_header_parser off"


def _names(openings: Openings) -> Iterator[str]:
    for acl, names in (("listed", openings.domains), ("window", openings.window)):
        entries = minimal(names)
        for start in range(0, len(entries), NAMES_A_LINE):
            yield f"acl {acl} dstdomain -n {' '.join(entries[start : start + NAMES_A_LINE])}"


def _acls(link: Link, host_networks: Iterable[str]) -> Iterator[str]:
    yield f"acl guest src {link.guest}"
    yield f"acl crowd maxconn {MOST_CONNECTIONS}"
    yield "acl CONNECT method CONNECT"
    yield "acl tls_port port 443"
    yield "acl web_port port 80"
    yield "acl web_scheme proto HTTP"
    yield "acl web_method method GET HEAD POST PUT PATCH DELETE OPTIONS"
    yield f"acl literal dstdom_regex -i -n {LITERAL}"
    yield "acl resolved dst all"
    for networks in never(*host_networks, str(link.network)):
        yield f"acl private dst {' '.join(networks)}"
    for note in ("allowed", "window", "report", "denied"):
        yield f"acl mark_{note} annotate_transaction {SQUID_NOTE}={note}"


def _rules(openings: Openings) -> Iterator[str]:
    """Yield http_access in the order that decides; what is refused is refused by the first."""
    known = [acl for acl, names in (("listed", openings.domains), ("window", openings.window))
             if names]  # fmt: skip
    refused = ["!guest", "manager", "crowd", "literal", "CONNECT !tls_port"]
    if openings.http:
        refused += [f"!CONNECT !{acl}" for acl in ("web_scheme", "web_port", "web_method")]
    else:
        refused.append("!CONNECT")
    if not openings.report:
        refused.append(" ".join(f"!{acl}" for acl in known) or "all")
        if openings.http:
            # The window is for CONNECT alone.
            refused.append("!CONNECT !listed" if openings.domains else "!CONNECT")
    for what in (*refused, "!resolved", "private"):
        yield f"http_access deny {what} mark_denied"
    if openings.domains:
        yield "http_access allow listed mark_allowed"
    if openings.window:
        yield "http_access allow CONNECT window mark_window"
    if openings.report:
        yield "http_access allow guest mark_report"
    yield "http_access deny all mark_denied"


def _logs(log_dir: str) -> Iterator[str]:
    yield f"logformat {SQUID_LOGFORMAT_NAME} {SQUID_LOGFORMAT}"
    yield f"access_log stdio:{log_dir}/{SQUID_LOG} {SQUID_LOGFORMAT_NAME}"
    yield f"cache_log {log_dir}/proxy.log"
    yield "logfile_rotate 0"
