"""What the machine offers: the sandbox, limits, a GPU, a browser, disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grading.doctor.finding import Finding
from grading.sandbox import gpu
from grading.sandbox.bubblewrap import SandboxUnavailable, require_bubblewrap

LOW_DISK_GB = 2.0
_CGROUPS = Path("/sys/fs/cgroup")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def bubblewrap() -> Finding:
    """Whether a program really runs in the sandbox."""
    try:
        require_bubblewrap()
    except SandboxUnavailable as error:
        found, _, todo = str(error).partition("What to do: ")
        return Finding("bubblewrap", "missing", found.strip(), todo.strip())
    said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding("bubblewrap", "ok", f"{said or 'there'}, and a program runs in it")


def user_namespaces() -> Finding:
    """Whether this user may make namespaces, which bubblewrap and warm starts need unless root runs them."""
    what = "user namespaces"
    if sys.platform != "linux":
        return Finding(what, "missing", f"this is {sys.platform}: Linux alone has them", "grade on Linux, or in WSL")
    unshare = shutil.which("unshare")
    if unshare is None:
        return Finding(what, "note", "the program `unshare`, with which to try, is not there", "apt install util-linux")
    done = subprocess.run([unshare, "--user", "--map-root-user", "true"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Finding(what, "ok", "this user may make them")
    said = (done.stderr.strip().splitlines() or ["refused"])[-1]
    if os.geteuid() == 0:
        return Finding(what, "note", f"{said}; root's sandboxes do without")
    return Finding(
        what,
        "missing",
        said,
        "Ubuntu: apt install apparmor-profiles, profile bwrap-userns-restrict; Debian: "
        "sysctl kernel.unprivileged_userns_clone=1; in a container: --privileged or a looser seccomp profile",
    )


def cgroups() -> Finding:
    """Which cgroups could limit memory and processes: version 2 if delegated to this user, version 1 as root."""
    what = "cgroups"
    if not _CGROUPS.is_dir():
        return Finding(
            what, "note", "none: limits on memory are enforced by looking at the processes many times a second"
        )
    if (_CGROUPS / "cgroup.controllers").is_file():
        own = _CGROUPS / _own_group("0").lstrip("/")
        if os.access(own, os.W_OK) and os.access(own / "cgroup.procs", os.W_OK):
            return Finding(what, "ok", f"version 2, {own} is this user's to divide")
        if shutil.which("systemd-run") and os.environ.get("XDG_RUNTIME_DIR"):
            return Finding(what, "ok", "version 2, by systemd-run --user --scope")
        return Finding(
            what,
            "note",
            f"version 2, but {own} is not delegated to this user: limits on memory are polled",
            "loginctl enable-linger, or run: systemd-run --user --scope -p Delegate=yes vitlab grade …",
        )
    if (_CGROUPS / "memory").is_dir():
        memory = _CGROUPS / "memory" / _own_group("memory").lstrip("/")
        writable = os.access(memory if memory.is_dir() else _CGROUPS / "memory", os.W_OK)
        found = "version 1, memory controller writable" if writable else "version 1, not writable: limits are polled"
        return Finding(what, "ok" if writable else "note", found)
    return Finding(what, "note", f"{_CGROUPS} has no memory controller: limits on memory are polled")


def _own_group(controller: str) -> str:
    """This process's group: of version 2 for "0", else of the named controller of version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return "/"
    for number, names, path in (line.split(":", 2) for line in lines):
        if controller in (number if not names else "", *names.split(",")):
            return path
    return "/"


def graphics() -> Finding:
    """Whether there is a GPU that lessons could use; none is needed."""
    nodes = gpu.device_nodes()
    if not nodes:
        return Finding("GPU", "note", "none: not needed, every lesson is made for a CPU")
    return Finding("GPU", "ok", f"{len(nodes)} device nodes; vitlab grade --device cuda shows them to the sandbox")


def browser() -> Finding:
    """Whether there is a browser for the tests of JupyterLab; nothing else needs one."""
    for name in _BROWSERS:
        if place := shutil.which(name):
            return Finding("Chromium", "ok", place)
    return Finding(
        "Chromium", "note", "not found: only the tests need it", "sudo apt install chromium fonts-dejavu-core"
    )


def disk(folder: Path) -> list[Finding]:
    """Free space where results go and where temporary files lie."""
    found = []
    for what, place in (("disk, course", folder), ("disk, temporary files", Path(tempfile.gettempdir()))):
        try:
            free = shutil.disk_usage(place).free / 1e9
        except OSError as error:
            found.append(Finding(what, "missing", f"{place}: {error.strerror}"))
            continue
        low = free < LOW_DISK_GB
        todo = f"free some space: less than {LOW_DISK_GB:g} GB may end a run" if low else ""
        found.append(
            Finding(what, "missing" if free < 0.2 else "note" if low else "ok", f"{free:.1f} GB free, {place}", todo)
        )
    return found
