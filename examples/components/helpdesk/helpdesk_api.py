"""The helpdesk's API: lines of JSON, one for each ticket, and answers."""

from __future__ import annotations

import json
from http.client import HTTPResponse
from typing import Any
from urllib.request import Request, urlopen

Cfg = dict[str, Any]


def call(cfg: Cfg, path: str, body: object = None, timeout: float = 30) -> HTTPResponse:
    """GET, or POST where there is a body; `HTTPError` when it is refused."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {cfg['token']}", "content-type": "application/json"}
    answer: HTTPResponse = urlopen(Request(cfg["url"] + path, data, headers), timeout=timeout)
    return answer
