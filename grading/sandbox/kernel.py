"""The kernel as it runs for grading: a stock ipykernel that never drops an output.

Stock, its queue for iopub holds 1000 messages and forgets the rest when the reader is slow, as it is when
many notebooks are graded at once; an answer could be among them. The memory limit bounds what may queue up.
"""

import os
import sys

import zmq
from ipykernel.kernelapp import IPKernelApp


class GradingKernelApp(IPKernelApp):
    """See the module."""

    def init_iopub(self, context):
        context.setsockopt(zmq.SNDHWM, 0)  # the default of sockets made from here on
        super().init_iopub(context)

    def initialize(self, argv=None):
        super().initialize(argv)
        if share := os.environ.get("VITLAB_GPU_SHARE"):
            import torch

            torch.cuda.set_per_process_memory_fraction(float(share))  # starts CUDA, here and not before the fork


if __name__ == "__main__":
    del sys.path[0]  # this file's folder
    GradingKernelApp.launch_instance()
