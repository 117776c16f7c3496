"""torchvision can be imported beside any build of torch, and is left alone where it works by itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from types import ModuleType

import pytest

from helpers import torchvision_ops
from helpers.torchvision_ops import load_torchvision
from tests.conftest import ROOT


def in_fresh_python(code: str, *path: str) -> str:
    code = f"import sys; sys.path[:0] = {[*path, str(ROOT)]!r}\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_models_transforms_and_data_sets_work_and_timm_can_be_imported():
    out = in_fresh_python("""
        from helpers.torchvision_ops import load_torchvision
        torchvision = load_torchvision()
        import torch
        from torchvision import datasets
        from torchvision.transforms import v2
        assert load_torchvision() is torchvision
        with torch.device("meta"):
            torchvision.models.swin_t(), torchvision.models.vit_b_16()
        image = v2.Compose([v2.RandomCrop(24), v2.RandAugment(), v2.ToDtype(torch.float32, scale=True)])(
            torch.zeros(3, 32, 32, dtype=torch.uint8))
        assert image.shape == (3, 24, 24) and datasets.CIFAR10.base_folder == "cifar-10-batches-py"
        import timm
        print(len(timm.list_models("vit_small*")) > 0)
    """)
    assert out.strip() == "True"


def test_it_recovers_from_an_import_that_failed_before():
    out = in_fresh_python("""
        try:
            import torchvision
        except RuntimeError:
            pass
        from helpers.torchvision_ops import load_torchvision
        print(load_torchvision().models.swin_t.__name__)
    """)
    assert out.strip() == "swin_t"


def test_nothing_is_declared_where_torchvision_works(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("works = True\n")
    out = in_fresh_python(
        """
        import torch
        from helpers import torchvision_ops
        assert torchvision_ops.load_torchvision().works
        print(torchvision_ops._declared, torch._C._jit_get_schemas_for_operator("torchvision::nms"))
        """,
        str(tmp_path),
    )
    assert out.strip() == "[] []"


@pytest.fixture
def failing_import(monkeypatch):
    """Make the import of torchvision fail in a given way, after it has left a half-made module behind."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(torchvision_ops, "_declared", [])

    def fail_with(error: BaseException) -> list[str]:
        calls: list[str] = []

        def import_module(name: str):
            calls.append(name)
            sys.modules["torchvision.extension"] = ModuleType("torchvision.extension")
            raise error

        monkeypatch.setattr(torchvision_ops.importlib, "import_module", import_module)
        return calls

    return fail_with


def test_another_failure_is_reported_at_once_and_leaves_no_half_made_module(failing_import):
    calls = failing_import(RuntimeError("the disk is on fire"))
    with pytest.raises(ImportError, match=r"the disk is on fire.*belongs to your torch"):
        load_torchvision()
    assert calls == ["torchvision"]
    assert torchvision_ops._declared == []
    assert "torchvision.extension" not in sys.modules


def test_an_operator_that_stays_missing_is_an_error_not_a_loop(failing_import):
    calls = failing_import(RuntimeError("operator torchvision::unheard_of does not exist"))
    with pytest.raises(ImportError, match="unheard_of"):
        load_torchvision()
    assert calls == ["torchvision"] * 2
    assert "torchvision.extension" not in sys.modules


def test_a_missing_torchvision_is_named(failing_import):
    failing_import(ModuleNotFoundError("No module named 'torchvision'", name="torchvision"))
    with pytest.raises(ImportError, match="'torchvision', which is not installed"):
        load_torchvision()
