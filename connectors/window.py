"""The provisioning window, from the run's side: a process on the host that it keeps open.

`clawkeep window hold` opens the build domains on the host and closes them when its standard input
ends. That input is a channel of the run's own connection to the host: whether the run ends, fails
or is killed with its connection, the channel ends with it, and the window too. What is open, for
whom and until when is decided and enforced by the host (clawkeep/onhost/window.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from paramiko import SSHException, Transport
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError

from clawkeep.remote import PROGRAM, operator
from connectors.holder import Holder, started

LONGEST = "45m"
OPEN_S = 60
CLOSE_S = 30
OPEN = re.compile(r"open ([0-9.]{7,15}):([0-9]{2,5})")


class Window:
    """Build domains that the guest reaches through the host's proxy, while this is entered.

    `host` is the host's SSH transport, or None when the host is this machine. Only TCP port 443 of
    `names` is reached, by CONNECT; the guest needs no DNS. A leading dot stands for a name and all
    below it.
    """

    def __init__(self, host: Transport | None, names: Iterable[str]) -> None:
        self._host = host
        self.names = tuple(names)
        self.proxy = ""
        self._holder: Holder | None = None

    def __enter__(self) -> Window:
        command = ["sudo", "-n", PROGRAM, "window", "hold", "--for", LONGEST]
        command += ["--domains", ",".join(self.names), "--who", operator()]
        holder = started(self._host, command)
        found = OPEN.fullmatch(holder.line(time.monotonic() + OPEN_S))
        if found is None:
            _, words = holder.end(CLOSE_S)
            raise PyinfraError(f"the provisioning window did not open: {words or 'no answer'}")
        self._holder = holder
        self.proxy = f"http://{found[1]}:{found[2]}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._holder is None:
            return
        try:
            status, words = self._holder.end(CLOSE_S)
        except (OSError, EOFError, SSHException) as error:
            status, words = None, repr(error)
        if status != 0:
            logger.warning(
                f"provisioning window: not seen closing ({words or status}); the host closes it by "
                "itself: sudo clawkeep window show"
            )

    @property
    def environment(self) -> str:
        """Shell assignments that send a command's HTTPS through the window."""
        url = self.proxy
        return (
            f"export https_proxy={url} HTTPS_PROXY={url} http_proxy={url} HTTP_PROXY={url} "
            f"ALL_PROXY={url} no_proxy= NO_PROXY=;"
        )
