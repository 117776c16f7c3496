"""--device cuda: what the sandbox shows and what a kernel is told, without a GPU; the rest needs one."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from grading.course import Course, CourseError
from grading.engine.grade import grade
from grading.sandbox import gpu
from grading.sandbox.bubblewrap import bwrap_command, require_bubblewrap, sandbox_uid
from grading.sandbox.limits import Limits
from grading.sandbox.run import WarmPool, run_notebook
from tests.classroom import filled, hand_in, solutions
from tests.conftest import ROOT
from tests.sandbox_driver import notebook, text


@pytest.fixture
def machine(tmp_path: Path, monkeypatch) -> Path:
    """A /dev with one GPU, and things that are none."""
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvme0", "sda", "kvm"):
        (tmp_path / name).touch()
    (tmp_path / "nvidia-caps").mkdir()
    (tmp_path / "nvidia-caps" / "nvidia-cap1").touch()
    monkeypatch.setattr(gpu, "DEVICES", tmp_path)
    return tmp_path


def bound(command: list[str]) -> list[str]:
    return [Path(command[i + 1]).name for i, word in enumerate(command) if word.startswith("--dev-bind")]


def test_the_gpus_nodes_are_bound_and_no_others(machine: Path) -> None:
    command = bwrap_command(["true"], limits=Limits(gpu_share=0.45))
    assert sorted(bound(command)) == ["nvidia-cap1", "nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"]
    start, end = command.index("--dev"), command.index("--remount-ro")
    places = [i for i, word in enumerate(command) if word.startswith("--dev-bind")]
    assert all(start < place < end for place in places), "onto the sandbox's own /dev, before it becomes read-only"


def test_the_zygote_sees_them_as_its_children_do(machine: Path) -> None:
    plain, warm = (bwrap_command(["true"], limits=Limits(gpu_share=0.45), zygote=z) for z in (False, True))
    assert bound(plain) == bound(warm) != []


def test_without_the_option_no_device_is_shown(machine: Path) -> None:
    assert bound(bwrap_command(["true"], limits=Limits())) == []


def test_a_machine_without_a_gpu_is_told_apart(machine: Path, course: Course) -> None:
    (machine / "nvidia0").unlink()
    assert gpu.device_nodes() == []
    with pytest.raises(CourseError, match="shows no NVIDIA GPU"):
        grade(course, ["01_patches"], submissions=machine, out=machine / "out", device="cuda")


def test_such_a_sandbox_starts(machine: Path) -> None:
    """With nodes that are plain files here: bubblewrap takes the arguments."""
    require_bubblewrap()
    command = bwrap_command(["/usr/bin/ls", "/dev"], limits=Limits(gpu_share=1.0), uid=sandbox_uid())
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert "nvidia0" in shown
    assert "sda" not in shown


def test_a_kernel_is_told_its_share_and_counts_gpus_without_starting_cuda() -> None:
    told = gpu.environment(0.45)
    assert (told["VITLAB_DEVICE"], told[gpu.SHARE]) == ("cuda", "0.4500")
    assert told["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
    assert gpu.environment(None) == {}


@pytest.mark.parametrize(("share", "limited"), [(None, True), (0.45, False)])
def test_address_space_is_left_to_cuda(share: float | None, limited: bool) -> None:
    code = (
        "import launch, resource, sys, json; launch.set_limits(json.loads(sys.argv[1])); "
        "print([resource.getrlimit(n)[0] for n in (resource.RLIMIT_AS, resource.RLIMIT_DATA)])"
    )
    import json
    from dataclasses import asdict

    limits = {**asdict(Limits(memory_mb=1024, gpu_share=share)), "processes": None}
    folder = ROOT / "grading" / "sandbox"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(limits)], cwd=folder, capture_output=True, text=True, check=True
    )
    space, data = json.loads(done.stdout)
    assert data == 2**30
    assert (space != resource.RLIM_INFINITY) == limited


@pytest.mark.parametrize("share", [0, -1, True, "half"])
def test_a_share_is_a_positive_number(share: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"limits\.gpu_share"):
        Limits(gpu_share=share)  # type: ignore[arg-type]


@pytest.mark.gpu
def test_cuda_starts_after_the_fork_within_its_share() -> None:
    source = (
        "import torch\nprint(torch.cuda.is_available(), float(torch.ones(2, device='cuda').sum()))\n"
        "most = torch.cuda.get_device_properties(0).total_memory\n"
        "try:\n    torch.empty(int(most * 0.5), dtype=torch.uint8, device='cuda'); print('too much')\n"
        "except torch.OutOfMemoryError: print('held')"
    )
    limits = Limits(gpu_share=0.2)
    with WarmPool(gpu_share=0.2) as pool:
        for warm in (pool, pool, None):
            run = run_notebook(notebook(source), limits=limits, warm=warm, env=gpu.environment(0.2))
            assert (text(run, 0).split(), run.notes) == (["True", "2.0", "held"], [])


@pytest.mark.gpu
def test_a_class_is_graded_on_cuda(course: Course, tmp_path: Path) -> None:
    hand_in(tmp_path / "in", "ada", "01_patches", filled(course, "01_patches", solutions(course, "01_patches")))
    [ada] = grade(course, ["01_patches"], submissions=tmp_path / "in", out=tmp_path / "out", device="cuda")
    assert all(q.score == q.max for q in ada.questions if q.question.startswith("Q"))
