"""What the sandbox shows: the bubblewrap command line, and whether bubblewrap works on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from grading.sandbox import gpu
from grading.sandbox.identity import is_real_root
from grading.sandbox.limits import MB, Limits
from grading.sandbox.seccomp import seccomp_filter
from helpers.course_folder import PACKAGE, course_folder

PACKAGES = "/opt/vitlab"  # on PYTHONPATH inside; holds `helpers` and nothing else
LAUNCHER = "/opt/vitlab-launch/launch.py"
KERNEL = "/opt/vitlab-launch/kernel.py"
ZYGOTE = "/opt/vitlab-launch/zygote.py"
NESTED = "/opt/vitlab-launch/nested.py"
PAGES = "/opt/vitlab-launch/pages.py"
FONTS = "/opt/vitlab-launch/matplotlib"
SHARED_MEMORY_MB = 64
ADVICE = (
    "What to do: install bubblewrap 0.7 or newer (Debian 12, Ubuntu 24.04: `sudo apt install bubblewrap`), "
    "or grade with `--sandbox=none`, which runs students' code with your own rights."
)
_SYSTEM_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")


class SandboxUnavailable(RuntimeError):
    """Bubblewrap is missing or does not work here; the message says what was found and what to do."""


def python_folders() -> tuple[Path, ...]:
    """Each folder the running Python and its environment live in, as named and as resolved."""
    return _folders(sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable)


@cache  # asked for at every start of a kernel, and links are slow to follow
def _folders(*named: str) -> tuple[Path, ...]:
    *prefixes, executable = named
    found = [*map(Path, prefixes), Path(os.path.realpath(executable)).parent.parent]
    folders: list[Path] = []
    for folder in [*found, *(path.resolve() for path in found)]:
        if not any(folder.is_relative_to(known) for known in [Path("/usr"), *folders]):
            folders.append(folder)
    return tuple(folders)


def _show(outside: str | Path, inside: str | Path) -> Iterator[str]:
    """Binds read-only; the folders above are made passable for everyone, bubblewrap's own are not."""
    for parent in reversed(Path(inside).parents[:-1]):
        yield from ("--dir", str(parent))
    yield from ("--ro-bind", str(outside), str(inside))


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _SYSTEM_ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _python() -> Iterator[str]:
    folders = python_folders()
    for course in filter(None, (_checkout(), course_folder())):
        for folder in [Path("/usr"), *folders]:
            if not course.is_relative_to(folder):
                continue
            raise SandboxUnavailable(
                f"The course ({course}) lies inside {folder}, which the sandbox must show to run Python. "
                "What to do: move the course, or the Python environment, somewhere else."
            )
    for folder in folders:
        yield from _show(folder, folder)
    for name in _installed_engine():  # with the lessons that come with it
        yield from ("--tmpfs", name, "--remount-ro", name)


