"""The form of allowlist.yml: what its JSON Schema is generated from."""

from __future__ import annotations

from pydantic import Field

from clawkeep.model.base import Declared, Many
from clawkeep.model.service import Service


class Allowlist(Declared):
    """The doors of a Clawkeep keep. Everything that is not listed is refused."""

    schema_location: str | None = Field(
        default=None, alias="$schema", description="Where an editor finds this schema."
    )
    services: Many[Service] = Field(
        description="One entry per door; an empty list ([]) opens none.", max_length=500
    )
