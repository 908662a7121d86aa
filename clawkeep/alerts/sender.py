"""Takes what waits to the hooks: one message at a time to each, all hooks at once.

A hook that hangs holds up nobody else, neither the other hooks nor whoever raises alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from clawkeep.alerts.event import rank
from clawkeep.alerts.hooks import Hook
from clawkeep.alerts.post import Outcome
from clawkeep.alerts.queue import Queue
from clawkeep.alerts.records import Alert, Message

TROUBLED = 5
"""A hook that failed so often in a row is an alert to the others."""

Deliver = Callable[[Hook, Message], Outcome]
Ping = Callable[[Hook, Sequence[Alert]], Outcome]

WELL, ILL = "well", "ill"


def _nobody(hook: Hook, _: object) -> Outcome:
    return Outcome("retry", f"nobody takes anything to {hook.name}")


@dataclass
class Sender:
    """What is under way. `deliver` and `ping` are called in threads, the queue never is."""

    hooks: tuple[Hook, ...] = ()
    deliver: Deliver = _nobody
    ping: Ping = _nobody
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))
    _busy: dict[str, tuple[Message | str, Future[Outcome]]] = field(default_factory=dict)

    def step(self, queue: Queue, now: float) -> int:
        """Note what has ended, and begin what is due; return how many posts are under way.

        Raises sqlite3.Error; what has ended is noted the next time then.
        """
        self.finish(queue, now)
        for hook in self.hooks:
            if hook.name not in self._busy:
                self._begin(queue, hook, now)
        return len(self._busy)

    def finish(self, queue: Queue, now: float) -> int:
        """Note what has ended and begin nothing; return how many posts are under way."""
        for name, (what, future) in list(self._busy.items()):
            if future.done():
                self._note(queue, name, what, future, now)
                del self._busy[name]
        return len(self._busy)

    def change(self, hooks: tuple[Hook, ...], deliver: Deliver, ping: Ping) -> None:
        """Go on with other hooks; what is under way comes to its end."""
        self.hooks, self.deliver, self.ping = hooks, deliver, ping

    def _begin(self, queue: Queue, hook: Hook, now: float) -> None:
        if hook.kind == "ping":
            standing = self._standing(queue, hook, now)
            state = ILL if standing else WELL
            if queue.ping_due(hook.name, state, now, hook.every_s):
                self._busy[hook.name] = state, self.pool.submit(self.ping, hook, standing)
            return
        message = queue.next(hook.name, now, hook.per_hour)
        if message is not None:
            self._busy[hook.name] = message, self.pool.submit(self.deliver, hook, message)

    def _note(
        self, queue: Queue, name: str, what: Message | str, future: Future[Outcome], now: float
    ) -> None:
        error = future.exception()
        outcome = Outcome("retry", f"{type(error).__name__}") if error else future.result()
        if isinstance(what, str) and outcome.kind == "sent":
            queue.pinged(name, what, now)
        elif isinstance(what, str) or outcome.kind == "retry":
            queue.failed(name, outcome.why, now, outcome.after_s)
        elif outcome.kind == "refused":
            queue.refused(what, outcome.why)
        else:
            per_hour = next((h.per_hour for h in self.hooks if h.name == name), 1.0)
            queue.sent(what, now, per_hour)

    @staticmethod
    def _standing(queue: Queue, hook: Hook, now: float) -> list[Alert]:
        return [
            alert
            for alert in queue.alerts(active=True)
            if alert.rank >= rank(hook.least) and not queue.silenced(alert.key, now)
        ]
