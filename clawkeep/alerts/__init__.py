"""Alerts: what is wrong is said once, again after a while, and when it is over.

`Queue.raise_` and `Queue.clear` are the only way in; `Sender` takes what is due to the hooks. All
of it is standard library: it runs on the host. No clock is read here, every call is told the time.
"""

from clawkeep.alerts.event import SEVERITIES, Event
from clawkeep.alerts.hooks import Hook, HookError
from clawkeep.alerts.post import Outcome
from clawkeep.alerts.queue import Queue
from clawkeep.alerts.records import Alert, Message, Route, Silence
from clawkeep.alerts.sender import Sender

__all__ = [
    "SEVERITIES",
    "Alert",
    "Event",
    "Hook",
    "HookError",
    "Message",
    "Outcome",
    "Queue",
    "Route",
    "Sender",
    "Silence",
]
