"""What happened in a run, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from helpers.plots import curves, figure, show


@dataclass
class History:
    """Lists with one entry per epoch.

    Attributes:
        loss: mean training loss.
        accuracy: share of training images that were answered right, on the way (of `augment`ed images and soft
            labels: agreement with the likeliest class).
        test_loss, test_accuracy: the same on the test set, after the epoch; empty without one.
        lr: learning rate at the end of the epoch.
        seconds: since the start; a run that goes on after an interrupt counts on from where it was.
        interrupted: whether the run was stopped by hand.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    @property
    def epochs(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        if not self.loss:
            return "History: no epoch finished"
        parts = [f"loss {self.loss[-1]:.3f}", f"train {self.accuracy[-1]:.1%}"]
        if self.test_accuracy:
            parts.append(f"test {self.test_accuracy[-1]:.1%}")
        word = "epoch" if self.epochs == 1 else "epochs"
        return f"{self.epochs} {word} in {self.seconds[-1]:.1f} s: " + ", ".join(parts)

    def plot(self, title: str = "") -> None:
        """Loss on the left, accuracy on the right, over epochs."""
        if not self.loss:
            raise ValueError("There is nothing to plot: no epoch was finished.")
        epochs = list(range(1, self.epochs + 1))
        fig, (left, right) = figure(2.6, columns=2)
        losses, accuracies = {"train": self.loss}, {"train": self.accuracy}
        if self.test_accuracy:
            losses["test"], accuracies["test"] = self.test_loss, self.test_accuracy
        curves(epochs, losses, title=title or "loss", xlabel="epoch", ax=left)
        curves(epochs, accuracies, title="accuracy", xlabel="epoch", ax=right)
        show(fig, alt=f"Two charts over {self.epochs} epochs, loss and accuracy. {self!r}.")

    def as_dict(self) -> dict:
        """Plain lists, for JSON."""
        return asdict(self)
