"""sysadminctl: makes, changes and removes users, and exits 0 whatever happens.

All output is on stderr with NSLog's prefix. `-home` only records the path ("assigned (not
created!)"); `-autologin set` fails with error 22 over SSH. Only a caller that is not root gets a
non-zero status. Source: reference/macos.md §5; texts as in users' transcripts of macOS 15.
"""

from ..calls import record
from . import accounts, directory
from .console import is_root, nslog, read_secret
from .directory import Node

SWITCHES = {"-admin", "-interactive", "-secure", "-keepHome", "-roleAccount", "interactive"}
NOT_ROOT = (
    "sysadminctl should be run as root, or in interactive mode! (Error "
    'Domain=NSOSStatusErrorDomain Code=-60007 "errAuthorizationInteractionNotAllowed: The '
    'authorization was denied since no user interaction was possible. ")'
)
RULE = "----------------------------"
NO_TOKEN = (
    "No clear text password or interactive option was specified (adduser, change/reset password "
    "will not allow user to use FDE) !"
)
SOURCE_FILE = (
    "/AppleInternal/Library/BuildRoots/lab/Library/Caches/com.apple.xbs/Sources/Admin/DSRecord.m"
)


def say(text: str) -> None:
    """Print one line of sysadminctl's."""
    nslog("sysadminctl", text)


def parse(words: list[str]) -> dict[str, str]:
    """Return options with their values; switches have an empty one."""
    options: dict[str, str] = {}
    position = 0
    while position < len(words):
        name = words[position]
        takes = name not in SWITCHES and position + 1 < len(words)
        options[name] = words[position + 1] if takes else ""
        position += 2 if takes else 1
    return options


def main(argv: list[str]) -> int:
    """Run one command; always 0 for root."""
    options = parse(argv[1:])
    reads = {"-secureTokenStatus", "-guestAccount"} & set(options) or "status" in options.values()
    record(argv, mutates=not reads)
    for name, (action, needs_root) in ACTIONS.items():
        if name in options:
            if needs_root and not is_root():
                say(NOT_ROOT)
                return 1
            action(options)
            return 0
    say("Usage: sysadminctl")
    return 0


def password_from(options: dict[str, str], *names: str) -> str | None:
    """Return the password of the first option given; `-` asks for it on the terminal or stdin."""
    for name in names:
        if name in options:
            given = options[name]
            return read_secret("User password:") if given == "-" else given
    return None


def add_user(options: dict[str, str]) -> None:
    """-addUser NAME [-fullName -UID -GID -shell -password -hint -home -admin -picture]."""
    name = options["-addUser"]
    for line in (RULE, NO_TOKEN, RULE):
        say(line)
    password = password_from(options, "-password")
    say("Creating user record…")
    with directory.editing() as node:
        if name in node.users or _uid_taken(node, options.get("-UID")):
            say(f"### Error:-14135 File:{SOURCE_FILE} Line:563")
            return
        uid, gid = options.get("-UID", str(node.next_uid())), options.get("-GID", "20")
        home = options.get("-home", f"/Users/{name}")
        attributes = {
            "UniqueID": [uid],
            "PrimaryGroupID": [gid],
            "RealName": [options.get("-fullName", name)],
            "NFSHomeDirectory": [home],
            "UserShell": [options.get("-shell", "/bin/zsh")],
        }
        accounts.add_user(node, name, attributes, password)
        say(f"Assigning UID: {uid} GID: {gid}")
        if "-admin" in options:
            accounts.join(node, "admin", name)
        created = node.users[name]
    if "-home" in options:
        say(f"Home directory is assigned (not created!) at {home}")
    else:
        say(f"Creating home directory at {home}")
        accounts.create_home(created)


def _uid_taken(node: Node, uid: str | None) -> bool:
    return uid is not None and any(u.first("UniqueID") == uid for u in node.users.values())


def delete_user(options: dict[str, str]) -> None:
    """-deleteUser NAME [-secure | -keepHome]."""
    name = options["-deleteUser"]
    with directory.editing() as node:
        user = node.users.get(name)
        if user is None:
            say(f"Unable to find user: {name}.")
            return
        say(f"Killing all processes for UID {user.first('UniqueID')}")
        if "-keepHome" not in options:
            say(f"Removing {name}'s home at {user.first('NFSHomeDirectory')}")
            accounts.remove_home(user)
        say(f"Deleting Public share point for {name}")
        say(f"Deleting record for {name}")
        accounts.remove_user(node, name)


def reset_password(options: dict[str, str]) -> None:
    """-resetPasswordFor NAME -newPassword PASSWORD."""
    name = options["-resetPasswordFor"]
    password = password_from(options, "-newPassword", "-password")
    with directory.editing() as node:
        if name not in node.users or not password:
            say(f"Unable to find user: {name}." if password else "No new password was given")
            return
        accounts.set_password(node.users[name], password)
    say(f"Done changing password for user: {name}.")


def autologin(options: dict[str, str]) -> None:
    """-autologin set|off|status: setting it over SSH never works."""
    if options["-autologin"] == "set":
        say("SACSetAutoLoginPassword error:22")
    elif options["-autologin"] == "status":
        say("Automatic login user: none")


def screen_lock(options: dict[str, str]) -> None:
    """-screenLock off|immediate|SECONDS|status: works only for a user logged in at the screen."""
    if options["-screenLock"] == "status":
        say("screenLock delay is 300 seconds")
    else:
        say("screenLock: the user is not logged in at the console")


def secure_token(options: dict[str, str]) -> None:
    """-secureTokenStatus NAME: nobody has one in a VM made over SSH."""
    say(f"Secure token is DISABLED for user {options['-secureTokenStatus']}")


def guest_account(options: dict[str, str]) -> None:
    """-guestAccount on|off|status."""
    status = options["-guestAccount"] == "status"
    say("Guest account disabled." if status else "Guest account is already disabled")


ACTIONS = {
    "-addUser": (add_user, True),
    "-deleteUser": (delete_user, True),
    "-resetPasswordFor": (reset_password, True),
    "-autologin": (autologin, False),
    "-screenLock": (screen_lock, False),
    "-secureTokenStatus": (secure_token, False),
    "-guestAccount": (guest_account, False),
}
