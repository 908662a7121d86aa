"""pf.conf text to expanded rules, or to errors with a line, as pfctl words them."""

from .context import Parsed
from .statements import parse

__all__ = ["Parsed", "parse"]
