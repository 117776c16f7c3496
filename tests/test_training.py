"""helpers.training: it learns, it can be interrupted and goes on to the same end, and it says what is wrong."""

import math

import pytest
import torch
from torch import nn

from helpers.data import Dataset, load
from helpers.training import Diverged, evaluate, fit

TRAIN, TEST = load("digits", limit=300), load("digits", "test", limit=100)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))


def train(model, **settings):
    return fit(model, TRAIN, TEST, **{"epochs": 4, "lr": 5e-3, "device": "cpu", "progress": False, **settings})


def test_it_learns_and_counts():
    model = network()
    history = train(model, epochs=12)
    assert history.test_accuracy[-1] > 0.8
    assert history.loss[-1] < history.loss[0] / 3
    assert history.epochs == len(history.accuracy) == len(history.seconds) == len(history.lr) == 12
    assert history.test_accuracy[-1] == pytest.approx(evaluate(model, TEST).accuracy)
    assert "12 epochs" in repr(history)
    assert "test" in repr(history)


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    losses = [train(network(), seed=seed).loss for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


class Stop:
    """A schedule that presses the stop button at a step."""

    def __init__(self, at):
        self.at = at

    def __call__(self, step, total):
        if step == self.at:
            raise KeyboardInterrupt
        return 1.0


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path):
    whole = network()
    expected = train(whole)
    model = network()
    stopped = train(model, checkpoint=tmp_path / "run" / "a.safetensors", schedule=Stop(12))
    assert stopped.interrupted
    assert stopped.epochs == 2
    again = network(seed=9)
    history = train(again, checkpoint=tmp_path / "run" / "a.safetensors")
    assert not history.interrupted
    assert history.loss == expected.loss
    assert history.test_accuracy == expected.test_accuracy
    for ours, theirs in zip(again.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["a.safetensors"]


def test_a_finished_run_is_not_done_again(tmp_path):
    path = tmp_path / "a.safetensors"
    first = train(network(), checkpoint=path)
    model = network(seed=9)
    assert train(model, checkpoint=path).seconds == first.seconds
    assert evaluate(model, TEST).accuracy == first.test_accuracy[-1]


@pytest.mark.parametrize("change", [{"batch_size": 7}, {"seed": 5}, {"epochs": 6}])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change):
    path = tmp_path / "a.safetensors"
    train(network(), checkpoint=path)
    with pytest.raises(ValueError, match=f"another run: {next(iter(change))} was"):
        train(network(), checkpoint=path, **change)


def test_a_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"a\.safetensors is no checkpoint that can be read .* Delete it"):
        train(network(), checkpoint=path)


def test_momentum_and_schedule_survive_the_checkpoint(tmp_path):
    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)

    def falling(step, total):
        return 1 - step / total

    def stopping(step, total):
        return Stop(12)(step, total) * falling(step, total)

    whole, model = network(), network()
    expected = train(whole, optimizer=sgd, schedule=falling)
    train(model, optimizer=sgd, schedule=stopping, checkpoint=tmp_path / "a")
    assert train(network(7), optimizer=sgd, schedule=falling, checkpoint=tmp_path / "a").loss == expected.loss
    assert expected.lr[-1] == pytest.approx(0.1 / 20)


def test_soft_labels_and_an_own_step():
    seen = []

    def soft(images, labels):
        return images, torch.nn.functional.one_hot(labels, 10).float()

    def own(model, images, labels, optimizer):
        seen.append((images.shape, model.training))
        value = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.item()

    assert train(network(), augment=soft).loss == pytest.approx(train(network()).loss, rel=1e-5)
    history = train(network(), step=own)
    assert history.loss == pytest.approx(train(network()).loss, rel=1e-5)
    assert len(seen) == 20
    assert all(training for _, training in seen)
    assert history.accuracy[-1] > 0.5


def test_evaluation_leaves_the_model_as_it_was():
    model = network()
    model[3].eval()
    found = evaluate(model, TEST)
    assert model.training
    assert not model[3].training
    assert found.accuracy == evaluate(model, TEST).accuracy
    assert found.confusion().sum() == 100
    assert found.confusion().diagonal().sum() == round(100 * found.accuracy)
    assert all(p.grad is None for p in model.parameters())


def test_a_loss_that_is_no_number_stops_the_run():
    with pytest.raises(Diverged, match=r"nan in epoch 1, at a learning rate of 0\.005"):
        train(network(), loss=lambda logits, labels: logits.sum() * math.nan)


def test_what_makes_no_run_is_refused():
    with pytest.raises(ValueError, match="at least one epoch"):
        train(network(), epochs=0)
    with pytest.raises(ValueError, match=r"logits of shape \(64, classes\)"):
        train(nn.Sequential(nn.Conv2d(1, 10, 3)))
    empty = Dataset("nothing", TRAIN.images[:0], TRAIN.labels[:0], TRAIN.classes, "nowhere")
    with pytest.raises(ValueError, match="holds no images"):
        evaluate(network(), empty)


def test_mixed_precision_and_compile_are_close_to_plain(monkeypatch):
    plain = train(network(), epochs=2).loss
    assert train(network(), epochs=2, amp=True).loss == pytest.approx(plain, rel=0.02)
    calls = []
    monkeypatch.setattr(torch, "compile", lambda model: calls.append(model) or model)
    assert train(network(), epochs=2, compile=True).loss == plain
    assert len(calls) == 1


def test_progress_in_a_notebook_is_one_output_that_changes(monkeypatch):
    from helpers.training import live

    shown, changed = [], []

    class Handle:
        def update(self, bundle, raw):
            changed.append(bundle)

    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "_PAUSE", 0.0)
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle) or Handle())
    history = train(network(), progress=True)
    assert len(shown) == 1
    assert len(changed) == 20
    assert "epoch 1 of 4" in shown[0]["text/plain"]
    assert "left" in shown[0]["text/plain"]
    assert changed[-1]["text/plain"] == repr(history)
    assert 'aria-label="loss over epochs' in changed[-1]["text/html"]


@pytest.mark.gpu
def test_on_a_gpu_with_mixed_precision(tmp_path):
    model = network()
    history = fit(model, TRAIN, TEST, epochs=8, lr=5e-3, device="cuda", checkpoint=tmp_path / "a", progress=False)
    assert next(model.parameters()).is_cuda
    assert history.test_accuracy[-1] > 0.7
