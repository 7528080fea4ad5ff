"""schemathesis sends what ``docs/executions.openapi.yaml`` describes, and what it does not, to a server with real kernels.

Each answer is compared with the file: status, headers, content type, schema; what the file forbids must be refused. The seed is
fixed; ``KERNELWS_OPENAPI_EXAMPLES=5000`` sends more, with new seeds. Must not run code that it was given: a kernel gets string
literals only. Cost: a server, two kernels, and about a hundred requests for each operation.
"""

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.config import GenerationConfig
from schemathesis.core.parameters import ParameterLocation

from kernelws.cli.child import Child
from kernelws.cli.client import Client
from scripts.docs_facts import ROOT
from tests.support.process_server import EXTENSIONS
from tests.support.server import TOKEN

FILE = ROOT / "docs" / "executions.openapi.yaml"
MORE = int(os.environ.get("KERNELWS_OPENAPI_EXAMPLES", "0"))
EXAMPLES = MORE or 50
"""Random examples for each operation, in addition to those that schemathesis makes from each keyword of the file."""
LONGEST_WAIT = 0.05
"""Seconds that a request may wait for news; longer ones are shortened."""
EVERYTHING = """
import sys
from IPython.display import display, clear_output
print('out')
print('err', file=sys.stderr)
shown = display({'text/plain': 'before'}, raw=True, display_id=True)
shown.update({'text/plain': 'after'}, raw=True)
1 / 0
"""
PROMPTS = """
while True:
    try:
        input('again? ')
    except KeyboardInterrupt:
        pass
"""
HEADERS = {"Authorization": f"token {TOKEN}"}

# No check is switched off. Two have nothing to do here: `max_response_time`, because a test asserts no times, and
# `object_level_authorization`, which needs two users; tests/contract/test_executions_users.py has them.
Case = schemathesis.Case[Any]

schema = schemathesis.openapi.from_path(FILE)
schema.config.generation = GenerationConfig(with_security_parameters=False)  # the token is sent below
if not MORE:
    schema.config.seed = 1


@dataclass(frozen=True)
class Running:
    """A server, with executions to read. ``kernels``: one that is idle, and one that waits at a prompt again and again."""

    url: str
    session: requests.Session
    kernels: tuple[str, str]
    executions: tuple[str, str]
    session_id: str

    def run(self, kernel_id: str, code: str) -> str:
        """Runs code, without waiting for its end."""
        path = f"{self.url}/kernelws/api/kernels/{kernel_id}/executions"
        answer = self.session.post(path, json={"code": code, "allow_stdin": True}, headers=HEADERS)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def wait(self, kernel_id: str, execution_id: str, state: str) -> None:
        path = f"{self.url}/kernelws/api/kernels/{kernel_id}/executions/{execution_id}"
        found: dict[str, Any] = {"state": "", "next": 0}
        while found["state"] != state:
            assert found["state"] not in ("done", "lost"), found
            found = self.session.get(path, params={"wait": 20, "since": found["next"]}, headers=HEADERS).json()


@pytest.fixture(scope="module")
def running(jupyter_environment: dict[str, str], jupyter_folder: Path) -> Iterator[Running]:
    command = [sys.executable, "-m", "jupyter_server", EXTENSIONS, "--no-browser", "--allow-root"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={jupyter_folder / 'root'}"]

    def launch(port: int, log: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - ours
            [*command, f"--ServerApp.port={port}", "--ServerApp.port_retries=0"],
            env=os.environ | jupyter_environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    child = Child("server", jupyter_folder / "openapi.log", launch)
    session = requests.Session()
    session.trust_env = False  # the environment's proxy is for other hosts
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # or a request without the token would be let in too
    try:
        address = child.start(TOKEN)
        url = f"http://127.0.0.1:{address.port}"
        kernels = tuple(session.post(f"{url}/api/kernels", json={}, headers=HEADERS).json()["id"] for _ in range(2))
        found = Running(url, session, kernels, ("", ""), "")
        executions = (found.run(kernels[0], EVERYTHING), found.run(kernels[1], PROMPTS))
        for kernel_id, execution_id, state in zip(kernels, executions, ("done", "input"), strict=True):
            found.wait(kernel_id, execution_id, state)
        with Client(address, kernels[0]) as page:
            yield Running(url, session, kernels, executions, page.session)
        assert "Traceback" not in child.log_text()
    finally:
        session.close()
        child.stop()


OF_SESSIONS = ("session", "extension", "skip")


def aim(case: Case, running: Running) -> None:
    """If the random path is valid, most requests get the ids of a real kernel and execution; the others get 404."""
    path, operation = case.path_parameters, case.operation.definition.raw["operationId"]
    if case.meta is None or case.meta.is_negative_at(ParameterLocation.PATH) or not path:
        return
    choice = zlib.crc32(repr(path).encode()) % 8
    prompts = operation not in ("run", "forget", "saved", "attach", *OF_SESSIONS) and choice % 2
    if choice < 7:
        path["kernel_id"] = running.kernels[prompts]
    if choice < 6 and operation in OF_SESSIONS:
        path["session_id"] = running.session_id
    elif choice < 6 and operation == "forget":
        path["execution_id"] = running.run(running.kernels[0], "1")
    elif choice < 6 and "execution_id" in path:
        path["execution_id"] = running.executions[prompts]
    if choice < 6 and operation == "attach" and not case.meta.is_negative_at(ParameterLocation.BODY):
        case.body = {"session_id": running.session_id, "msg_ids": [running.executions[0], "unknown"]}


def tame(case: Case) -> None:
    """Replaces code by a literal of the same text, and shortens long waits."""
    if isinstance(case.body, dict) and isinstance(case.body.get("code"), str):
        case.body["code"] = repr(case.body["code"])
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int | float) and wait > LONGEST_WAIT:
        case.query["wait"] = LONGEST_WAIT


@schema.include(operation_id="read").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=not MORE)
def test_an_event_stream_is_what_the_file_says(case: Case, running: Running) -> None:
    """Of an execution that is over: otherwise it would not end."""
    aim(case, running)
    if (case.path_parameters or {}).get("execution_id") == running.executions[1]:
        case.path_parameters.update(kernel_id=running.kernels[0], execution_id=running.executions[0])
    headers = HEADERS | {"Accept": "text/event-stream"}
    response = case.call(base_url=running.url, session=running.session, headers=headers)
    case.validate_response(response, headers=headers)
    if response.status_code == 200 and response.headers["content-type"] != ["application/json"]:  # another Accept was generated
        assert response.headers["content-type"] == ["text/event-stream"]
        assert "\nevent: done\n" in response.text


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=not MORE)
def test_the_server_answers_as_the_file_says(case: Case, running: Running) -> None:
    aim(case, running)
    tame(case)
    case.call_and_validate(base_url=running.url, session=running.session, headers=HEADERS)
