"""The pretend GPU breaks programs where CUDA breaks them, and runs the others with the CPU's numbers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.device import device
from helpers.training import evaluate, fit
from tests.pretend_device import pretend_cuda
from tests.pretend_device.rounding import tf32
from tests.test_training import TEST, TRAIN, network

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a real GPU is here: tests/test_gpu.py")


@pytest.fixture
def gpu():
    with pretend_cuda() as found:
        yield found


def here(*shape: int, **options) -> torch.Tensor:
    return torch.ones(*shape, device="cuda", **options)


REFUSED = {
    "a sum": lambda: here(3) + torch.ones(3),
    "a product": lambda: here(2, 2) @ torch.ones(2, 2),
    "a number in a stack": lambda: torch.stack([here(2)[0], torch.tensor(1.0)]),
    "where": lambda: torch.where(torch.tensor([True, False]), here(2), here(2)),
    "cat": lambda: torch.cat([here(1), torch.ones(1)]),
    "arange without a device": lambda: here(3) * torch.arange(3),
    "a layer left behind": lambda: nn.Linear(2, 2)(here(1, 2)),
    "an input left behind": lambda: nn.Linear(2, 2).cuda()(torch.ones(1, 2)),
    "a table left behind": lambda: F.embedding(torch.tensor([0]), here(2, 2)),
    "a list of layers": lambda: _with_a_list().to("cuda")(here(1, 2)),
    "labels left behind": lambda: F.cross_entropy(here(2, 3), torch.tensor([0, 1])),
    "equal": lambda: torch.equal(here(2), torch.ones(2)),
    "a CPU tensor under the device's index": lambda: torch.ones(3)[torch.tensor([0, 1], device="cuda")],
    "a value under a mask": lambda: here(3).__setitem__(here(3).bool(), torch.ones(3)),
    "in place": lambda: here(3).add_(torch.ones(3)),
    "a gradient of the CPU": lambda: setattr(here(2, requires_grad=True), "grad", torch.ones(2)),
    "a matrix product of whole numbers": lambda: here(2, 2, dtype=torch.long) @ here(2, 2, dtype=torch.long),
    "einsum of whole numbers": lambda: torch.einsum(
        "ij,jk->ik", here(2, 2, dtype=torch.long), here(2, 2, dtype=torch.long)
    ),
    "the CPU's generator": lambda: torch.randn(2, device="cuda", generator=torch.Generator()),
    "the CPU's generator, in place": lambda: here(2).normal_(generator=torch.Generator()),
    "the device's generator for the CPU": lambda: torch.randn(2, generator=torch.Generator(device="cuda")),
    "a second GPU": lambda: torch.ones(2, device="cuda:1"),
    "pinning": lambda: here(2).pin_memory(),
}


def _with_a_list() -> nn.Module:
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2)]

        def forward(self, x):
            return self.layers[0](x)

    return Model()


@pytest.mark.parametrize("program", REFUSED)
def test_cuda_refuses(gpu, program):
    with pytest.raises(RuntimeError):
        REFUSED[program]()


def test_two_devices_are_named_as_cuda_names_them(gpu):
    with pytest.raises(RuntimeError, match=r"Expected all tensors to be on the same device.*cuda:0 and cpu"):
        here(3) + torch.ones(3)


@pytest.mark.parametrize("ask", [torch.Tensor.numpy, np.asarray, np.array, np.stack])
def test_numpy_sees_nothing_of_it(gpu, ask):
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"):
        ask(here(2))


ALLOWED = {
    "a number of the CPU": lambda: here(3) * torch.tensor(2.0),
    "an index of the CPU": lambda: here(3)[torch.tensor([0, 1])],
    "a mask of the CPU": lambda: here(3)[torch.tensor([True, False, True])],
    "a layer that moved": lambda: nn.Linear(2, 2).to("cuda")(here(1, 2)),
    "made beside it": lambda: here(3) + torch.arange(3, device=here(1).device),
    "like it": lambda: here(3) + torch.zeros_like(here(3)) + here(1).new_ones(3),
    "its own generator": lambda: torch.randn(2, device="cuda", generator=torch.Generator("cuda").manual_seed(0)),
    "moved there": lambda: torch.as_tensor(np.ones(3)).to("cuda", torch.float32),
    "moved to another": lambda: torch.ones(3).to(here(1)),
    "the default device": lambda: _by_default(),
    "convolution": lambda: F.conv2d(here(1, 1, 3, 3), here(2, 1, 2, 2)),
    "attention": lambda: F.scaled_dot_product_attention(here(1, 1, 2, 4), here(1, 1, 3, 4), here(1, 1, 3, 4)),
    "an encoder layer": lambda: nn.TransformerEncoderLayer(4, 2, batch_first=True).to("cuda")(here(1, 3, 4)),
    "a lazy layer": lambda: nn.LazyLinear(2).to("cuda")(here(1, 3)),
    "torch.func": lambda: torch.func.grad(lambda x: (x * here(3)).sum())(here(3)),
    "a sum of whole numbers": lambda: torch.einsum("ij->i", here(2, 2, dtype=torch.long)),
    "parts": lambda: next(iter(here(2, 3))),
}


def _by_default() -> torch.Tensor:
    with torch.device("cuda"):
        return torch.zeros(3)


@pytest.mark.parametrize("program", ALLOWED)
def test_cuda_allows(gpu, program):
    out = ALLOWED[program]()
    assert out.device == torch.device("cuda:0")
    assert out.is_cuda
    assert not out.cpu().is_cuda


def test_factories_without_a_device_stay_on_the_cpu(gpu):
    for made in (torch.tensor([1.0]), torch.arange(2), torch.tensor([here(1)[0]]), torch.from_numpy(np.ones(2))):
        assert made.device.type == "cpu"


def test_values_cross_by_copying(gpu):
    x, y = here(3), torch.zeros(3)
    x[:2] = torch.zeros(2)
    y.copy_(x)
    assert y.tolist() == [0, 0, 1]
    assert not y.is_cuda


def test_the_helpers_see_a_gpu(gpu, monkeypatch):
    monkeypatch.delenv("VITLAB_DEVICE", raising=False)
    assert device() == torch.device("cuda")
    assert device() != here(1).device, "cuda is not cuda:0, as on a real GPU"


def test_moving_a_module_keeps_its_parameters_and_its_optimizer(gpu):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = [id(p) for p in model.parameters()]
    updates = torch.optim.AdamW(model.parameters(), lr=0.1)
    model.to("cuda")
    assert [id(p) for p in model.parameters()] == before
    assert all(isinstance(p, nn.Parameter) and p.is_cuda for p in model.parameters())
    assert model[1].running_mean.is_cuda
    x, losses = torch.randn(16, 3, device="cuda"), []
    for _ in range(20):
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        updates.zero_grad()
        loss.backward()
        updates.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert model[0].weight.grad.is_cuda
    state = updates.state[model[0].weight]
    assert state["exp_avg"].is_cuda
    assert not state["step"].is_cuda
    twin = copy.deepcopy(model)
    twin.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    assert twin[0].weight.is_cuda
    assert twin[0].weight is not model[0].weight
    assert type(twin.cpu()[0].weight) is nn.Parameter


def test_the_numbers_are_the_cpus(gpu):
    torch.manual_seed(0)
    model, x = nn.TransformerEncoderLayer(8, 2, dropout=0.0, batch_first=True), torch.randn(2, 5, 8)
    there = copy.deepcopy(model).cuda()
    model(x).square().sum().backward()
    there(x.cuda()).square().sum().backward()
    assert torch.equal(model.linear1.weight.grad, there.linear1.weight.grad.cpu())


def test_safetensors_and_loaders(gpu, tmp_path):
    save_file({"x": here(3)}, tmp_path / "x.safetensors")
    assert load_file(tmp_path / "x.safetensors")["x"].tolist() == [1, 1, 1]
    loader = DataLoader(TensorDataset(torch.ones(4, 2)), batch_size=2)
    assert all(x.to("cuda").is_cuda for (x,) in loader)


def test_autocast_chooses_types_as_cudas(gpu):
    x, w = here(2, 4), here(4, 4)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        product = x @ w
        assert product.dtype is torch.bfloat16
        assert product.softmax(-1).dtype is torch.float32
        assert F.layer_norm(product, (4,)).dtype is torch.float32
    assert (x @ w).dtype is torch.float32


def test_its_random_numbers_are_its_own(gpu):
    torch.manual_seed(0)
    on_cpu, on_gpu = torch.rand(4), torch.rand(4, device="cuda")
    assert not torch.equal(on_cpu, on_gpu.cpu())
    torch.manual_seed(0)
    assert torch.equal(torch.rand(4, device="cuda"), on_gpu), "one seed seeds both"
    assert torch.equal(torch.rand(4), on_cpu), "and neither draws from the other"


@pytest.mark.parametrize(
    "program",
    [
        lambda: here(3)[torch.tensor([5], device="cuda")],
        lambda: F.cross_entropy(here(1, 3), torch.tensor([7], device="cuda")),
        lambda: F.embedding(torch.tensor([9], device="cuda"), here(2, 2)),
    ],
)
def test_an_index_out_of_range_is_the_end(gpu, program):
    with pytest.raises(RuntimeError, match="device-side assert"):
        program()
    with pytest.raises(RuntimeError, match="device-side assert"):
        here(2).sum()
    assert torch.ones(2).sum() == 2


def test_a_plain_number_out_of_range_is_an_index_error(gpu):
    with pytest.raises(IndexError):
        here(3)[5]
    assert here(3)[0].item() == 1


def test_waits_are_counted(gpu):
    x = here(3)
    for value in (x[0].item(), float(x[1]), x.tolist(), x.cpu(), bool(x[0])):
        assert value is not None
    torch.cuda.synchronize()
    assert gpu.counts["waits"] == 5
    assert gpu.counts["synchronize"] == 1


def test_tf32_keeps_ten_bits():
    x = torch.tensor([1 + 2**-10, 1 + 2**-12, 1 + 2**-11 + 2**-12, -3.0, float("inf"), 0.0])
    assert tf32(x).tolist() == [1 + 2**-10, 1.0, 1 + 2**-10, -3.0, float("inf"), 0.0]


def test_tf32_is_for_convolutions_and_for_products_when_asked():
    x = 1 + torch.rand(1, 1, 4, 4)
    wanted = F.conv2d(x, x), x @ x
    with pretend_cuda(tf32=True):
        y = x.cuda()
        assert not torch.equal(F.conv2d(y, y).cpu(), wanted[0])
        assert torch.equal((y @ y).cpu(), wanted[1])
        torch.set_float32_matmul_precision("high")
        try:
            assert not torch.equal((y @ y).cpu(), wanted[1])
        finally:
            torch.set_float32_matmul_precision("highest")


def test_afterwards_there_is_no_gpu():
    with pretend_cuda():
        kept = here(2)
    assert not torch.cuda.is_available()
    with pytest.raises(RuntimeError, match="that is gone"):
        kept + 1


def test_training_goes_on_where_it_stopped(gpu, tmp_path):
    """Mixed precision, and a checkpoint that holds the device's random state."""
    small, path = TRAIN.take(64), tmp_path / "run"
    once = fit(network(), small, TEST.take(16), epochs=2, seed=1, checkpoint=path, progress=False)
    model = network()
    again = fit(model, small, TEST.take(16), epochs=2, seed=1, checkpoint=path, progress=False)
    assert again.loss == once.loss
    assert next(model.parameters()).is_cuda
    assert evaluate(model, TEST.take(16)).predictions.device.type == "cpu"


def test_training_waits_for_the_device_once_an_epoch_not_once_a_step(gpu):
    few, many = (_waits(gpu, batch_size) for batch_size in (32, 4))
    assert many == few


def _waits(gpu, batch_size: int) -> int:
    before = gpu.counts["waits"]
    fit(network(), TRAIN.take(64), epochs=1, batch_size=batch_size, progress=False)
    return gpu.counts["waits"] - before
