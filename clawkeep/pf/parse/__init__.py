"""From text to rules: the part of macOS's pf grammar that is judged here."""

from .statements import parse_rules

__all__ = ["parse_rules"]
