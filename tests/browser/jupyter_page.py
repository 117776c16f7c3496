"""A JupyterLab on loopback, as `make lab` starts it, and a page of Chromium that does in it what a person does.

What a person sees is read from the page. JupyterLab's own object in the page (`jupyterapp`) is used for two things
that a person does by eye: to bring a cell into view, and to know when the kernel rests.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, Request, expect

from tests.chromium import FLAGS, chromium
from tests.conftest import ROOT

TOKEN = "vitlab"
SECONDS = 1000  # Playwright counts milliseconds
PATIENCE = 60 * SECONDS
_NOTEBOOK = "jupyterapp.shell.currentWidget"
expect.set_options(timeout=30 * SECONDS)  # as long as every other wait; its own 5 s are short on a busy machine


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=FLAGS)


def make_lab() -> tuple[str, list[str]]:
    """The settings folder and the options with which the Makefile starts JupyterLab: what is tested is `make lab`."""
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    line = re.search(r"^\t@JUPYTER_CONFIG_PATH='\$\(CURDIR\)/(\S+)' \$\(BIN\)/jupyter lab (.*)", text, re.MULTILINE)
    assert line, "the Makefile starts JupyterLab in another way than these tests know"
    return str(ROOT / line[1]), re.findall(r"--LabApp\.\S+", line[2])


class Lab:
    """A running JupyterLab, started in `folder` as `make lab` does, with an empty home of its own.

    Args:
        starts: another command that starts JupyterLab, with the settings that it finds by itself.
    """

    def __init__(
        self, folder: Path, home: Path, env: Mapping[str, str] | None = None, starts: Sequence[str] = ()
    ) -> None:
        self.folder, self.home = folder, home
        self.log = home / "jupyterlab.log"
        home.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER_", "VITLAB_", "IPYTHON", "XDG_"))}
        settings, options = make_lab()
        if not starts:
            starts, kept["JUPYTER_CONFIG_PATH"] = [sys.executable, "-m", "jupyterlab", *options], settings
        command = [
            *starts,
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={TOKEN}",
            "--LabApp.expose_app_in_browser=True",
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**kept, "HOME": str(home), **(env or {})},
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/api/status?token={TOKEN}", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start; its log ends with:\n{self.log.read_text('utf-8')[-3000:]}")

    def printed(self) -> str:
        """The address that JupyterLab prints for a person to open."""
        found = re.search(rf"{re.escape(self.url)}/\S+", self.log.read_text("utf-8"))
        assert found, "JupyterLab said no address"
        return found[0].replace("token=...", f"token={TOKEN}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def visitor(browser: Browser, wanted: list[str]) -> BrowserContext:
    """Somebody's browser; the addresses of all its requests go into `wanted`."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(30 * SECONDS)

    def note(request: Request) -> None:
        wanted.append(request.url)

    context.on("request", note)
    return context


def abroad(addresses: list[str]) -> list[str]:
    """Those that lead to another machine."""
    return [
        address
        for address in addresses
        if urlsplit(address).scheme not in ("data", "blob", "about")
        and urlsplit(address).hostname not in ("127.0.0.1", "localhost")
    ]


