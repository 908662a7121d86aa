"""What takes so long to ask that nobody waits for it: the doctor, the skills."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from clawkeep.doctor.gather import gather as doctor
from clawkeep.model import Keep
from clawkeep.overview.ask import NoAnswerError
from clawkeep.overview.sources import DOCTOR, SKILLS, UNDECLARED, Answer
from clawkeep.skills.gather import gather as gather_skills
from clawkeep.skills.wanted import wanted
from clawkeep.target import Target

Change = Callable[[Answer], Answer]


class Aside:
    """Asks what takes long in threads of their own; whoever comes later gets what they learned."""

    def __init__(self, keep: Keep, target: Target) -> None:
        self._asks: dict[str, Callable[[], Any]] = {
            DOCTOR: lambda: doctor(keep, target).as_json(),
            SKILLS: lambda: _skills(keep, target),
        }
        self._futures: dict[str, Future[Any]] = {}

    def begin(self, names: Iterable[str]) -> None:
        """Begin to ask; what is being asked is not asked twice."""
        for name in names:
            if name not in self._futures:
                future: Future[Any] = Future()
                self._futures[name] = future
                # A pool's threads are waited for at the end of the process.
                threading.Thread(
                    target=_into, args=(future, self._asks[name]), name=name, daemon=True
                ).start()

    def ended(self) -> dict[str, Change]:
        """Return what was learned since."""
        done = {name: future for name, future in self._futures.items() if future.done()}
        for name in done:
            del self._futures[name]
        return {name: _learned(future) for name, future in done.items()}


def _into(future: Future[Any], ask: Callable[[], Any]) -> None:
    try:
        # As the verb prints it: lists, and no tuples.
        future.set_result(json.loads(json.dumps(ask())))
    except Exception as error:  # noqa: BLE001 - whatever a machine does, the page must go on
        future.set_exception(error)


def _learned(future: Future[Any]) -> Change:
    now, error = time.time(), future.exception()
    if error is not None:
        said = (
            str(error) if isinstance(error, NoAnswerError) else f"{type(error).__name__}: {error}"
        )
        return failed(said)
    data = future.result()
    return lambda _: Answer(data, now, "", now)


def _skills(keep: Keep, target: Target) -> Any:
    if not (skills := wanted(keep)):
        raise NoAnswerError(f"{UNDECLARED}: `skills` in group_data/all.py is empty")
    return gather_skills(keep, target, skills).as_json()


def failed(error: str) -> Change:
    """Return what becomes of an answer when the ask has failed."""
    now = time.time()
    return lambda last: last.failed(error, now)
