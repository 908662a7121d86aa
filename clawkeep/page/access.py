"""Who may read the page: whoever has its address, which is secret, and then a cookie.

Everybody on the machine can connect to loopback. Browsers send a host's cookies to all of its
ports, and so to whatever another user listens with: the cookie is bound to a path that nobody else
knows. Neither the path nor the cookie is of use alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

NAME: Final = "clawkeep"
TOKEN, METRICS = "page-token", "metrics-token"


class Access:
    """The secrets of one keep's page, kept in a folder that is its operator's alone."""

    def __init__(self, folder: Path) -> None:
        """Read them, or make them. Raises OSError."""
        self.metrics_file = folder / METRICS
        self.token = _secret(folder / TOKEN)
        self._metrics = _secret(self.metrics_file)
        self.path = f"/{self._derived('path')[:22]}/"
        self._cookie = self._derived("cookie")

    @staticmethod
    def forget(folder: Path) -> None:
        """Have new ones made: every address and cookie so far is worth nothing. Raises OSError."""
        for name in (TOKEN, METRICS):
            (folder / name).unlink(missing_ok=True)

    def _derived(self, what: str) -> str:
        return hmac.new(self.token.encode(), what.encode(), hashlib.sha256).hexdigest()

    @property
    def set_cookie(self) -> str:
        """The value of `Set-Cookie`: gone with the browser, for no script, other path or site."""
        return f"{NAME}={self._cookie}; Path={self.path}; HttpOnly; SameSite=Strict"

    def signs_in(self, token: str) -> bool:
        """Tell whether an address carries the right token."""
        return _same(token, self.token)

    def knows(self, cookies: str) -> bool:
        """Tell whether a `Cookie` header holds ours."""
        pairs = (one.strip().partition("=") for one in cookies.split(";"))
        return any(name == NAME and _same(value, self._cookie) for name, _, value in pairs)

    def may_scrape(self, authorization: str) -> bool:
        """Tell whether an `Authorization` header holds the metrics' token, which opens no page."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and _same(token.strip(), self._metrics)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _secret(path: Path) -> str:
    """Return the secret in a file (0600), made when there is none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if found := path.read_text(encoding="ascii").strip():
            return found
        raise OSError(f"{path} is empty; remove it") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{(made := secrets.token_urlsafe(32))}\n")
    return made
