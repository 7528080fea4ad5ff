"""One call of a Jupyter REST API, over HTTP or HTTPS. Must not retry, or hide what an answer says."""

import json
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from tests.support.wait import TIMEOUT


async def fetch(url: str, method: str = "GET", body: Any = None, *, token: str = "", **options: Any) -> HTTPResponse:
    """The answer. ``options`` are tornado's. Raises ``HTTPClientError`` for anything but success."""
    request = HTTPRequest(
        url,
        method,
        headers={"Authorization": f"token {token}"} if token else {},
        body=json.dumps(body if body is not None else {}) if method in {"POST", "PUT", "PATCH"} else None,
        request_timeout=TIMEOUT,
        **options,
    )
    return await AsyncHTTPClient(force_instance=True).fetch(request)


async def rest(url: str, method: str = "GET", body: Any = None, *, token: str = "", **options: Any) -> Any:
    """What the API answers, as Python; None where it answers nothing."""
    response = await fetch(url, method, body, token=token, **options)
    return json.loads(response.body) if response.body else None
