"""A JupyterHub on loopback with made-up users of one machine account, and what they do through its web API.

A real hub gives each user an account of the operating system, which nbgrader's exchange takes names from. Here all
share one, so each user's nbgrader configuration names the student.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TOKEN = "0123456789abcdef0123456789abcdef"
PATIENCE = 300.0  # seconds; for a machine that many share
_CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{base}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{base}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {users!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{base}/home/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.Spawner.environment = {environment!r}
c.JupyterHub.services = [{{"name": "walk", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "walk", "services": ["walk"],
    "scopes": ["admin:users", "admin:servers", "access:servers", "list:users"],
}}]
"""


def find_proxy() -> str | None:
    """configurable-http-proxy: on the PATH, or where VITLAB_HUB_PROXY says."""
    named = os.environ.get("VITLAB_HUB_PROXY")
    return named if named and Path(named).is_file() else shutil.which("configurable-http-proxy")


class Hub:
    """A running hub; users' homes are under ``base/home``."""

    def __init__(self, base: Path, proxy: str, users: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.base = base
        port, hub_port, api_port = (_free() for _ in range(3))
        self.url = f"http://127.0.0.1:{port}"
        config = base / "jupyterhub_config.py"
        config.write_text(
            _CONFIG.format(
                port=port, hub_port=hub_port, api_port=api_port, base=base, users=set(users),
                environment=dict(environment), token=TOKEN,
            )
        )  # fmt: skip
        self.log = base / "hub.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "VITLAB_"))}
        kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        kept["CONFIGPROXY_AUTH_TOKEN"] = TOKEN
        self._running: list[subprocess.Popen[bytes]] = []
        self._servers: list[str] = []
        # the hub gives a proxy that it starts itself ten seconds, which a busy machine does not have
        error = f"http://127.0.0.1:{hub_port}/hub/error"
        self._start(
            [proxy, "--ip=127.0.0.1", f"--port={port}", "--api-ip=127.0.0.1", f"--api-port={api_port}",
             f"--error-target={error}"], kept,
        )  # fmt: skip
        self._until(lambda: _answers(api_port), "the proxy answers")
        self._start([sys.executable, "-m", "jupyterhub", "-f", str(config)], kept)
        self._until(lambda: self.ask("GET", "/hub/api/")[0] == 200, "the hub answers")

    def _start(self, command: list[str], environment: Mapping[str, str]) -> None:
        with self.log.open("a") as log:
            self._running.append(
                subprocess.Popen(
                    command, cwd=self.base, env=dict(environment), stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )  # fmt: skip

    def start_server(self, user: str) -> None:
        """Begin to start a user's server."""
        self.ask("POST", f"/hub/api/users/{user}")
        self._servers.append(user)
        status, said = self.ask("POST", f"/hub/api/users/{user}/server")
        assert status in (201, 202), (status, said)

    def wait_for_server(self, user: str) -> None:
        self._until(lambda: self.ask("GET", f"/user/{user}/api/status")[0] == 200, f"the server of {user} answers")

    def ask(self, method: str, path: str, body: Any = None, form: str | None = None) -> tuple[int, Any]:
        """Status and answer, JSON where it is some."""
        data = json.dumps(body).encode() if body is not None else form.encode() if form is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"token {TOKEN}")
        if form is not None:
            request.add_header("Content-Type", "application/x-www-form-urlencoded")
        elif body is not None:
            request.add_header("Content-Type", "application/json")
        if method == "POST" and data is None:
            request.data = b""
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError as error:
            return 0, str(error)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode("utf-8", "replace")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and all(process.poll() is None for process in self._running):
            if holds():
                return
            time.sleep(0.5)
        self.stop()
        raise RuntimeError(f"{what}: not within {PATIENCE:.0f} s. The log ends with:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """End users' servers, which outlive a hub that is killed, then the hub and its proxy."""
        for user in self._servers:
            self.ask("DELETE", f"/hub/api/users/{user}/server")
        for process in reversed(self._running):
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, number)
                    try:
                        process.wait(60)
                    except subprocess.TimeoutExpired:
                        continue


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
