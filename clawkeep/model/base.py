"""What every declared value has in common: frozen, typed strictly, no unknown fields."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

T = TypeVar("T")


class Declared(BaseModel):
    """A part of the declaration: immutable, and as strict as the operator's intent is exact."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


def as_tuple(value: Any) -> Any:
    """Turn a list, as YAML and group_data write it, into the tuple that the model keeps."""
    return tuple(value) if isinstance(value, list) else value


Many = Annotated[tuple[T, ...], BeforeValidator(as_tuple)]
"""A list in the declaration, a tuple in the model."""


def printable(text: str) -> str:
    """Return `text`; raise ValueError when it holds a line break or an invisible character."""
    for character in text:
        if not character.isprintable():
            raise ValueError(
                f"holds the character U+{ord(character):04X}; write one line of visible text"
            )
    return text
