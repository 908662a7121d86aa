"""The LAN's mail server: a real Dovecot, one account with one message, IMAP and submission by TLS.

What is submitted goes to `relay`. Without Dovecot on this machine there is no mail, without its
submission daemon none can be sent: the ports are closed.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import relay

SUBMISSION = Path("/usr/lib/dovecot/submission-login")
USER, PASSWORD = "babybot@lab.internal", "mail-planted-8814"
MESSAGE = """\
From: keeper@lab.internal
To: babybot@lab.internal
Subject: Welcome
Date: Sat, 21 Nov 2026 12:00:00 +0000
Message-ID: <1@lab.internal>

The keep is closed.
"""
CONFIG = """\
protocols = {protocols}
listen = {address}
base_dir = {run}/base
state_dir = {run}/base
log_path = {run}/log
ssl = required
ssl_cert = <{certificate}.pem
ssl_key = <{certificate}.key
hostname = mail.lab.internal
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
mail_location = maildir:{run}/mail
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {run}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={run}/mail
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 993
  }}
}}
"""
SUBMISSIONS = """\
service submission-login {{
  inet_listener submission {{
    port = 0
  }}
  inet_listener submissions {{
    port = 465
    ssl = yes
  }}
}}
"""
_running: list[subprocess.Popen[bytes] | asyncio.Server] = []


async def serve(address: str, certificates: Path) -> None:
    """Answer at `address`:993 and :465 as long as this process runs. Raises OSError."""
    dovecot = shutil.which("dovecot", path="/usr/sbin:/usr/bin")
    if dovecot is None:
        return
    # Its sockets have short names, and its users must be able to come here.
    run = Path(tempfile.mkdtemp(prefix="lab-mail-", dir="/run"))
    run.chmod(0o755)
    inbox = run / "mail" / "new"
    for folder in (inbox, run / "mail" / "cur", run / "mail" / "tmp", run / "base"):
        folder.mkdir(parents=True)
    (inbox / "1.lab").write_text(MESSAGE)
    for path in (run / "mail", *(run / "mail").rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    config = run / "dovecot.conf"
    sends = SUBMISSION.exists()
    values = {"address": address, "run": run, "certificate": certificates / "mail",
              "relay": relay.PORT, "protocols": "imap submission" if sends else "imap"}  # fmt: skip
    config.write_text((CONFIG + SUBMISSIONS * sends).format(**values))
    (run / "sent").mkdir()
    _running.append(await relay.serve(run / "sent"))
    (run / "users").write_text(f"{USER}:{PASSWORD}\n")
    command = [dovecot, "-F", "-c", str(config)]
    _running.append(
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, cwd="/", env={"PATH": os.defpath})
    )  # fmt: skip
    await asyncio.sleep(0)
