"""A headless Chromium, spoken to over its own pipe: what a page really does in a browser."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe", "--hide-scrollbars",
)  # fmt: skip


def program() -> str | None:
    """Return the browser of this machine, None when there is none."""
    return shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One tab. `said` is what the browser reported: errors, refusals by the policy, requests."""

    def __init__(self, profile: Path) -> None:
        found = program()
        assert found, "no Chromium"
        ours, theirs = os.pipe(), os.pipe()
        self._write, self._read = theirs[1], ours[0]

        # The browser reads commands on 3 and answers on 4.
        script = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", script, found, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs[0], ours[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs[0])
        os.close(ours[1])
        self._buffer, self._number, self._session = b"", 0, ""
        self.said: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime", "Audits"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **values: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol; return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(30)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.said.append(answer)

    def _next(self, timeout_s: float) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            chunk = os.read(self._read, 65536) if ready else b""
            assert chunk, "the browser said nothing"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        data: dict[str, Any] = json.loads(line)
        return data

    def looks(self, width: int, theme: str) -> None:
        """Set the screen's width and the theme that the user prefers."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.ask("Emulation.setEmulatedMedia", features=[feature])

    def open(self, url: str) -> None:
        """Go to an address and wait until it has loaded."""
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait(self, expression: str, timeout_s: float = 20) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + timeout_s
        while self.value(expression) is not True:
            assert time.monotonic() < end, f"never so: {expression}"
            time.sleep(0.1)

    def value(self, expression: str) -> Any:
        """Return what an expression is in the page; the page's policy does not bind us."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write a screenshot of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return what went wrong in the page: errors, and whatever its policy refused."""
        self.value("0")
        found = []
        for one in self.said:
            values = one.get("params", {})
            if one.get("method") == "Log.entryAdded":
                found.append(values["entry"]["text"])
            elif one.get("method") == "Runtime.exceptionThrown":
                found.append(str(values["exceptionDetails"].get("text")))
            elif one.get("method") == "Audits.issueAdded":
                found.append(json.dumps(values["issue"]))
        return found

    def requests(self) -> list[str]:
        """Return every address that the page has asked for."""
        return [
            one["params"]["request"]["url"]
            for one in self.said
            if one.get("method") == "Network.requestWillBeSent"
        ]


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Return a browser with an empty profile; end it afterwards."""
    made = Browser(profile)
    try:
        yield made
    finally:
        made.process.terminate()
        try:
            made.process.wait(10)
        except subprocess.TimeoutExpired:
            made.process.kill()
