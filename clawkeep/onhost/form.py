"""Forms as browsers and curl send them (RFC 7578), read from one block of bytes."""

from __future__ import annotations

import re

MOST_FIELDS = 20
BOUNDARY = re.compile(r'multipart/form-data;\s*boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?\s*')
NAME = re.compile(rb'(?i)content-disposition:\s*form-data;(?:[^\r\n]*;)?\s*name="([^"\r\n]{1,64})"')


class FormError(ValueError):
    """What came is no form; the text says why."""


def fields(content_type: str, body: bytes) -> dict[str, bytes]:
    """Return the fields of a form by name; of two that share one, the first. Raises FormError."""
    found = BOUNDARY.fullmatch(content_type.strip())
    if not found:
        raise FormError("Content-Type is no multipart/form-data with a boundary")
    mark = b"--" + found[1].encode()
    if not body.startswith(mark):
        raise FormError("the form does not begin with its boundary")
    parts = (b"\r\n" + body).split(b"\r\n" + mark, MOST_FIELDS + 1)
    if not parts[-1].startswith(b"--"):
        raise FormError(f"the form has no end, or more than {MOST_FIELDS} fields")
    form: dict[str, bytes] = {}
    for part in parts[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        name = NAME.search(head)
        if not blank or not head.startswith(b"\r\n") or not name:
            raise FormError("a field of the form has no name")
        form.setdefault(name[1].decode(errors="replace"), content)
    return form
