"""The text files of a guest that concern nobody but its accounts and its SSH."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clawkeep.model import Guest
from roles.bundle import Directory, File

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
IMAGE_USER = "admin"


def guest_files(guest: Guest, public_key: str) -> list[File | Directory]:
    """Return authorized keys, shell environments, sshd's drop-in and sudo's one rule.

    The key comes before the drop-in that turns passwords off: a run that is killed in between
    leaves the guest reachable.
    """
    values = {"user": guest.user, "public_key": public_key}
    entries: list[File | Directory] = []
    for user in (IMAGE_USER, guest.user):
        home = f"/Users/{user}"
        entries += [
            Directory(f"{home}/.ssh", "700", user, "staff"),
            File(
                f"{home}/.ssh/authorized_keys",
                render("authorized_keys.j2", values),
                "600",
                user,
                "staff",
            ),
            File(f"{home}/.zshenv", render("zshenv.j2", values), "644", user, "staff"),
        ]
    return [
        *entries,
        File(
            "/etc/sudoers.d/clawkeep",
            render("sudoers.j2", values),
            "440",
            check="/usr/sbin/visudo -c -f",
        ),
        File("/etc/ssh/sshd_config.d/010-clawkeep.conf", render("010-clawkeep.conf.j2", values)),
    ]


def render(name: str, values: dict[str, str]) -> bytes:
    """Render one template of `templates/`; an unknown value is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - shell and sshd files, not HTML
    )
    return environment.get_template(name).render(values).encode()
