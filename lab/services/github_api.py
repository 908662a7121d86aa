"""api.github.com: who a token belongs to, and 401 for one that belongs to nobody.

A token of the lab is `ghp_lab_LOGIN`: it belongs to LOGIN. Source of status, words and header:
GitHub's REST documentation ("Get the authenticated user", "Bad credentials").
"""

import json
import re
from typing import TYPE_CHECKING

from .http import Request, Response

if TYPE_CHECKING:
    from .internet import Stock

JSON = "application/json; charset=utf-8"
TOKEN = re.compile(r"(?:token|Bearer) ghp_lab_([A-Za-z0-9-]+)")


def answer(request: Request, _stock: "Stock") -> Response | None:
    """Answer GET /user and GET / by the token; the rest is any other site's."""
    path = request.path.partition("?")[0]
    if path not in {"/user", "/"}:
        return None
    owner = TOKEN.fullmatch(request.headers.get("authorization", ""))
    if owner is None:
        text = {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}
        return Response(401, JSON, json.dumps(text).encode(), facts={"status": 401})
    body = {"login": owner[1], "id": 1, "type": "User"} if path == "/user" else {}
    headers = {"X-OAuth-Scopes": "repo, read:org"}
    return Response(200, JSON, json.dumps(body).encode(), headers, facts={"status": 200})
