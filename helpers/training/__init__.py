"""Training, small enough to read: a loop, an evaluation, a history, a checkpoint.

history = fit(model, load("shapes"), load("shapes", "test"), epochs=20)
history.plot()
"""

from helpers.training.evaluation import Evaluation, evaluate
from helpers.training.history import History
from helpers.training.loop import Diverged, fit

__all__ = ["Diverged", "Evaluation", "History", "evaluate", "fit"]
