"""How the bridges, the proxy and the resolver write their logs: one place for both sides of it."""

from __future__ import annotations

import re

SQUID_LOGFORMAT_NAME = "clawkeep"

SQUID_LOGFORMAT = "%ts.%03tu %tr %>a %>p %rm %#ru %>Hs %Ss %>st %<st %<a %{clawkeep}note %err_code"
"""squid.conf's `logformat clawkeep …`: 13 fields, none of which can hold a blank.

Unix time with milliseconds at the *end* of the request, its duration in ms, client address and
port, method, URL or `host:port` (`%#` escapes it), status, squid's result, bytes from the client,
bytes to it, the server's address, our note, squid's error. Both byte counts include what went
through a tunnel. Measured with squid 5.7; the annotation is the `SQUID_NOTE` ACL's.
"""

SQUID_NOTE = "clawkeep"
"""Key of the note: `acl mark_report annotate_transaction clawkeep=report`, last in its
`http_access` line. `allowed`, `window`, `report` and `denied` are understood."""

SQUID_LOG = "access.log"
"""Name of the proxy's log in `paths.LOGS`. squid.conf needs `logfile_rotate 0`: we rename the log,
and squid then only opens a new one."""

RESOLVER_LOG = "resolver.log"
"""Name of the resolver's log in `paths.LOGS`; dnsmasq opens a new one on SIGUSR2."""

RESOLVER_ENVIRONMENT = {"TZ": "UTC0"}
"""dnsmasq writes local time without its zone, too."""

SOCAT_LOGGING = ("-d", "-d", "-lu")
"""socat's options: notices (macos.md §3), with microseconds, or durations are whole seconds."""

SOCAT_ENVIRONMENT = {"TZ": "UTC0"}
"""socat writes local time without its zone: in UTC no hour of the year comes twice."""

BRIDGE_LOG = re.compile(r"bridge-(?P<service>[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?)\.log")
"""Names of the bridges' logs in `paths.LOGS`; a rotated one ends in `.1`."""

ROTATED = ".1"
