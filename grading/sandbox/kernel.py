"""The kernel as it runs for grading: ipykernel with the two channels that grading uses, never dropping an output.

It starts in two steps, so that warm starts can fork between them. `prepare` makes the shell and everything else that
is the same for all; `connect` makes what is a process's own: threads, sockets, keys, streams. Nothing here listens
for heartbeats, debuggers, further shells or input, so there are no threads and sockets for them.

Stock, ipykernel's queue for iopub holds 1000 messages and forgets the rest when the reader is slow, as it is when
many notebooks are graded at once; an answer could be among them. The memory limit bounds what may queue up.
"""

import atexit
import os
import sys
import threading
import uuid

import ipykernel.debugger
import zmq
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import default
from zmq.eventloop.zmqstream import ZMQStream


class OneShell:
    """Stands where ipykernel keeps the thread that tells several shells apart; false, for there is one."""

    parent_thread = threading.main_thread()

    def __bool__(self):
        return False


class GradingKernel(IPythonKernel):
    """Without further shells."""

    _supports_kernel_subshells = False

    @default("shell_channel_thread")
    def _one_shell(self):
        return OneShell()


class GradingKernelApp(IPKernelApp):
    """See the module."""

    kernel_class = GradingKernel

    def initialize(self, argv=None):
        self.prepare(argv)
        self.connect()

    def prepare(self, argv=None):
        """All that needs no thread, no socket and no session."""
        super(IPKernelApp, self).initialize(argv)
        self.init_pdb()
        ipykernel.debugger._is_debugpy_available = False
        self.kernel = self.kernel_class.instance(parent=self, log=self.log, profile_dir=self.profile_dir, user_ns={})
        shell = self.kernel.shell
        assert shell is not None
        shell._sys_modules_keys = set(sys.modules)  # here: touching every name would copy its page
        if "session" in self._trait_values:
            raise RuntimeError("a session was made too early: it holds the keys of one kernel")

    def connect(self):
        """The rest, in the process that runs the notebook."""
        assert self.profile_dir is not None
        os.makedirs(self.profile_dir.location, exist_ok=True)  # the disk of a fork is empty
        self.profile_dir.check_dirs()
        self.init_blackhole()
        self.init_connection_file()
        self.init_poller()
        self.init_sockets()
        self.init_io()
        self.init_signal()
        self.init_kernel()
        self.init_path()
        self.init_shell()
        self.init_gui_pylab()
        self.init_extensions()
        self.init_code()
        sys.stdout.flush()
        sys.stderr.flush()
        if share := os.environ.get("VITLAB_GPU_SHARE"):
            import torch

            torch.cuda.set_per_process_memory_fraction(float(share))  # starts CUDA, here and not before the fork

    def init_code(self):
        """A profile just made has nothing to run at the start."""
        assert self.shell is not None
        self.shell.user_ns_hidden.update(self.shell.user_ns)

    def init_sockets(self):
        self.context = zmq.Context()
        atexit.register(self.close)
        self.shell_socket = self.context.socket(zmq.ROUTER)
        self.shell_socket.linger = 1000
        self.shell_socket.router_handover = 1
        self.shell_port = self._bind_socket(self.shell_socket, self.shell_port)
        self.init_iopub(self.context)

    def init_iopub(self, context):
        context.setsockopt(zmq.SNDHWM, 0)  # the default of sockets made from here on
        super().init_iopub(context)

    def init_kernel(self):
        """Gives the kernel what `IPythonKernel.__init__` would have found."""
        kernel, shell = self.kernel, self.kernel.shell
        shell.init_environment()  # a fork begins with an environment of its own
        kernel.ident = str(uuid.uuid4())
        kernel.session = self.session
        kernel.shell_stream = ZMQStream(self.shell_socket)
        kernel.iopub_thread, kernel.iopub_socket = self.iopub_thread, self.iopub_socket
        kernel._stdout, kernel._stderr = sys.stdout, sys.stderr
        for publisher in (shell.displayhook, shell.display_pub):
            publisher.session, publisher.pub_socket = self.session, self.iopub_socket
        shell.displayhook.topic = kernel._topic("execute_result")
        self.displayhook.get_execution_count = lambda: kernel.execution_count


if __name__ == "__main__":
    del sys.path[0]  # this file's folder
    GradingKernelApp.launch_instance()
