"""TLS as the lab's servers speak it: certificates of the lab's CA, names checked by SNI."""

import ssl
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

SniCallback = Callable[[Any, str | None, ssl.SSLContext], int | None]


def context(certificate: Path, names: Container[str] | None = None) -> ssl.SSLContext:
    """Make a server context from `<certificate>.pem` and `<certificate>.key`.

    With `names`, a client that asks for another name is turned away with the alert
    unrecognized_name; one that asks for none (it dialled an IP address) is served.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate.with_suffix(".pem"), certificate.with_suffix(".key"))
    if names is not None:
        found.sni_callback = only(names)
    return found


def only(names: Container[str]) -> SniCallback:
    """Return a callback that refuses every name but these."""

    def check(_connection: Any, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name is None or name in names:
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return check
