"""nbclient's NotebookClient, less what a hostile kernel could use: five methods differ.

What a kernel sends is the student's to choose: states of execution, malformed messages, messages of widgets, outputs
without number. Time and death are watched by `session`, from outside, so the stock timers are off. What an output may
cost us beyond its bytes is bounded here: how many there are, how many one message updates, what they hold.
"""

from __future__ import annotations

import asyncio
import logging
from queue import Empty
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient.client import NotebookClient
from nbformat import NotebookNode, ValidationError
from nbformat.v4 import new_output

from helpers.checks.wire_format import MIME

SILENT = logging.getLogger("vitlab.sandbox.kernel")  # its messages would quote the student's
SILENT.setLevel(logging.CRITICAL + 1)
MAX_OUTPUTS = 1000  # of one cell
MAX_PLACES = 50  # of one display id
MAX_PIECE = 1 << 16  # characters, up to which pieces of a stream are joined
MAX_TRACEBACK = 100  # lines
_SHOWN = frozenset({"display_data", "execute_result", "update_display_data"})


class CellRunner(NotebookClient):
    """Runs single cells of a notebook in a kernel that is already there."""

    def __init__(self, nb: NotebookNode, kernel_client: AsyncKernelClient, **options: Any) -> None:
        super().__init__(
            nb,
            timeout=None,
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            skip_cells_with_tag="",
            log=SILENT,
            **options,
        )
        self.kc = kernel_client
        self.on_cell_executed = _show_hidden_error
        self.answered = False  # the kernel has said that the cell is done; output may still be on its way
        self.left_out = 0  # outputs that were not valid notebook format
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def _async_poll_kernel_alive(self) -> None:
        """Left to `session`, which is quicker."""

    async def _async_poll_for_reply(
        self,
        msg_id: str,
        cell: NotebookNode,
        timeout: int | None,
        task_poll_output_msg: asyncio.Future[Any],
        task_poll_kernel_alive: asyncio.Future[Any],
    ) -> dict[str, Any]:
        """Stock without timers: it waits for the last output however long we take to read it all."""
        assert self.kc is not None
        self.answered = False
        while True:
            msg = await self.kc.shell_channel.get_msg(timeout=None)
            if msg["parent_header"].get("msg_id") == msg_id:
                self.answered = True
                await task_poll_output_msg
                return msg

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: NotebookNode, cell_index: int) -> None:
        """Stock, but a message that cannot be read is told at once, not when the cell ends."""
        try:
            await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)
        except Exception as error:
            if not self.failed.done():
                self.failed.set_result(error)

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Stock, without widgets (nothing here answers comm messages) and past outputs that are none or too many."""
        kind, content = str(msg["msg_type"]), msg["content"]
        if kind.startswith("comm") or (kind == "stream" and self._joined(cell, content)):
            return None
        if kind in _SHOWN:
            content["data"] = _texts(content["data"])
            content["metadata"] = {}
        elif kind == "error" and isinstance(content["traceback"], list):
            del content["traceback"][MAX_TRACEBACK:]
        room = MAX_OUTPUTS * (2 if MIME in content.get("data", ()) else 1)  # records keep theirs
        if len(cell.outputs) >= room and kind in _SHOWN | {"stream", "error"}:
            self.left_out += 1
            return None
        try:
            return super().process_message(msg, cell, cell_index)
        except ValidationError:
            self.left_out += 1
            return None

    def _joined(self, cell: NotebookNode, content: dict[str, Any]) -> bool:
        """Whether the text could be put to the end of the cell's last output."""
        last = cell.outputs[-1] if cell.outputs and not self.clear_before_next_output else {}
        text = content.get("text")
        if last.get("output_type") != "stream" or last["name"] != content.get("name") or not isinstance(text, str):
            return False
        if len(last["text"]) + len(text) > MAX_PIECE:
            return False
        last["text"] += text
        return True

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        """Stock, but a display id that stands in very many places stays as it is."""
        places = self._display_id_map.get(display_id, {})
        if sum(map(len, places.values())) > MAX_PLACES:
            self.left_out += 1
            return
        super()._update_display_id(display_id, msg)


def _show_hidden_error(*, cell: NotebookNode, execute_reply: Any, **_: Any) -> None:
    """An error that the kernel reports and does not show, since the code has switched tracebacks off, as nbgrader."""
    content = execute_reply.get("content", {}) if isinstance(execute_reply, dict) else {}
    if content.get("status") != "error" or any(output.get("output_type") == "error" for output in cell.outputs):
        return
    name, value = str(content.get("ename", "Error"))[:200], str(content.get("evalue", ""))[:2000]
    cell.outputs.append(new_output("error", ename=name, evalue=value, traceback=[f"{name}: {value}"]))


def _texts(data: object) -> object:
    """A display's forms that are text, as images and records are; JSON takes many times its length in memory."""
    return {kind: form for kind, form in data.items() if isinstance(form, str)} if isinstance(data, dict) else data


def connect(context: zmq.asyncio.Context, connection: dict[str, Any], address: str) -> AsyncKernelClient:
    """A client on shell and iopub alone: without stdin, a cell that asks for input gets an error."""
    client = AsyncKernelClient(
        context=context,
        transport="ipc",
        ip=address,
        shell_port=connection["shell_port"],
        iopub_port=connection["iopub_port"],
    )
    client.session.key = connection["key"].encode()
    client.session.signature_scheme = connection["signature_scheme"]
    client.start_channels(stdin=False, hb=False, control=False)
    return client


async def wait_until_ready(client: AsyncKernelClient) -> None:
    """Returns when the kernel has answered on shell and something came on iopub, so nothing is lost later."""
    while True:
        client.kernel_info()
        while (await client.get_shell_msg(timeout=None))["msg_type"] != "kernel_info_reply":
            pass
        try:
            await client.get_iopub_msg(timeout=0.2)
        except Empty:  # the subscription had not arrived yet
            continue
        return
