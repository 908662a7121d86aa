"""The direct runtime as one executable file: its modules in an archive that Python runs.

That is the form of the standard library's zipapp: a first line that names the interpreter, then
a zip whose `__main__` is imported. The modules stand in it as plain text, uncompressed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

INTERPRETER = "/usr/bin/python3 -IS"
"""Alone, and without `site`: that takes as long to load as all the rest of Python."""
#: The same bytes for the same modules: the oldest date that a zip can hold.
_DATE = (1980, 1, 1, 0, 0, 0)


def program(modules: Mapping[str, str], main: str) -> bytes:
    """Return an executable archive of modules, by dotted name, that calls `main` of one of them.

    `main` is `module:function`; the function gets sys.argv and returns the exit status. Packages
    that `modules` does not hold are there and empty.
    """
    files = {f"{name.replace('.', '/')}.py": text for name, text in modules.items()}
    for name in modules:
        parts = name.split(".")
        for end in range(1, len(parts)):
            files.setdefault("/".join([*parts[:end], "__init__.py"]), "")
    module, _, function = main.partition(":")
    files["__main__.py"] = (
        f"import sys\n\nfrom {module} import {function}\n\nsys.exit({function}(sys.argv))\n"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:
        for path in sorted(files):
            bundle.writestr(zipfile.ZipInfo(path, _DATE), files[path])
    return f"#!{INTERPRETER}\n".encode() + archive.getvalue()
