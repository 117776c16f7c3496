"""Change something and see it move: a slider where a kernel listens, the same figures standing still where none does.

How it stays whole everywhere:

1. The figures for all values are drawn once into one picture, side by side, and put out as every picture is. That is
   what a saved notebook, GitHub, a web page, a printout and a grader's feedback show.
2. Only when someone sits at the notebook (the front end said that it can answer questions, which nbclient, nbconvert
   and nbgrader never do) and ipywidgets is installed, a slider with one figure follows. It brings a style rule that
   hides the still picture of the same cell for as long as the slider is alive.
   Open the notebook later without a kernel, and the rule is gone with the slider: the still picture is back.
"""

from __future__ import annotations

import base64
import importlib.util
import inspect
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from helpers.plots.style import WIDTH, capture, display_png, in_notebook, show, someone_is_there, style

_BROAD = 600  # pixels: figures wider than this stand one below the other, so that their text stays readable
_MOST, _MOST_BROAD = 6, 4  # figures in the still picture


def explore(draw: Callable[..., Any], **values: Sequence) -> None:
    """Draw with a slider per keyword: `explore(draw, patch_size=[2, 4, 8, 16])` calls `draw(patch_size=8)` and so on.

    `draw` returns a matplotlib figure, or calls one of the functions in `helpers.plots`. Each slider starts at the
    default that `draw` itself gives, else at the first value.

    Raises:
        ValueError: there is no keyword, a keyword has no values, or `draw` drew nothing.
    """
    if not values:
        raise ValueError("explore needs at least one keyword with its values, such as patch_size=[2, 4, 8].")
    for name, choices in values.items():
        if len(choices) == 0:
            raise ValueError(f"explore got no values for {name}.")
    film = _Film(draw, {name: list(choices) for name, choices in values.items()})
    still, alt = film.still()
    if not in_notebook():
        return
    display_png(still, alt)
    if _sliders_work():
        _show_sliders(film)


@dataclass
class _Film:
    """The figures of a `draw` function, each drawn once."""

    draw: Callable[..., Any]
    values: dict[str, list]
    frames: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def start(self) -> dict[str, Any]:
        defaults = {name: p.default for name, p in inspect.signature(self.draw).parameters.items()}
        return {
            name: next((value for value in choices if value is defaults.get(name) or value == defaults.get(name)),
                       choices[0])
            for name, choices in self.values.items()
        }  # fmt: skip

    def frame(self, chosen: dict[str, Any]) -> tuple[bytes, str]:
        """(png, alt) of one figure."""
        key = _caption(chosen)
        if key not in self.frames:
            with capture() as shown, style():
                made = self.draw(**chosen)
                if hasattr(made, "savefig"):
                    show(made)
            if not shown:
                raise ValueError(
                    f"draw({key}) drew nothing: return a matplotlib figure, or call a function of helpers.plots."
                )
            png, alt = shown[-1]
            self.frames[key] = (png, f"{key}. {alt}")
        return self.frames[key]

    def still(self) -> tuple[bytes, str]:
        """The figures in one picture, each with its values above it; at most six, evenly chosen."""
        start = self.start()
        every = [dict(zip(self.values, row, strict=True)) for row in itertools.product(*self.values.values())]
        most = _MOST_BROAD if _width(self.frame(start)[0]) > _BROAD else _MOST
        if len(every) > most:  # too many: move one keyword, keep the others where they start
            name = max(self.values, key=lambda name: len(self.values[name]))
            every = [{**start, name: value} for value in _evenly(self.values[name], most)]
        return _side_by_side([(_caption(chosen), *self.frame(chosen)) for chosen in every])


def _width(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")  # where every PNG has it


def _evenly(choices: list, most: int) -> list:
    if len(choices) <= most:
        return choices
    return [choices[round(i * (len(choices) - 1) / (most - 1))] for i in range(most)]


def _caption(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in chosen.items())


def _side_by_side(frames: list[tuple[str, bytes, str]]) -> tuple[bytes, str]:
    """One PNG of several, shrunk to fit our width, with captions; and one alt text."""
    from matplotlib.figure import Figure
    from PIL import Image

    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for _, png, _ in frames]
    broad = max(picture.width for picture in pictures)
    columns = 1 if broad > _BROAD else 2 if broad > 300 or len(pictures) in (2, 4) else min(3, len(pictures))
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    scale = min(1.0, WIDTH * 100 / (columns * (broad + 12)))
    pictures = [p.resize((round(p.width * scale), round(p.height * scale)), Image.Resampling.LANCZOS) for p in pictures]
    cell_w = max(picture.width for picture in pictures) + 12
    heights = [max(p.height for p in pictures[row * columns : (row + 1) * columns]) + 26 for row in range(rows)]
    width, height = columns * cell_w, sum(heights)
    with style():
        fig = Figure(figsize=(width / 100, height / 100), dpi=100)
        for i, (picture, (caption, _, _)) in enumerate(zip(pictures, frames, strict=True)):
            row, column = divmod(i, columns)
            left, top = column * cell_w + 6, sum(heights[:row])
            fig.text((left + 4) / width, 1 - (top + 5) / height, caption, va="top", fontsize=9, weight="bold")
            fig.figimage(np.asarray(picture), xo=left, yo=height - top - 22 - picture.height, origin="upper")
        out = io.BytesIO()
        fig.savefig(out, format="png", dpi=100)
    return out.getvalue(), " ".join(alt for _, _, alt in frames)


def _sliders_work() -> bool:
    """A person can move them, and ipywidgets can draw them."""
    return someone_is_there() and importlib.util.find_spec("ipywidgets") is not None


def _show_sliders(film: _Film) -> None:
    import ipywidgets as widgets
    from IPython.display import display

    start = film.start()
    sliders = {
        name: widgets.SelectionSlider(
            options=[(str(value), value) for value in choices], value=start[name], description=name,
            continuous_update=False, style={"description_width": "initial"}, layout={"width": "28em"},
        )
        for name, choices in film.values.items()
    }  # fmt: skip
    page = widgets.HTML()

    def redraw(_change=None) -> None:
        try:
            png, alt = film.frame({name: slider.value for name, slider in sliders.items()})
            source = base64.b64encode(png).decode()
            shown = f'<img src="data:image/png;base64,{source}" alt="{escape(alt, quote=True)}" style="max-width:100%">'
        except Exception as error:  # a student's own function may fail for one of the values: say so, keep the slider
            shown = f"<pre>{type(error).__name__}: {escape(str(error))}</pre>"
        page.value = _HIDE_STILL + shown

    for slider in sliders.values():
        slider.observe(redraw, names="value")
    redraw()
    box = widgets.VBox([*sliders.values(), page]).add_class("vitlab-explore")
    # Not from the box itself, which in ipywidgets 7 (Colab's) shows itself in another way than in 8.
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    words = f"[a slider for {', '.join(sliders)} when the notebook runs]"
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": words}, raw=True)


# Lives in the slider's own output, so it applies only while the slider is drawn, and only to the picture just above it.
_HIDE_STILL = (
    "<style>.jp-OutputArea-child:has(.vitlab-picture):has(+ .jp-OutputArea-child .vitlab-explore){display:none}</style>"
)
