"""The cut that the guard stands by: on record in cut.json, or in memory until it can be written.

What closes comes before what is written about it, so that a disk that is full, or a file that
cannot be replaced, keeps nothing open. Until it is on record only the guard knows of the cut: what
another verb opens meanwhile is closed again at the guard's next look.
"""

from __future__ import annotations

from dataclasses import replace

from clawkeep.onhost import paths, store
from clawkeep.onhost.situation import Cut, Situation


class Cuts:
    """The cut that is not on record yet; `unwritten` is None when there is none such."""

    def __init__(self) -> None:
        self.unwritten: Cut | None = None
        self._said = ""

    def upon(self, now: Situation) -> Situation:
        """Return the situation with the cut that holds, whether or not it is on record."""
        return now if self.unwritten is None else replace(now, cut=self.unwritten)

    def stand(self, cut: Cut) -> None:
        """Hold this cut from now on; `keep` puts it on record. Never raises."""
        self.unwritten = cut

    def keep(self) -> None:
        """Put what is not on record there; one that cannot be written still holds. Never raises."""
        if self.unwritten is None:
            return
        try:
            store.write(paths.CUT, self.unwritten.text(), 0o600)
        except OSError as error:
            if self._said != str(error):
                self._said = str(error)
                store.event("failed", f"a cut that holds could not be written: {error}")
            return
        self.unwritten, self._said = None, ""

    def lift(self) -> None:
        """End the cut. Raises OSError when it cannot be taken off the record: then it holds."""
        paths.CUT.unlink(missing_ok=True)
        self.unwritten = None
