"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="opens kernel settings, the core pattern, sysrq, cgroups and tracing for writing",
    must="each is refused",
    answer="""
import os

for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/hostname",
    "/proc/sysrq-trigger",
    "/proc/sys/fs/file-max", "/proc/sys/kernel/ns_last_pid", "/sys/fs/cgroup/cgroup.procs", "/proc/1/oom_score_adj",
    "/sys/kernel/debug/tracing/trace", "/proc/irq/default_smp_affinity", "/proc/acpi/wakeup", "/dev/kmsg",
):
    attempt(path, lambda: os.close(os.open(path, os.O_WRONLY)))
attempt("be spared", lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"))


def cosine_similarity(P):
    return None
""",
    refused=(
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sysrq-trigger",
        "/proc/sys/fs/file-max",
        "/sys/fs/cgroup/cgroup.procs",
        "/proc/1/oom_score_adj",
        "/sys/kernel/debug/tracing/trace",
        "/dev/kmsg",
        "be spared",
    ),
)
