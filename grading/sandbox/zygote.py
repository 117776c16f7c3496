"""The process that warm starts are forked from; runs as process 1 of its own sandbox.

It imports what lessons need, once, and then forks one kernel per request. No student code ever runs in it,
and it holds no secret that a fork could inherit: keys, seeds and names go from the grader to each child
directly. What the grader sends here is two open files: the child's channel and its standard error.

Started twice: `zygote.py` gives up every privilege and starts `zygote.py serve` in the environment of a
kernel. No thread, event loop or zmq context may exist when it forks, and no autograd backward may have run.
"""

import contextlib
import gc
import importlib
import itertools
import json
import os
import pkgutil
import resource
import signal
import socket
import sys

if __name__ == "__main__":
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]  # python -I leaves it out
    sys.path[1:] = [path for path in sys.path[1:] if path != sys.path[0]]
    import launch
    import nested
    import pages

MB = 1024 * 1024
MESSAGE = 1 << 20
FORKS_BEFORE_PAGES = 8  # collapsing takes as long as some twenty forks save by it: not for a class of one
PRELOAD = """
numpy numpy.random torch torch.nn torch.nn.functional torch.optim torch._dynamo torch.utils.data
einops einops._torch_specific safetensors.numpy safetensors.torch
PIL.BmpImagePlugin PIL.GifImagePlugin PIL.JpegImagePlugin PIL.PpmImagePlugin PIL.PngImagePlugin
matplotlib.pyplot matplotlib.backends.backend_agg matplotlib.figure
ipykernel.kernelapp ipykernel.ipkernel ipykernel.zmqshell ipykernel.debugger tornado.platform.asyncio
tornado.queues IPython.core.debugger IPython.core.oinspect IPython.core.completerlib IPython.core.completer
IPython.core.logger IPython.core.pylabtools IPython.extensions.storemagic IPython.display
faulthandler encodings.idna
"""


def prepare():
    """As the launcher does, then starts the part that serves."""
    control = socket.socket(fileno=0)
    spec = json.loads(control.recv(MESSAGE))
    if spec["uid"] is not None:
        # bubblewrap covers parts of root's /proc, and Linux refuses to mount another while parts are covered
        nested.mount("proc", "/proc", "proc", nested.MS_NOSUID | nested.MS_NODEV | nested.MS_NOEXEC)
    launch.drop_privileges(spec["uid"])
    launch.end_with_parent()
    launch.lay_out(spec)
    os.chdir(spec["cwd"])
    arguments = [sys.executable, os.path.abspath(__file__), "serve", *spec["argv"][2:]]
    os.execve(sys.executable, arguments, spec["env"])


def serve(application):
    """Forks until the grader is gone; returns in the process of each kernel."""
    nested.set_dumpable(0)  # no child can trace or read it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    preload()
    prepare_kernel(application)
    require_forkable()
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page it looks at
    signal.signal(signal.SIGCHLD, reap)
    control.send(b"ready")
    for count in itertools.count(1):
        message, files, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        if count == FORKS_BEFORE_PAGES:
            pages.collapse()
        for file in files:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    channel = socket.socket(fileno=files[0])
    os.dup2(files[1], 2)
    nested.stand_by(channel, json.loads(message)["uid_map"])
    spec = nested.furnish(channel)
    nested.become_kernel(spec)
    reseed()
    sys.argv[:] = spec["argv"][1:]


def reap(number, frame):
    """Children of children come here, too; what they used of the processor counts as ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def preload():
    """Imports what lessons need; what is not installed is passed over."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as ipykernel sets it
    for name in PRELOAD.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        import helpers

        for found in pkgutil.walk_packages(helpers.__path__, "helpers."):
            with contextlib.suppress(Exception):
                importlib.import_module(found.name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if "matplotlib" in sys.modules:
        draw_something()
    for name in [name for name in sys.modules if name.startswith("matplotlib_inline")]:
        del sys.modules[name]  # when imported, it ties figures to the shell of its process


def prepare_kernel(application):
    """As far as it can be made before the fork; the command line is the same for all."""
    sys.argv[:] = [*sys.argv[:1], *sys.argv[2:]]  # without "serve"
    application.prepare()


def draw_something():
    """The first figure of a process reads fonts and tables."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="a")
    axes.set_title("b")
    axes.legend()
    FigureCanvasAgg(figure).print_figure(BytesIO(), format="png", bbox_inches="tight")


def require_forkable():
    """Raises where a fork would hang, or would share more than it should."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"{threads} threads after the imports; a fork would keep one")
    with open("/proc/self/maps", encoding="utf-8") as file:
        shared = [line for line in file if line.split()[1][1] == "w" and line.split()[1][3] == "s"]
    if shared:
        raise RuntimeError(f"memory that children would share and could write: {shared[0].strip()}")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("CUDA was initialised before the fork")


def reseed():
    """Random state as in a fresh process: from the system.

    Hash randomisation is the one thing all children of a zygote share.
    """
    import multiprocessing.process
    import random

    random.seed()
    process = multiprocessing.process.current_process()
    process.authkey = os.urandom(32)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def run_kernel(kernel):
    """As `kernel.py` does, and catches up on what a module does to the running IPython when imported."""
    kernel.connect()
    for name in ("helpers.checks.blanks", "helpers.checks.undefined_names", "helpers.torchvision_ops"):
        if module := sys.modules.get(name):
            module.install()
    kernel.start()


def main():
    """The frames above a kernel's are this one, `run_kernel` and the module's."""
    if sys.argv[1:2] != ["serve"]:
        prepare()
    from kernel import GradingKernelApp

    for name in ("kernel", "launch", "nested", "pages"):
        del sys.modules[name]  # a student's module may have the same name
    del sys.path[0]  # this file's folder
    application = GradingKernelApp.instance()
    serve(application)
    run_kernel(application)


if __name__ == "__main__":
    main()
