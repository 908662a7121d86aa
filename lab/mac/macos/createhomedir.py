"""createhomedir: makes the home folders that account tools only recorded.

Exits 0 whether or not it made one. Source: reference/macos.md §5; createhomedir(1).
"""

import getopt

from ..calls import record
from . import accounts, directory
from .console import complain, is_root


def main(argv: list[str]) -> int:
    """Run `createhomedir -c [-u USER]`."""
    record(argv, mutates=True)
    try:
        options = dict(getopt.getopt(argv[1:], "scbalu:n:i")[0])
    except getopt.GetoptError:
        options = {}
    if not options:
        complain("usage: createhomedir [-scbal] [-n directoryDomainName] [-u username]")
        return 1
    if not is_root():
        complain("createhomedir: must be run as root")
        return 1
    users = directory.load().users
    wanted = [options["-u"]] if "-u" in options else list(users)
    for name in wanted:
        user = users.get(name)
        if user is None:
            print(f"user '{name}' not found")
            continue
        if not user.first("NFSHomeDirectory").startswith("/Users/"):
            continue
        home = user.first("NFSHomeDirectory")
        print(f"creating home directories for ({name})")
        if accounts.create_home(user):
            print(f"created ({home})")
    return 0
