"""Lesson 07's figures: a ViT from image to logits, which patches and tokens count, attention maps, errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_picture
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import FAINT, INK, SOFT
from helpers.plots.tiles import draw_image
from helpers.theme import RIM


def assembly_picture(image: np.ndarray, patch: int, used: Sequence[bool] | None, pull: np.ndarray | None) -> Figure:
    """Left: which patches change the logits (`used`). Right: how much the logits depend on each token at the end."""
    side = image.shape[-1] // patch
    shown = image[:3] if len(image) >= 3 else image[:1]
    shown = (shown - shown.min()) / max(float(np.ptp(shown)), 1e-9)
    with style():
        fig, (left, right) = figure(2.1, width=5.4, columns=2, width_ratios=(1, 1.6))
        draw_image(left, to_picture(shown))
        unused = 0
        for place in range(side**2):
            row, column = divmod(place, side)
            corner = (column * patch - 0.5, row * patch - 0.5)
            left.add_patch(Rectangle(corner, patch, patch, fill=False, edgecolor="white", linewidth=1))
            if used is not None and len(used) > place and not used[place]:
                unused += 1
                left.add_patch(Rectangle(corner, patch, patch, facecolor="white", alpha=0.8, edgecolor="white"))
                left.text(corner[0] + patch / 2, corner[1] + patch / 2, "–", ha="center", va="center", color=INK)
        left.set_title("patches" if used is None else f"used: {side**2 - unused} of {side**2}", fontsize=9.5)
        tokens = np.arange(side**2 + 1)
        right.bar(tokens, tokens == 0, width=0.8, color=COLOURS[0], alpha=0.3, label="target")
        if pull is not None and np.shape(pull) == tokens.shape and np.isfinite(pull).all() and np.sum(pull) > 0:
            right.bar(tokens, pull / np.sum(pull), width=0.45, color=COLOURS[1], label="yours")
        right.set(title="what the head reads", xlabel="token (0: class token)", ylabel="share", ylim=(0, 1.08))
        right.set_xticks(tokens)
        right.legend(loc="upper right")
    return fig


def step_picture(start: np.ndarray, wanted: np.ndarray, walked: np.ndarray | None) -> Figure:
    """How far three calls carry two of the weights, the target's path and yours."""
    flat = np.argsort(-np.abs(wanted[-1] - start).reshape(-1))[:2]

    def path(weights: np.ndarray) -> np.ndarray:
        return np.concatenate([start.reshape(1, -1), weights.reshape(len(weights), -1)])[:, flat]

    with style():
        fig, ax = figure(2.3, width=4.4)
        ax.plot(*path(wanted).T, color=COLOURS[0], linewidth=5, alpha=0.35, marker="o", label="target")
        if walked is not None and walked.shape == wanted.shape and np.isfinite(walked).all():
            ax.plot(*path(walked).T, color=COLOURS[1], marker="o", markersize=4, label="yours")
        ax.plot(*path(wanted)[0], marker="s", color=INK, markersize=6, linestyle="none", label="start")
        ax.set(xlabel="one weight", ylabel="another", title="three steps")
        ax.margins(0.12)
        ax.legend(loc="best")
    return fig


