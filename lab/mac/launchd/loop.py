"""The event loop of process 1: descriptors, timers and signals in one wait, without polling."""

import heapq
import itertools
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import log

Callback = Callable[[], None]


@dataclass(order=True)
class Timer:
    """A callback due at a monotonic time; `cancel` forgets it."""

    due: float
    order: int
    callback: Callback | None = field(compare=False)

    def cancel(self) -> None:
        """Make sure the callback does not run."""
        self.callback = None


class Loop:
    """Runs callbacks until `stop` gives the exit status."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        self._order = itertools.count()
        self._signals: dict[int, Callback] = {}
        self._status: int | None = None
        self._wakeup, writer = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.add(self._wakeup, self._dispatch_signals)

    def add(self, descriptor: int, callback: Callback) -> None:
        """Call back whenever the descriptor is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor; one that is not watched is no error."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call back once, `seconds` from now."""
        timer = Timer(time.monotonic() + seconds, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call back, from the loop, each time the signal arrives (several may be one)."""
        self._signals[number] = callback
        signal.signal(number, lambda _number, _frame: None)

    def stop(self, status: int) -> None:
        """End `run` with this status."""
        self._status = status

    def run(self) -> int:
        """Serve until `stop`; return its status."""
        while self._status is None:
            for key, _events in self._selector.select(self._patience()):
                _guarded(key.data)
            self._fire()
        return self._status

    def _patience(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].due - time.monotonic()) if self._timers else None

    def _fire(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                _guarded(timer.callback)

    def _dispatch_signals(self) -> None:
        try:
            numbers = set(os.read(self._wakeup, 4096))
        except BlockingIOError:
            return
        for number in sorted(numbers):
            _guarded(self._signals.get(number, lambda: None))


def _guarded(callback: Callback) -> None:
    """Run a callback: a mistake in one job must not end process 1, and with it the machine."""
    try:
        callback()
    except Exception as error:  # noqa: BLE001
        log.write("launchd", f"internal error: {error!r}", "Fault")