def _checkout() -> Path | None:
    """The repository that this engine runs from, where it does."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "solutions").is_dir() else None


def _installed_engine() -> Iterator[str]:
    """Folders of an installed package `grading` (and `solutions`) below what is shown of this machine."""
    sites = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    here = Path(__file__).resolve().parents[2]
    if any(here.is_relative_to(folder) for folder in (Path("/usr"), *python_folders())):
        sites.add(str(here))
    for site in sorted(sites):
        for path in (Path(site, "grading"), Path(site, "solutions")):
            if path.is_dir():
                yield str(path)


def bwrap_command(
    argv: Sequence[str],
    *,
    limits: Limits,
    uid: int | None = None,
    read_only: Mapping[str, str | Path] | None = None,
    fonts: Path | None = None,
    helpers: Path | None = None,
    info_fd: int | None = None,
    seccomp_fd: int | None = None,
    zygote: bool = False,
) -> list[str]:
    """The command that runs `argv` in the sandbox.

    uid: the host uid `argv` itself changes to (real root), None for a user namespace (ordinary user).
    read_only: further things to show, path inside -> path on this machine.
    zygote: `argv` makes further sandboxes in this one and outlives the thread that starts it (`warm`).

    The root, /dev and everything bound are read-only; /tmp (home and work folder are in it) and /dev/shm are
    memory disks of fixed size. There is no /sys, no network but a loopback of its own, no host process.
    """
    command = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--hostname", "vitlab", "--new-session"]
    if not zygote:
        command += ["--die-with-parent"]  # "parent" is the thread that starts it
    command += ["--as-pid-1", "--clearenv"]
    if uid is None:
        command += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    else:
        command += ["--cap-drop", "ALL"]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            command += ["--cap-add", capability]
        if zygote:
            command += ["--cap-add", "CAP_SYS_ADMIN"]  # for one mount, before it becomes `uid`
    if info_fd is not None:
        command += ["--info-fd", str(info_fd)]
    if seccomp_fd is not None:
        command += ["--seccomp", str(seccomp_fd)]
    command += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    if limits.gpu_share is not None:
        command += gpu.bound()
    command += ["--perms", "1777", "--size", str(SHARED_MEMORY_MB * MB), "--tmpfs", "/dev/shm"]
    command += ["--remount-ro", "/dev"]
    command += ["--perms", "1777", "--size", str(limits.disk_mb * MB), "--tmpfs", "/tmp"]
    command += _python()  # after /tmp: the environment may lie there
    helpers = helpers or PACKAGE
    if helpers.is_dir():
        command += _show(helpers, f"{PACKAGES}/helpers")
    for shown in (LAUNCHER, KERNEL, *((ZYGOTE, NESTED, PAGES) if zygote else ())):
        command += _show(Path(__file__).with_name(Path(shown).name), shown)
    if fonts is not None:
        command += _show(fonts, FONTS)
    for inside, outside in (read_only or {}).items():
        command += _show(outside, inside)
    return [*command, "--remount-ro", "/", "--chdir", "/", "--", *argv]


def clean_environment() -> dict[str, str]:
    """The environment of the bwrap process itself: enough to find bwrap, nothing of the host's."""
    return {"PATH": os.environ.get("PATH", os.defpath)}


def sandbox_uid() -> int | None:
    """A uid to probe with: what `bwrap_command` takes on this machine."""
    return 65534 if is_real_root() else None


_works = False


def require_bubblewrap() -> None:
    """Raises `SandboxUnavailable` unless a program really runs in the sandbox; success is remembered."""
    global _works
    if _works:
        return
    if sys.platform != "linux":
        raise SandboxUnavailable(f"Bubblewrap needs Linux; this is {sys.platform}. {ADVICE}")
    if shutil.which("bwrap") is None:
        raise SandboxUnavailable(f"Bubblewrap (the program `bwrap`) was not found on PATH. {ADVICE}")
    if seccomp_filter() is None:
        raise SandboxUnavailable(
            f"The sandbox knows the system calls of x86_64 and aarch64, not {platform.machine()}. {ADVICE}"
        )
    command = bwrap_command(["/usr/bin/true"], limits=Limits(), uid=sandbox_uid())
    try:
        probe = subprocess.run(
            command,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(f"Bubblewrap was found but did not run: {error}. {ADVICE}") from error
    if probe.returncode != 0:
        said = probe.stderr.strip() or f"exit status {probe.returncode}, no message"
        raise SandboxUnavailable(f"Bubblewrap was found but does not work here: {said}. {_why(said)}{ADVICE}")
    _works = True


def _why(said: str) -> str:
    """The likely reason behind bubblewrap's own message, as a sentence, or nothing."""
    if "Unknown option" in said:
        version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        return f"This is {version or 'an old bubblewrap'}, which is too old. "
    if "uid map" in said or "RTM_NEWADDR" in said:
        return (
            "Ubuntu's AppArmor keeps ordinary users from making namespaces; an administrator can allow it "
            "for bwrap alone (package apparmor-profiles, profile bwrap-userns-restrict) or for all "
            "(`sysctl kernel.apparmor_restrict_unprivileged_userns=0`). "
        )
    if "namespace" in said or "not permitted" in said:
        return (
            "This system does not let this user make namespaces; inside a container that takes "
            "`--privileged` or a looser seccomp profile. "
        )
    return ""