def accuracy_picture(right: np.ndarray, sizes: Sequence[int], wanted: float, yours: float | None) -> Figure:
    """One dot per image, one row per batch; filled dots are right answers."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    with style():
        fig, ax = figure(1.6, width=5.0)
        for row, (a, b) in enumerate(pairwise(starts)):
            part = right[a:b]
            ax.scatter(np.arange(len(part)), np.full(len(part), -row), s=46, linewidths=1.2, edgecolors=COLOURS[0],
                       c=[COLOURS[0] if one else "white" for one in part])  # fmt: skip
            ax.text(max(sizes) - 0.2, -row, f"{int(part.sum())} of {len(part)}", va="center", fontsize=8.5, color=SOFT)
        told = "" if yours is None else f", yours {yours:.4g}"
        ax.set(xlim=(-0.7, max(sizes) + 2), ylim=(-len(sizes) + 0.4, 0.6), title=f"target {wanted:.4g}{told}")
        ax.set_axis_off()
    return fig


def map_panels(weights: np.ndarray, wanted: np.ndarray, maps: np.ndarray | None) -> Figure:
    """The weights of head 0, the map they should become, and yours."""
    panels = [("head 0: weights", weights), ("target: its map", wanted)]
    if maps is not None and np.ndim(maps) == 3 and np.size(maps):
        panels.append(("yours", maps[0]))
    return _matrices(panels)


def matrix_panels(attentions: np.ndarray, wanted: np.ndarray, rollout: np.ndarray | None) -> Figure:
    """The mean over heads of the first and last layer, the rollout they should give, and yours."""
    panels = [("layer 1, mean", attentions[0].mean(0))]
    if len(attentions) > 1:
        panels.append((f"layer {len(attentions)}, mean", attentions[-1].mean(0)))
    panels.append(("target", wanted))
    if rollout is not None and np.ndim(rollout) == 2 and np.size(rollout):
        panels.append(("yours", rollout))
    return _matrices(panels)


def _matrices(panels: Sequence[tuple[str, np.ndarray]]) -> Figure:
    with style():
        fig, axes = figure(1.75, width=1.75 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            draw_matrix(ax, np.asarray(matrix, float), diverging=False, ticks=5, vmin=0)
            ax.set_title(title, fontsize=9)
    return fig


def show_assembly(
    image: object, patch_size: int, tokens: object, after: object, logits: object, classes: Sequence[str],
    alt: str | None = None,
) -> None:  # fmt: skip
    """Draw a ViT at work: image (c, h, w), tokens (n + 1, d) before and after the blocks, logits (classes,)."""
    picture, logits = to_picture(image), to_numpy(logits).astype(float)
    with style():
        fig, axes = figure(2.7, columns=4, width_ratios=(1.25, 1.2, 1.2, 1.25))
        draw_image(axes[0], picture)
        for cut in np.arange(patch_size, picture.shape[0], patch_size) - 0.5:
            axes[0].axhline(cut, color="white", linewidth=1)
            axes[0].axvline(cut, color="white", linewidth=1)
        axes[0].set_title("image, in patches", fontsize=9.5)
        for ax, array, title in ((axes[1], tokens, "embedded: tokens"), (axes[2], after, "after the blocks")):
            array = to_numpy(array).astype(float)
            draw_matrix(ax, array, diverging=True, ticks=5)
            ax.set_aspect("auto")
            ax.set(xlabel="dimension")
            ax.set_title(title, fontsize=9.5)
            ax.add_patch(
                Rectangle((-0.5, -0.5), array.shape[1], 1, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False)
            )
        axes[1].set_ylabel("token (0: class token)")
        best = int(logits.argmax())
        axes[3].barh(np.arange(len(logits)), logits, color=[COLOURS[1 if i == best else 0] for i in range(len(logits))])
        axes[3].set_yticks(np.arange(len(logits)), classes, fontsize=7.5)
        axes[3].invert_yaxis()
        axes[3].axvline(0, color=RIM, linewidth=0.8)
        axes[3].tick_params(axis="y", length=0)
        axes[3].set_title("head: logits", fontsize=9.5)
    show(fig, alt or f"A ViT at work: image, tokens, tokens after the blocks, logits; best: {classes[best]}.")


def attention_picture(image: object, maps: object, titles: Sequence[str]) -> Figure:
    """An image (c, h, w), and beside it the same image lit by each map (k, rows, columns)."""
    picture, maps = to_picture(image), to_numpy(maps).astype(float)
    with style():
        fig, axes = figure(1.75, width=1.5 * (len(maps) + 1), columns=len(maps) + 1)
        draw_image(axes[0], picture)
        axes[0].set_title("image", fontsize=9)
        for ax, one, title in zip(axes[1:], maps, titles, strict=True):
            draw_image(ax, _lit(picture, one))
            ax.set_title(title, fontsize=9)
    return fig


def _lit(picture: np.ndarray, one: np.ndarray) -> np.ndarray:
    """A picture, dark where the map is small."""
    rows, columns = picture.shape[0] // one.shape[0], picture.shape[1] // one.shape[1]
    light = np.kron(one / max(one.max(), 1e-12), np.ones((rows, columns)))
    light = np.pad(light, [(0, a - b) for a, b in zip(picture.shape[:2], light.shape, strict=True)], mode="edge")
    return picture * (0.12 + 0.88 * (light if picture.ndim == 2 else light[..., None]))


def show_attention_rows(images: object, rows: Sequence[tuple[str, object]], alt: str | None = None) -> None:
    """Draw images (n, c, h, w) in the first row, and one row per entry (title, maps (n, rows, columns)) below it."""
    pictures = [to_picture(image) for image in to_numpy(images)]
    with style():
        high = 0.98 * WIDTH / (len(pictures) + 0.9)
        fig, axes = figure(high * (len(rows) + 1), rows=len(rows) + 1, columns=len(pictures), squeeze=False)
        for column, picture in enumerate(pictures):
            draw_image(axes[0, column], picture)
            for row, (_, maps) in enumerate(rows, 1):
                draw_image(axes[row, column], _lit(picture, to_numpy(maps)[column].astype(float)))
        for row, title in enumerate(["image", *(title for title, _ in rows)]):
            axes[row, 0].set_ylabel(title, fontsize=9)
    names = ", ".join(title for title, _ in rows)
    show(fig, alt or f"{len(pictures)} images; below each the same image lit where attention is: {names}.")


def show_confusion(counts: object, classes: Sequence[str], alt: str | None = None) -> None:
    """Draw a confusion matrix (classes, classes): row = truth, column = answer, as shares of the row."""
    counts = to_numpy(counts).astype(float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    with style():
        fig, ax = figure(3.6, width=5.2)
        image = draw_matrix(ax, share, diverging=False, ticks=len(classes), vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                ink = INK if share[i, j] > 0.6 else "white"
                ax.text(j, i, f"{count:.0f}", ha="center", va="center", fontsize=7.5, color=ink)
        ax.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
        ax.set_yticks(range(len(classes)), classes, fontsize=8)
        ax.set(xlabel="answer", ylabel="truth")
        add_bar(image, ax)
    show(fig, alt or f"Confusion matrix of {len(classes)} classes; {np.trace(share) / len(share):.0%} on the diagonal.")


def show_study(results: dict[str, tuple[Sequence, Sequence]], base: float, ylabel: str, alt: str | None = None) -> None:
    """Draw panels, one per entry (values, scores (values, seeds)): each seed a dot, the mean a line."""
    with style():
        fig, axes = figure(2.3, columns=len(results), sharey=True, squeeze=False)
        for ax, (name, (values, scores)) in zip(axes.flat, results.items(), strict=True):
            rows = np.asarray(scores, float)
            places = np.arange(len(values))
            ax.axhline(base, color=FAINT, linewidth=1, zorder=0)
            ax.plot(places, rows.mean(1), color=COLOURS[0])
            for seed in rows.T:
                ax.plot(places, seed, "o", color=COLOURS[0], markersize=4, alpha=0.55)
            ax.set_xticks(places, values)
            ax.set(xlabel=name)
            ax.grid(axis="y")
            ax.margins(x=0.15)
        axes.flat[0].set_ylabel(ylabel)
    told = "; ".join(
        f"{name} " + ", ".join(f"{v}: {np.mean(s):.0f}" for v, s in zip(values, scores, strict=True))
        for name, (values, scores) in results.items()
    )
    show(fig, alt or f"{ylabel}. {told}.")
