"""Cells that try what a sandbox must hold back. Every bomb is bounded: it stops by itself, a bit too late."""

# --- what can be seen and done from inside: each prints one line of JSON --------------------------

PRELUDE = """
import ctypes, errno, json, os, resource, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def tell(value): print(json.dumps(value))
def attempt(action):
    try:
        return ["done", repr(action())[:200]]
    except BaseException as error:
        return [type(error).__name__, str(error)[:200]]
"""

PROBES = {
    "torch": """
import torch
tell([float((torch.ones(64, 64) @ torch.ones(64, 64)).sum()), torch.get_num_threads()])
""",
    "workers": """
from torch.utils.data import DataLoader
tell(sorted(int(batch) for batch in DataLoader(list(range(6)), num_workers=2, batch_size=None)))
""",
    "figure": """
import matplotlib, matplotlib.pyplot as plt
_ = plt.plot([1, 2]); plt.close()
tell([os.path.islink(os.path.join(matplotlib.get_configdir(), name))
      for name in os.listdir(matplotlib.get_configdir()) if name.startswith("fontlist")])
""",
    "status": "tell(dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines()))",
    "environ": "tell([dict(os.environ), attempt(lambda: open('/proc/1/environ').read())])",
    "folders": """
paths = ["/opt/vitlab", "/home", "/root", "/sys", "/mnt", "/var", os.environ["COURSE"], os.environ["CANARY"]]
tell({path: attempt(lambda: sorted(os.listdir(path))) for path in paths})
""",
    "course": """
tell([attempt(lambda: __import__("grading")), attempt(lambda: __import__("solutions")),
      attempt(lambda: __import__("helpers"))])
""",
    "processes": "tell([name for name in os.listdir('/proc') if name.isdigit()])",
    "loopback": """
def dial():
    with socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=3): pass
def knock():
    with socket.socket(socket.AF_UNIX) as s: s.connect("\\0" + os.environ["ABSTRACT"])
tell([attempt(dial), attempt(knock), attempt(lambda: socket.socket(40, socket.SOCK_STREAM))])
""",
    "interfaces": "tell([name for _, name in socket.if_nameindex()])",
    "writable": """
def can_create(folder):
    path = os.path.join(folder, "vitlab-made")
    try:
        open(path, "x").close()
    except OSError:
        return False
    os.unlink(path)
    return True
found = []
for top in ["/", *sorted({sys.prefix, sys.base_prefix, "/opt/vitlab", "/usr", "/dev"})]:
    for folder, names, _ in os.walk(top):
        if can_create(folder): found.append(folder)
        deep = folder.rstrip("/").count("/") - top.rstrip("/").count("/")
        names[:] = [n for n in names if deep < 3 and not (folder == "/" and n in {"proc", "tmp"})]
tell(sorted(set(found)))
""",
    "limits_stay": """
def lift(name): resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (resource.RLIM_INFINITY,) * 2)
names = ["AS", "DATA", "NPROC", "FSIZE", "NOFILE", "CORE"]
tell([attempt(lambda: lift(name))[0] for name in names])
""",
    "calls": """
def call(name, *arguments):
    ctypes.set_errno(0)
    return [getattr(libc, name)(*arguments), errno.errorcode.get(ctypes.get_errno())]
tell({"user_namespace": call("unshare", 0x10000000), "mount_namespace": call("unshare", 0x20000),
      "setuid": call("setuid", 0), "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
      "memfd": attempt(lambda: os.memfd_create("x")), "shared_memory": call("shmget", 0, 4096, 0o1600),
      "init_memory": attempt(lambda: open("/proc/1/mem", "rb+")),
      "init_root": attempt(lambda: os.listdir("/proc/1/root"))})
""",
    "disk": """
def fill():
    for number in range(200):
        with open(f"fill-{number}", "wb") as file: file.write(bytes(2**20))
def fill_shared():
    for number in range(200):
        with open(f"/dev/shm/fill-{number}", "wb") as file: file.write(bytes(2**20))
def one_large():
    with open("/dev/shm/large", "wb") as file:
        for _ in range(200): file.write(bytes(2**20))
def clean():
    for folder in (".", "/dev/shm"):
        for name in os.listdir(folder): os.unlink(os.path.join(folder, name))
answers = []
for action in (fill, fill_shared, one_large):
    answers.append(attempt(action)); clean()
tell(answers)
""",
    "memory": "tell([attempt(lambda: bytearray(2 * 2**30)), attempt(lambda: bytearray(2**20))])",
    "open_files": """
held = []
tell(attempt(lambda: [held.append(open(os.devnull)) for _ in range(2000)]))
held.clear()
""",
    "forks": """
children, refused = [], None
for _ in range(300):
    try:
        pid = os.fork()
    except OSError as error:
        refused = errno.errorcode[error.errno]
        break
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    children.append(pid)
for pid in children: os.kill(pid, 9)
for pid in children: os.waitpid(pid, 0)
tell([len(children), refused])
""",
    "stdin": "tell(attempt(lambda: input('?')))",
    "seed": "tell(os.environ['VITLAB_EXAM_SEED'])",
    "shown": "tell(open('/data/set/numbers.txt').read())",
}

