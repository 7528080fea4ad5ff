"""What the handlers of all routes below ``kernelws/api/kernels/<kernel_id>`` share.

Rights are those of the kernels API: reading needs ``read`` on ``kernels``, everything else ``execute``. Only the user who ran
an execution can see it; for others it does not exist (404). Errors are JSON with a reason.
Must not know what a route does. Cost: one parse of the body.
"""

import json
import math
import re
from collections.abc import Callable
from http.client import responses
from typing import Any, NoReturn, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.escape import json_encode

from ..kernel.journal import Facts, KernelJournal
from ..session import owners
from .service import Executions

SERVICE = "kernelws_executions"
"""The key of the server's ``Executions`` in tornado's settings."""
MAX_BODY = 16 << 20
"""Maximum bytes of a request's body."""
KINDS = {str: "a text", bool: "true or false", list: "a list"}
"""What an error calls the type of a member."""
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON writes it; ``float`` takes more: ``1_0``, ``inf``, digits of all scripts."""
ID = r"(?P<execution_id>[^/]+)"
KERNEL = r"(?P<kernel_id>[^/]+)"


Method = TypeVar("Method", bound=Callable[..., Any])


def executing(method: Method) -> Method:
    """Decorates a method that needs the right ``execute``. ``authorized`` alone would ask for ``write``."""
    decorated: Method = authorized(action="execute")(method)
    return decorated


class ExecutionsHandler(APIHandler):
    """What all routes share."""

    auth_resource = "kernels"
    _track_activity = False

    @property
    def service(self) -> Executions:
        service: Executions = self.settings[SERVICE]
        return service

    @property
    def owner(self) -> str | None:
        """The user of this request; see ``session.owners``."""
        return owners.owner_of(self)

    def refuse(self, status: int, reason: str) -> NoReturn:
        """Ends the request with an error."""
        raise web.HTTPError(status, reason, reason=reason)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As upstream, but the answer holds no traceback and no more than a reason."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        given = error.reason if isinstance(error, web.HTTPError) else None
        reason = given or responses.get(status_code, "unknown error")
        if status_code == 405:  # RFC 9110, 15.5.6
            self.set_header("Allow", ", ".join(name for name in self.SUPPORTED_METHODS if self._has(name)))
        self.set_header("Content-Type", "application/json")
        self.finish(json_encode({"message": reason, "reason": reason}))

    def compute_etag(self) -> None:
        """None: no answer may be stored, so no client can ask whether its copy is current. A digest of 1 MB costs 0.4 ms."""

    def _has(self, method: str) -> bool:
        """Whether the class handles this HTTP method. For all others tornado has one function, which refuses."""
        return getattr(type(self), method.lower()) is not getattr(web.RequestHandler, method.lower())

    def journal(self, kernel_id: str) -> KernelJournal:
        """The kernel's journal, or 404."""
        journal = self.service.journal(kernel_id)
        if journal is None:
            self.refuse(404, "no such kernel, or its executions are not kept")
        return journal

    def execution(self, kernel_id: str, execution_id: str) -> tuple[KernelJournal, int, Facts]:
        """An execution of this user, or 404."""
        journal = self.journal(kernel_id)
        found = journal.find(execution_id, self.owner)
        if found is None:
            self.refuse(404, "no such execution")
        return journal, *found

    def number(self, name: str, default: float, most: float, *, whole: bool = False) -> float:
        """A query argument that is a number from 0 to ``most``; a larger one counts as ``most``."""
        text = self.get_query_argument(name, None, strip=False)
        if text is None:
            return default
        value = min(float(text), most) if NUMBER.fullmatch(text) else math.nan
        if not value >= 0 or (whole and value % 1):
            self.refuse(400, f"{name} must be a {'whole ' if whole else ''}number, 0 or more")
        return value

    def body(self, **fields: tuple[type, Any]) -> dict[str, Any]:
        """The members of the JSON body. ``fields``: name -> type and default; with the default ``...`` a member is required."""
        if len(self.request.body) > MAX_BODY:
            self.refuse(413, f"the body is larger than {MAX_BODY} bytes")
        try:
            found = json.loads(self.request.body.decode() or "{}")
        except (ValueError, RecursionError):
            self.refuse(400, "the body is not JSON")
        if not isinstance(found, dict):
            self.refuse(400, "the body must be a JSON object")
        for name in found:
            if name not in fields:
                self.refuse(400, "the body has an unknown member")
        return {name: self._member(found, name, *field) for name, field in fields.items()}

    def _member(self, found: dict[str, Any], name: str, kind: type, default: Any) -> Any:
        if name not in found:
            if default is ...:
                self.refuse(400, f"{name} is missing")
            return default
        if type(found[name]) is not kind:
            self.refuse(400, f"{name} must be {KINDS[kind]}")
        return found[name]

    def answer(self, found: dict[str, Any], status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json_encode(found))
