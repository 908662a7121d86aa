"""Posts one message to one hook: what runs as an unprivileged user, and talks to nobody else.

`clawkeep alert post` reads a request as JSON on stdin and prints the outcome as JSON. It connects
to the host of the address and to nothing else: no proxy of the environment, no redirect.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import math
import signal
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
"""For each step on the network."""

DEADLINE_S = 25
"""For all of it: a server that sends one byte a second passes every step's limit."""

MAX_ANSWER = 65536
MAX_REQUEST = 262144
LONGEST_S = 3600.0

#: Apple's own list of authorities, for an OpenSSL that knows no keychain.
CERTIFICATES = Path("/etc/ssl/cert.pem")

#: healthchecks.io says so, with status 200, of a check that is gone or pinged too often. Source:
#: its documentation of the Pinging API; runitor issue 66.
UNHEARD = b"OK ("

#: The message itself is at fault, and will be the next time.
HOPELESS = frozenset({400, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a post: `sent`, `retry` (the hook is at fault) or `refused` (the message).

    `why` holds nothing secret. `after_s` is when the hook wants to be asked again, None if it did
    not say.
    """

    kind: str
    why: str = ""
    after_s: float | None = None


def post(
    url: str,
    body: str,
    headers: Mapping[str, str],
    *,
    trust: ssl.SSLContext | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Post `body` and say what became of it. Never raises for what a network does."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        if parts.scheme == "https":
            context = trust or authorities()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {
            "Content-Type": "application/json",
            "User-Agent": "clawkeep",
            "Connection": "close",
            **headers,
        }
        try:
            connection.request("POST", target, body.encode(), sent)
            answer = connection.getresponse()
            content = answer.read(MAX_ANSWER)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome("retry", f"{host}: {_words(error, timeout_s)}")
    return judged(host, answer.status, answer.headers, content)


def _words(error: Exception, timeout_s: float) -> str:
    """Say what happened on the way; most exceptions' own words may repeat the address."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or 'no TLS there'}"
        case TimeoutError():
            return f"no answer in {timeout_s:.0f} s"
        case OSError():
            return error.strerror or type(error).__name__
    return f"no answer of HTTP ({type(error).__name__})"


def judged(host: str, status: int, headers: Message, content: bytes) -> Outcome:
    """Return what an answer means."""
    if 200 <= status < 300 and content.startswith(UNHEARD):
        return Outcome("retry", f"{host} answered {content[:40].decode(errors='replace')!r}")
    if 200 <= status < 300:
        return Outcome("sent")
    why = f"{host} answered {status} {http.client.responses.get(status, '')}".rstrip()
    if 300 <= status < 400:
        return Outcome("retry", f"{why}: no redirect is followed; declare where it leads")
    if status in HOPELESS:
        return Outcome("refused", f"{why}: it does not take this message")
    if status in {401, 403, 404, 410}:
        why += ": is the address still right?"
    return Outcome("retry", why, wait_of(headers, content, time.time()))


def wait_of(headers: Message, content: bytes, wall: float) -> float | None:
    """Return for how many seconds an answer asks to be left alone; at most an hour.

    In seconds or as a date by `Retry-After`, or as Discord says it in its body, whichever is
    longer.
    """
    asked: list[float] = []
    text = (headers.get("Retry-After") or "").strip()
    try:
        asked.append(float(text))
    except ValueError:
        date = email.utils.parsedate_tz(text)
        if date is not None:
            asked.append(email.utils.mktime_tz(date) - wall)
    try:
        value = json.loads(content)["retry_after"]
        asked.append(float(value))
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    sound = [value for value in asked if math.isfinite(value)]
    return min(max(0.0, *sound), LONGEST_S) if sound else None


def authorities() -> ssl.SSLContext:
    """Return whom to trust: what OpenSSL was built with, and Apple's list where there is one."""
    context = ssl.create_default_context()
    if CERTIFICATES.is_file():
        context.load_verify_locations(cafile=CERTIFICATES)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def main() -> int:
    """Post what stdin says; 0 when stdout says what became of it."""
    signal.alarm(DEADLINE_S)
    try:
        asked = json.loads(sys.stdin.read(MAX_REQUEST))
        outcome = post(str(asked["url"]), str(asked["body"]), dict(asked["headers"]))
    except (ValueError, TypeError, KeyError):
        sys.stderr.write("clawkeep alert post: expected a request as JSON on stdin\n")
        return 64
    print(json.dumps(asdict(outcome)))
    return 0