# --- what a notebook may do to the run ------------------------------------------------------------

ENDLESS = "while True: pass"
STUBBORN = """
import time
while True:
    try: time.sleep(60)
    except KeyboardInterrupt: pass
"""
EXIT = "import os; os._exit(3)"
SEGFAULT = "import ctypes; ctypes.string_at(0)"
KILLED = "import os; os.kill(os.getpid(), 9)"
PRINT_BOMB = "for _ in range(3000): print('x' * 10**6, flush=True)"
ONE_LARGE_OUTPUT = "print('x' * (300 * 2**20))"
MULTIPART_BOMB = """
kernel = get_ipython().kernel
part = bytes(3 * 2**20)
kernel.iopub_socket.send_multipart([b"stream", b"<IDS|MSG>", *[part] * 400])
import time; time.sleep(20)
"""
MEMORY_BY_MANY = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(b"x") * (500 * 2**20)
        time.sleep(15)
        os._exit(0)
time.sleep(15)
"""
MANY_FILES = """
import os
for number in range(60_000): os.close(os.open(f"many-{number}", os.O_CREAT))
import time; time.sleep(15)
"""
MANY_UPDATES = """
kernel = get_ipython().kernel
content = {"data": {"text/plain": ""}, "metadata": {}, "transient": {"display_id": "one"}}
for _ in range(2500): kernel.session.send(kernel.iopub_socket, "display_data", content, parent=kernel.get_parent())
"""
JSON_BOMB = """
from IPython.display import display
display({"application/json": [{}] * 900_000, "text/plain": "here"}, metadata={"a": [{}] * 100_000}, raw=True)
"""
DAEMON = """
import subprocess, sys
sleep = "import time; time.sleep(120)"
_ = subprocess.Popen([sys.executable, "-c", sleep, "{token}"], start_new_session=True)
"""
NOT_A_MESSAGE = """
parts = [b"stream", b"<IDS|MSG>", b"forged", b"{", b"}", b"", b""]
get_ipython().kernel.iopub_socket.send_multipart(parts)
"""
MISSING_KEYS = """
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, "display_data", {}, parent=kernel.get_parent())
import time; time.sleep(20)
"""
BAD_OUTPUTS = r"""
kernel = get_ipython().kernel
def send(kind, content): kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
send("display_data", {"data": {"text/plain": {"not": "text"}}, "metadata": {}})
send("display_data", {"data": "no mapping", "metadata": {}})
send("comm_open", {"comm_id": "1", "target_name": "jupyter.widget", "data": {"state": {}}})
send("execute_input", {"execution_count": "many", "code": ""})
import json
pack, kernel.session.pack = kernel.session.pack, lambda value: json.dumps(value, default=str).encode()
send("stream", {"name": "stdout", "text": "half a \ud800 character"})
kernel.session.pack = pack
"""