class JupyterPage:
    """A JupyterLab page with one notebook open."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page, self.lab = page, lab

    # ---- going places ----

    def go(self, path: str = "") -> None:
        """To a place of JupyterLab's, such as `lab/tree/notebooks`; nothing: where JupyterLab itself leads."""
        self.page.goto(f"{self.lab.url}/{quote(path)}?token={TOKEN}" + ("&reset" if path.startswith("lab") else ""))
        self.page.wait_for_function("() => window.jupyterapp", timeout=PATIENCE)

    def open(self, notebook: str) -> None:
        """Open a notebook by its place in the folder and wait for its kernel."""
        self.go(f"lab/tree/{notebook}")
        self.wait_open(Path(notebook).name)

    def wait_open(self, name: str) -> None:
        self.page.wait_for_function(
            f"(name) => {_NOTEBOOK}?.context?.path.endsWith(name) && {_NOTEBOOK}.context.isReady",
            arg=name,
            timeout=PATIENCE,
        )
        self.wait_idle()

    def wait_idle(self, timeout: float = PATIENCE) -> None:
        """Until the kernel rests and no cell of the notebook waits to be run."""
        self.page.wait_for_function(
            f"""() => {{
                const panel = {_NOTEBOOK};
                const waits = document.querySelectorAll('.jp-Notebook .jp-InputPrompt');
                return panel.sessionContext.session?.kernel?.status === 'idle'
                    && ![...waits].some((prompt) => prompt.textContent.includes('*'))
                    && panel.content.widgets.every((cell) => cell.model.executionState !== 'running');
            }}""",
            timeout=timeout,
        )

    def wait_ran(self) -> None:
        """Until every code cell of the notebook has a number."""
        self.page.wait_for_function(
            f"""() => {_NOTEBOOK}.content.widgets.every((cell) => cell.model.type !== 'code'
                || !cell.model.sharedModel.source.trim() || cell.model.executionCount)""",
            timeout=2 * PATIENCE,
        )
        self.wait_idle()

    def command(self, name: str, **arguments: object) -> None:
        """One of JupyterLab's commands, as its menus run them."""
        self.page.evaluate("([name, given]) => { jupyterapp.commands.execute(name, given) }", [name, arguments])

    # ---- cells ----

    def cell(self, name: str) -> Locator:
        """The cell with this id, brought into view."""
        number = self.page.evaluate(
            f"""(name) => {{
                const notebook = {_NOTEBOOK}.content;
                const number = notebook.widgets.findIndex((cell) => cell.model.id === name);
                if (number >= 0) notebook.scrollToItem(number, 'start');
                return number;
            }}""",
            name,
        )
        assert number >= 0, f"the notebook has no cell {name!r}"
        found = self.page.locator(
            f'.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index="{number}"]'
        )
        found.wait_for()
        found.scroll_into_view_if_needed()
        return found

    def begin(self) -> None:
        """Run a lesson's first two code cells."""
        for name in ("bootstrap", "setup-01"):
            self.run(name)

    def fill(self, name: str, old: str, new: str, *, line: str = "") -> None:
        """Double-click the word `old` in a cell, in the first line that has it and `line`, and type over it."""
        lines = self.cell(name).locator(".cm-line", has_text=line or old)
        box = lines.filter(has_text=old).first.evaluate(
            """(line, word) => {
                const walk = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
                for (let node; (node = walk.nextNode());) {
                    const at = node.data.indexOf(word);
                    if (at < 0) continue;
                    const range = document.createRange();
                    range.setStart(node, at); range.setEnd(node, at + word.length);
                    const { x, y, width, height } = range.getBoundingClientRect();
                    return [x + width / 2, y + height / 2];
                }
            }""",
            old,
        )
        self.page.mouse.dblclick(*box)
        self.page.keyboard.type(new)

    def replace(self, name: str, source: str) -> None:
        """Paste over the whole of a cell."""
        self.cell(name).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def containing(self, text: str) -> str:
        """The id of the first cell with this text."""
        return self.page.evaluate(
            f"""(text) => {_NOTEBOOK}.content.widgets.find((cell) => cell.model.sharedModel.source.includes(text))
                .model.id""",
            text,
        )

    def active(self) -> str:
        """The id of the cell that the keyboard is in."""
        return self.page.evaluate(f"() => {_NOTEBOOK}.content.activeCell.model.id")

    def select(self, name: str) -> Locator:
        """Click beside a cell, so that keys mean commands."""
        cell = self.cell(name)
        cell.locator(".jp-InputPrompt").click()
        return cell

    def start(self, name: str) -> Locator:
        """Run a cell as a person does, with Control+Enter."""
        cell = self.select(name)
        self.page.keyboard.press("Control+Enter")
        return cell

    def run(self, name: str) -> Locator:
        """Run a cell and wait for it."""
        self.start(name)
        self.wait_idle()
        return self.cell(name)

    def card(self, name: str) -> Locator:
        """The card under a check."""
        return self.cell(name).locator(".vitlab-card")

    def save(self) -> None:
        self.page.keyboard.press("Control+s")
        self.wait_saved()

    def wait_saved(self) -> None:
        self.page.wait_for_function(f"() => !{_NOTEBOOK}.model.dirty", timeout=PATIENCE)

    # ---- looks ----

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_selector(f'body[data-jp-theme-name="JupyterLab {name}"]', state="attached")

    def errors(self) -> list[str]:
        """What the notebook's cells raised."""
        return self.page.evaluate(
            f"""() => {_NOTEBOOK}.content.widgets.flatMap((cell) => cell.model.type !== 'code' ? [] :
                cell.model.outputs.toJSON().filter((o) => o.output_type === 'error').map((o) => o.evalue))"""
        )

    def shut_down_kernels(self) -> None:
        """So that the next journey has the machine to itself."""
        self.page.evaluate("async () => { await window.jupyterapp?.serviceManager.sessions.shutdownAll() }")
