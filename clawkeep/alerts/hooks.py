"""The hooks: where alerts go, and what each kind of them is sent.

discord       a channel's webhook. `allowed_mentions` is empty, so that no text can call anybody,
              and all of it is a code block, so that none of it is markdown or a link. 2000
              characters. Source: Discord's developer documentation, "Execute Webhook".
ntfy          a topic, as JSON to the server's root; 4096 bytes, beyond which it would become an
              attachment. `sequence_id` is the message's token: a server from 2.16 on replaces a
              message that comes twice. Source: ntfy's documentation, "Publish as JSON".
ping          a dead man's switch as healthchecks.io has it: URL while all is well, URL/fail while
              an alert stands. Silence is what it is for: it says that the keep itself is gone.
              Source: healthchecks.io, "Pinging API".
notification  a notification in the session of the Mac's user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from clawkeep.alerts.records import Alert, Message, Route
from clawkeep.alerts.words import shortened, span, utf8, utf16

KINDS = ("discord", "ntfy", "ping", "notification")
DISCORD_LIMIT = 2000
NTFY_LIMIT = 4096
PING_LIMIT = 10_000
SUPPRESS_EMBEDS = 4
PRIORITIES = {"info": 2, "warning": 4, "critical": 5}
FENCE = "```"


class HookError(ValueError):
    """A hook that cannot be used. The message never shows its address."""


@dataclass(frozen=True)
class Request:
    """What is posted; `url` and `headers` may be secret, so neither is ever shown."""

    url: str = field(repr=False)
    body: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Hook:
    """One declared hook. `url` and `token` are secrets; a notification has neither.

    `per_hour` is how many messages it takes in the long run (five at once), `every_s` how often a
    ping is sent. `plain_http` allows an address without TLS.
    """

    name: str
    kind: str
    url: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    least: str = "warning"
    repeat_s: float = 21600.0
    recovery: bool = True
    per_hour: float = 60.0
    every_s: float = 60.0
    plain_http: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise HookError(f"{self.kind!r} is none of {', '.join(KINDS)}")
        if self.kind != "notification":
            check_address(self.url, plain_http=self.plain_http)
        if self.kind == "ntfy" and not _topic(self.url)[1]:
            raise HookError("an ntfy address ends in its topic: https://ntfy.sh/TOPIC")

    @property
    def route(self) -> Route:
        """Return what it wants to hear."""
        return Route(self.name, self.least, self.repeat_s, self.recovery)

    @property
    def goes_to(self) -> str:
        """Return the host that it is at, without the secret part of its address."""
        return urlsplit(self.url).netloc if self.url else "this Mac"

    def request(self, message: Message, keep: str, now: float) -> Request:
        """Return what to post for a message; `keep` is the name of the host."""
        headers = {"Idempotency-Key": message.token}
        if self.kind == "discord":
            text = "\n".join(_all(message, keep, now)).replace("`", "'")
            room = DISCORD_LIMIT - 2 * (len(FENCE) + 1)
            values: dict[str, Any] = {
                "content": f"{FENCE}\n{shortened(text, room, utf16)}\n{FENCE}",
                "allowed_mentions": {"parse": []},
                "flags": SUPPRESS_EMBEDS,
            }
            return Request(self.url, json.dumps(values), headers)
        title, *rest = _all(message, keep, now)
        base, topic = _topic(self.url)
        values = {
            "topic": topic,
            "title": shortened(title, 250, utf8),
            "message": shortened("\n".join(rest), NTFY_LIMIT, utf8),
            "priority": 3 if message.kind == "recovery" else PRIORITIES[message.severity],
            "tags": ["white_check_mark" if message.kind == "recovery" else "warning"],
            "sequence_id": message.token,
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return Request(base, json.dumps(values), headers)

    def ping(self, standing: Sequence[Alert], keep: str) -> Request:
        """Return what to post to a dead man's switch while these alerts stand."""
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/") + ("/fail" if standing else "")
        text = "\n".join(f"{alert.severity}: {alert.text}" for alert in standing) or "well"
        body = shortened(f"{keep}\n{text}", PING_LIMIT, utf8)
        url = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        return Request(url, body, {"Content-Type": "text/plain; charset=utf-8"})


def lines(message: Message, keep: str, now: float) -> tuple[str, str]:
    """Return a message as a title and a text."""
    title, *rest = _all(message, keep, now)
    return title, "\n".join(rest)


def check_address(url: str, *, plain_http: bool) -> None:
    """Raise HookError for an address that no hook may have; the message never shows it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise HookError("the address cannot be read; expected https://HOST/PATH") from None
    if parts.scheme != "https" and not (plain_http and parts.scheme == "http"):
        raise HookError(
            'the address must begin with https://; for http:// on your own network say "plain_http"'
        )
    if not parts.hostname or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        raise HookError("the address cannot be read; expected https://HOST/PATH")
    if "@" in parts.netloc:
        raise HookError("the address holds a user or password; an ntfy server takes a `token`")


def parse(text: str) -> tuple[Hook, ...]:
    """Return the hooks of hooks.json, as the converge writes it. Raises HookError."""
    try:
        found = tuple(Hook(**values) for values in json.loads(text)["hooks"])
    except HookError:
        raise
    except (ValueError, TypeError, KeyError):
        # The exception may carry an address.
        raise HookError("the file of the hooks is damaged; converge again") from None
    return found


def _topic(url: str) -> tuple[str, str]:
    """Return the server's root and the topic of an ntfy address, empty when it has none."""
    parts = urlsplit(url)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    found = urlunsplit((parts.scheme, parts.netloc, f"{base}/", parts.query, ""))
    return (found, topic) if topic and topic == quote(topic, safe="") else ("", "")


def _all(message: Message, keep: str, now: float) -> list[str]:
    """Return the lines of a message."""
    age = span(now - message.since)
    head = {
        "raise": message.severity.upper(),
        "repeat": f"STILL {message.severity.upper()} after {age}",
        "recovery": f"OVER after {span(message.created - message.since)}",
        "test": "TEST",
    }[message.kind]
    found = [f"{head} on {keep}: {message.text}"]
    if message.kind != "recovery" and message.evidence:
        found += message.evidence.splitlines()
    late = now - message.created
    if late > 60:
        found.append(f"this message waited for {span(late)}")
    if message.dropped:
        found.append(f"{message.dropped} messages were dropped before this one: too many waited")
    return [*found, f"{message.key} #{message.token}"]
