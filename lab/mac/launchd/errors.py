"""launchd's error numbers and the words launchctl prints for them.

Below 107 they are errno values with Darwin's numbers (36, 37 are not Linux's). Source:
reference/macos.md §4.2; the words for 107 and up as launchctl's own table has them.
"""

EPERM, ENOENT, ESRCH, EIO, EINVAL = 1, 2, 3, 5, 22
EINPROGRESS, EALREADY = 36, 37
NO_DOMAIN, NO_SERVICE, DISABLED, BAD_OWNERSHIP, UNSUPPORTED = 112, 113, 119, 122, 125
BAD_PLIST, NO_PROGRAM, WRONG_SESSION = 109, 111, 134
EX_USAGE, EX_CONFIG = 64, 78

TEXT = {
    0: "No error",
    EPERM: "Operation not permitted",
    ENOENT: "No such file or directory",
    ESRCH: "No such process",
    EIO: "Input/output error",
    EINVAL: "Invalid argument",
    EINPROGRESS: "Operation now in progress",
    EALREADY: "Operation already in progress",
    BAD_PLIST: "Invalid property list",
    NO_PROGRAM: "Invalid or missing Program/ProgramArguments",
    NO_DOMAIN: "Could not find specified domain",
    NO_SERVICE: "Could not find specified service",
    DISABLED: "Service is disabled",
    BAD_OWNERSHIP: "Path had bad ownership/permissions",
    UNSUPPORTED: "Domain does not support specified action",
    WRONG_SESSION: "Service cannot load in requested session",
}


class LaunchdError(Exception):
    """A refusal: `code` is what launchctl exits with, `detail` goes to launchd's log."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(detail or text(code))
        self.code = code


def text(code: int) -> str:
    """Return launchctl's words for an error number."""
    return TEXT.get(code, "Unknown error")
