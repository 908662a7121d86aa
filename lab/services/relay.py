"""The mail server behind Dovecot's submission: takes letters of its own domain, and keeps them.

Dovecot asks it to send what a user who has logged in submits; it has no login of its own, and
listens on the LAN's loopback alone. A sender of another domain is refused, as providers do. Source:
RFC 5321; postfix's words for `reject_sender_login_mismatch`.
"""

import asyncio
import contextlib
from pathlib import Path

PORT = 10025
DOMAIN = "@lab.internal>"
END = b"\r\n.\r\n"


async def serve(folder: Path) -> asyncio.Server:
    """Answer at the loopback; letters become files in `folder`. Raises OSError."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            await _converse(reader, writer, folder)
        writer.close()

    return await asyncio.start_server(converse, "127.0.0.1", PORT)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, folder: Path
) -> None:
    writer.write(b"220 relay.lab.internal ESMTP\r\n")
    while line := await reader.readline():
        words = line.decode(errors="replace").strip()
        verb = words.partition(" ")[0].upper()
        if verb == "DATA":
            writer.write(b"354 End data with <CR><LF>.<CR><LF>\r\n")
            letter = await reader.readuntil(END)
            number = len(list(folder.iterdir())) + 1
            (folder / f"{number}.relayed").write_bytes(letter.removesuffix(END) + b"\r\n")
        writer.write(f"{_answer(verb, words)}\r\n".encode())
        if verb == "QUIT":
            return


def _answer(verb: str, words: str) -> str:
    match verb:
        case "EHLO":
            lines = ("relay.lab.internal", "PIPELINING", "ENHANCEDSTATUSCODES", "SIZE 10240000")
            return "".join(f"250-{line}\r\n" for line in lines) + "250 8BITMIME"
        case "MAIL" if DOMAIN not in words.lower():
            sender = words.partition(":")[2].split()[0]
            return f"553 5.7.1 {sender}: Sender address rejected: not owned by user"
        case "DATA":
            return "250 2.0.0 Ok: queued"
        case "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP":
            return "250 2.0.0 Ok"
        case "QUIT":
            return "221 2.0.0 Bye"
    return "502 5.5.2 Error: command not recognized"
