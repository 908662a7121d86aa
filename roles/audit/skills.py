"""What skills leave in the guest, and the matrix of `clawkeep skills`, a check per skill."""

from __future__ import annotations

from collections.abc import Iterator

from clawkeep.audit.check import Check, Machine
from clawkeep.model import Keep
from clawkeep.skills.wanted import wanted
from roles.audit import entries
from roles.skills import configure

GUEST = Machine.GUEST


def checks(keep: Keep) -> Iterator[Check]:
    """Yield the checks of all declared skills."""
    skills = wanted(keep)
    user = keep.guest.user
    if not skills:
        return
    yield from entries.of(GUEST, configure.programs(skills))
    for skill in skills:
        for path in (*skill.wants.files, *(file.path for file in skill.wants.secret_files)):
            yield entries.secret(GUEST, f"/Users/{user}/{path}", user)
        yield Check(GUEST, "skill", skill.name, "installed, configured and proved")
