"""Runs in the guest as the service's user, on its own Python 3.9: tries a credential of the model.

Sent on stdin by `roles.agent.secrets`, with the credential behind it. Only a clear no is a failure:
a guest that cannot reach the model, or a model that has other troubles, says nothing about it.
"""

import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request

ADDRESS = "https://api.anthropic.com/v1/models?limit=1"
#: Where the keep says which proxy there is, and where macOS has its certificates.
PROXY, CERTIFICATES = "/etc/clawkeep/proxy.env", "/etc/ssl/cert.pem"
TIMEOUT_S = 15


def headers(name, value):
    """Return the headers with which each kind of credential is shown."""
    if name == "CLAUDE_CODE_OAUTH_TOKEN":
        shown = {"authorization": "Bearer " + value, "anthropic-beta": "oauth-2025-04-20"}
    else:
        shown = {"x-api-key": value}
    return {"anthropic-version": "2023-06-01", **shown}


def opener():
    """Return what opens addresses: through the keep's proxy if there is one, with Apple's trust."""
    proxies = {}
    if os.path.exists(PROXY):
        with open(PROXY, encoding="utf-8") as file:
            proxies = dict(re.findall(r"^export (https)_proxy=(\S+)$", file.read(), re.MULTILINE))
    trust = ssl.create_default_context(
        cafile=CERTIFICATES if os.path.exists(CERTIFICATES) else None
    )
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=trust)
    )


def refusal(name, value, address=ADDRESS):
    """Return the model's words when it says that it does not know the credential, else None."""
    request = urllib.request.Request(address, headers=headers(name, value))  # noqa: S310 - https
    try:
        opener().open(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        if error.code != 401:
            return None
        words = error.read(4096).decode(errors="replace")
        try:
            words = str(json.loads(words)["error"]["message"])
        except (ValueError, LookupError, TypeError):
            return None
        # The same status says that a kind of credential does not fit this address.
        return words[:200] if "invalid" in words.lower() and value not in words else None
    except (OSError, ValueError):
        return None
    return None


def main(stream):
    """Ask about the credential that the JSON object on `stream` names; leave with 1 if refused."""
    try:
        task = json.loads(stream.read())
        name, value = task["name"], task["value"]
    except (ValueError, LookupError, TypeError):
        sys.exit("the question came in cut or is none; nothing was done")
    words = refusal(name, value)
    if words is not None:
        sys.exit(
            "the model does not take %s: %s; nothing was changed, and NanoClaw goes on with what "
            "it has. Put the right one where its reference leads" % (name, ascii(words))
        )
