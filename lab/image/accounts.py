"""Users and groups, and what sudo and PAM make of them.

The password hashes are of known test passwords: the image's admin/admin is public (Source:
reference/tart.md §5), the operator's is its name.
"""

from dataclasses import dataclass

from .tree import Tree

HASHES = {
    "admin": "$6$clawkeep.lab$"
    "H4AB0V.vFPrqNxyRSubGEkjxR8rmS8KZ9cTeohv1lRZ"
    "Oa2ng6R7s01a5EwOa2HmDGzztLHGti.H8PjH1x6pfC1",
    "operator": "$6$clawkeep.lab$"
    "vFfVz20RxZEaM79Nv.8we0.WP28rFghvIPbGr72d/s4"
    "c4.SfVuEf/.iZcb2NKnbM48lB.X0fTKJbBqA/s7u7S0",
}
STAFF, ADMIN, WHEEL = 20, 80, 0
NOBODY = 4294967294  # -2, as macOS prints it

SYSTEM_USERS = (
    ("nobody", NOBODY, NOBODY, "Unprivileged User", "/var/empty"),
    ("root", 0, 0, "System Administrator", "/var/root"),
    ("daemon", 1, 1, "System Services", "/var/root"),
    ("_uucp", 4, 4, "Unix to Unix Copy Protocol", "/var/spool/uucp"),
    ("_www", 70, 70, "World Wide Web Server", "/Library/WebServer"),
    ("_sshd", 75, 75, "sshd Privilege separation", "/var/empty"),
    # Debian's sshd looks for its own name; it is the same account.
    ("sshd", 75, 75, "sshd Privilege separation", "/var/empty"),
    ("_softwareupdate", 200, 200, "Software Update Service", "/var/db/softwareupdate"),
)
SYSTEM_GROUPS = (
    ("nobody", NOBODY, ""), ("nogroup", NOBODY, ""), ("wheel", 0, "root"),
    ("daemon", 1, "root"), ("kmem", 2, "root"), ("sys", 3, "root"), ("tty", 4, "root"),
    ("mail", 6, ""), ("operator", 5, "root"), ("everyone", 12, ""), ("staff", STAFF, "root"),
    ("_www", 70, ""), ("_sshd", 75, ""), ("admin", ADMIN, "root"), ("_softwareupdate", 200, ""),
)  # fmt: skip

SUDOERS = """\
# Defaults of macOS: the caller's PATH is kept (there is no secure_path).
Defaults env_reset
Defaults env_keep += "BLOCKSIZE"
Defaults env_keep += "COLORFGBG COLORTERM"
Defaults env_keep += "CHARSET LANG LANGUAGE LC_ALL LC_COLLATE LC_CTYPE"
Defaults env_keep += "LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME"
Defaults env_keep += "LINES COLUMNS"
Defaults env_keep += "LSCOLORS"
Defaults env_keep += "SSH_AUTH_SOCK"
Defaults env_keep += "TZ"
Defaults env_keep += "DISPLAY XAUTHORIZATION XAUTHORITY"
Defaults env_keep += "EDITOR VISUAL"
Defaults env_keep += "HOME MAIL"
# Debian builds sudo with --with-fqdn and its own prompt; Apple does not.
Defaults !fqdn
Defaults passprompt = "Password:"

root		ALL = (ALL) ALL
%admin		ALL = (ALL) ALL

#includedir /private/etc/sudoers.d
"""

PAM = {
    "sudo": """\
auth       sufficient     pam_unix.so nodelay
auth       required       pam_deny.so
account    required       pam_permit.so
password   required       pam_deny.so
session    required       pam_permit.so
""",
    "su": """\
auth       sufficient     pam_rootok.so
auth       required       pam_unix.so nodelay
account    required       pam_permit.so
session    required       pam_permit.so
""",
    # pam_sacl and Open Directory's checks of a Mac are the script (reference/macos.md §5).
    "sshd": """\
auth       required       pam_unix.so nodelay
account    required       pam_exec.so quiet /System/Lab/mac/pam/ssh_account
account    required       pam_permit.so
password   required       pam_deny.so
session    required       pam_env.so conffile=/dev/null envfile=/System/Lab/environment
session    required       pam_permit.so
""",
    "passwd": """\
auth       required       pam_unix.so nodelay
account    required       pam_permit.so
password   required       pam_unix.so sha512
session    required       pam_permit.so
""",
    "login": """\
auth       required       pam_unix.so nodelay
account    required       pam_permit.so
session    required       pam_permit.so
""",
    "other": "auth required pam_deny.so\naccount required pam_deny.so\n",
}  # fmt: skip


@dataclass(frozen=True)
class User:
    """A person: member of staff and admin, with a home, zsh, and a known password."""

    name: str
    uid: int
    full_name: str

    @property
    def home(self) -> str:
        """Return the home folder's path."""
        return f"/Users/{self.name}"

    @property
    def owner(self) -> tuple[int, int]:
        """Return uid and gid for `chown`."""
        return self.uid, STAFF


def write_policies(tree: Tree) -> None:
    """Write sudoers and PAM, the same in every machine."""
    tree.write("/private/etc/sudoers", SUDOERS, mode=0o440)
    tree.make("/private/etc/sudoers.d")
    for service, text in PAM.items():
        tree.write(f"/private/etc/pam.d/{service}", text)


def write_accounts(tree: Tree, *people: User) -> None:
    """Write the user database: the system's accounts and these people."""
    rows = [(n, u, g, f, h, "/bin/sh" if n == "root" else "/usr/bin/false")
            for n, u, g, f, h in SYSTEM_USERS]  # fmt: skip
    rows += [(p.name, p.uid, STAFF, p.full_name, p.home, "/bin/zsh") for p in people]
    passwd = "".join(
        f"{n}:x:{u}:{g}:{full}:{home}:{shell}\n" for n, u, g, full, home, shell in rows
    )
    shadow = "".join(f"{row[0]}:{HASHES.get(row[0], '*')}:20000:0:99999:7:::\n" for row in rows)
    groups = "".join(
        f"{name}:*:{gid}:{','.join(filter(None, [members, *_joined(name, people)]))}\n"
        for name, gid, members in SYSTEM_GROUPS
    )
    tree.write("/private/etc/passwd", passwd)
    tree.write("/private/etc/shadow", shadow, mode=0o600)
    tree.write("/private/etc/group", groups)


def _joined(group: str, people: tuple[User, ...]) -> list[str]:
    return [person.name for person in people] if group == "admin" else []
