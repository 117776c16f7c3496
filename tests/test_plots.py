"""Pictures come out for everything a lesson draws, with a text beside them, and leave nothing open."""

from __future__ import annotations

import io
import re
import sys
from itertools import pairwise

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image

from helpers import explore as explore_module
from helpers import plots
from helpers.data import sample_image
from helpers.explore import explore
from helpers.plots.arrays import to_picture, to_pictures
from helpers.plots.style import COLOURS, DPI, WIDTH
from tests.conftest import ROOT

IMAGE = sample_image()
PATCHES = torch.stack([IMAGE[:, y : y + 8, x : x + 8] for y in range(0, 32, 8) for x in range(0, 32, 8)])
WAVE = np.sin(np.arange(20))

DRAWINGS = {
    "images": lambda: plots.show_images(PATCHES, titles=list(range(16))),
    "grey images": lambda: plots.show_images(torch.rand(5, 1, 8, 8)),
    "a list of images": lambda: plots.show_images([IMAGE, sample_image((24, 48))], ["a", "a rather long title here"]),
    "an image with gradient": lambda: plots.show_images(IMAGE[None].clone().requires_grad_()),
    "a normalised image": lambda: plots.show_images((IMAGE[None] - 0.5) / 0.2),
    "grid": lambda: plots.show_grid(IMAGE, 8),
    "a grid of wide patches": lambda: plots.show_grid(sample_image((32, 64)), (8, 16), title="wide"),
    "a grid that does not divide": lambda: plots.show_grid(sample_image((30, 30)), 8),
    "a grid of one patch": lambda: plots.show_grid(IMAGE, 32),
    "patches": lambda: plots.show_patches(PATCHES),
    "patches in a grid": lambda: plots.show_patches(PATCHES[:6], grid=(2, 3), titles="abcdef"),
    "tokens": lambda: plots.token_strip(PATCHES.flatten(1)),
    "tokens as images": lambda: plots.token_strip(PATCHES.flatten(1), image_shape=(3, 8, 8)),
    "one token": lambda: plots.token_strip(torch.randn(1, 64)),
    "heat map": lambda: plots.heatmap(np.outer(WAVE, WAVE), "Waves", "x", "y"),
    "a heat map with numbers": lambda: plots.heatmap(torch.eye(4), values=True),
    "a mask": lambda: plots.heatmap(np.where(np.eye(5), 0, -np.inf), values=True),
    "a mask of nothing else": lambda: plots.heatmap(np.full((3, 3), -np.inf)),
    "a constant": lambda: plots.heatmap(np.zeros((3, 40))),
    "bfloat16": lambda: plots.heatmap(torch.randn(4, 4, dtype=torch.bfloat16)),
    "curves": lambda: plots.curves(range(20), {"one": WAVE, "two": WAVE + 0.01}, "Waves", "time", "height"),
    "log curves": lambda: plots.curves([1, 10, 100], {"cost": [1, 100, 1e4]}, logx=True, logy=True),
    "bands": lambda: plots.curves(
        range(20), {"a": WAVE, "b": WAVE}, bands={"a": 0.1 + 0 * WAVE, "b": (WAVE - 1, WAVE)}
    ),
    "curves with gaps": lambda: plots.curves([1, 2, 3], {"all gone": [np.nan] * 3, "some": [1, np.nan, np.nan]}),
    "bars": lambda: plots.bars({"ViT": 0.7, "CNN": 0.9}, {"ViT": 0.02}, "Accuracy", "share right"),
    "negative bars": lambda: plots.bars({"a": -1, "b": 0, "c": 2}),
    "panels": lambda: plots.compare([("image", IMAGE), ("yours", np.eye(4)), ("target", -np.eye(4))]),
    "own scales": lambda: plots.compare([("a", np.eye(4)), ("b", 9 * np.eye(4))], shared=False),
    "many panels": lambda: plots.compare([(f"head {i} of many heads", torch.rand(17, 17)) for i in range(8)]),
}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_drawing_shows_one_picture_no_wider_than_the_page(name, recwarn):
    with plots.capture() as shown:
        DRAWINGS[name]()
    assert len(shown) == 1
    png, alt = shown[0]
    picture = pixels(png)
    assert picture.shape[1] <= WIDTH * DPI + 1
    assert picture.std() > 1, "something is drawn"
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edge > 200).all(), "nothing is cut off at the edge"
    assert len(alt) > 15
    assert alt.endswith(".")
    assert not [str(warning.message) for warning in recwarn]


def test_an_alt_text_of_ones_own_is_kept():
    with plots.capture() as shown:
        plots.heatmap(np.eye(2), alt="Ones on the diagonal.")
    assert shown[0][1] == "Ones on the diagonal."


def test_drawing_leaves_the_settings_of_matplotlib_and_no_open_figure():
    import matplotlib.pyplot as plt

    before = dict(plt.rcParams)
    for draw in DRAWINGS.values():
        with plots.capture():
            draw()
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == []


def test_show_closes_a_figure_of_pyplot():
    import matplotlib.pyplot as plt

    fig, _ = plt.subplots()
    plots.show(fig, "An empty frame.")
    assert plt.get_fignums() == []


def test_both_signs_put_white_at_zero_and_one_sign_does_not():
    _, axes = plots.figure(columns=2)
    plots.heatmap([[-1, 3]], ax=axes[0])
    plots.heatmap([[1, 3]], ax=axes[1])
    both, one = axes[0].images[0], axes[1].images[0]
    assert (both.norm.vmin, both.norm.vmax) == (-3, 3)
    assert (one.norm.vmin, one.norm.vmax) == (1, 3)
    assert min(both.cmap(both.norm(0))) > 0.9


def test_panels_share_one_scale_so_that_equal_colours_are_equal_numbers():
    with plots.capture() as shown:
        plots.compare([("a", np.full((4, 4), 1.0)), ("b", np.full((4, 4), 2.0))])
    with plots.capture() as alike:
        plots.compare([("a", np.full((4, 4), 2.0)), ("b", np.full((4, 4), 2.0))])
    assert np.abs(pixels(shown[0][0]).astype(int) - pixels(alike[0][0])).max() > 50


def test_names_of_curves_that_end_together_do_not_overlap():
    fig, ax = plots.figure(2.9)
    plots.curves([0, 1], {f"curve {i}": [0, 1 + i / 1000] for i in range(6)}, ax=ax)
    fig.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 6
    assert all(above.y0 >= below.y1 - 1 for below, above in pairwise(boxes))


def test_the_palette_is_told_apart_in_grey_and_by_the_colour_blind():
    rgb = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in COLOURS]) / 255
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])  # Machado 2009
    seen = rgb @ deuteranopia.T
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(apart) > 0.1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: plots.heatmap(np.zeros(3)), r"shape \(3,\)"),
        (lambda: plots.show_images(torch.zeros(2, 5, 8, 8)), "1 or 3 channels"),
        (lambda: plots.show_images(torch.zeros(0, 3, 8, 8)), "empty"),
        (lambda: plots.show_images(torch.zeros(2, 3, 8, 8), titles=["one"]), "2 images and 1 titles"),
        (lambda: plots.show_images(torch.zeros(8, 8)), r"got \(8, 8\)"),
        (lambda: plots.show_patches(PATCHES, grid=(2, 2)), "too few places for 16"),
        (lambda: plots.show_patches(PATCHES[:0]), "no patch"),
        (lambda: plots.token_strip(torch.zeros(1, 2, 3)), "without the batch"),
        (lambda: plots.token_strip(torch.zeros(2, 10), (3, 2, 2)), "width 10"),
        (lambda: plots.curves([1, 2], {"a": [1, 2, 3]}), "'a' has shape"),
        (lambda: plots.compare([]), "no panel"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


def test_images_of_bytes_and_of_numbers_are_drawn_alike():
    as_bytes = (IMAGE * 255).round().byte()
    assert np.abs(to_picture(as_bytes) - to_picture(IMAGE)).max() < 0.01
    dark, bright = to_pictures(torch.stack([torch.zeros(1, 2, 2), torch.full((1, 2, 2), 4.0)]))
    assert dark.max() == 0
    assert bright.min() == 1


def test_a_cards_picture_is_small_and_no_wider_than_asked():
    fig, ax = plots.figure(2)
    plots.curves(range(20), {"one": WAVE, "two": WAVE**2}, ax=ax)
    png = plots.as_png(fig, max_width_px=400)
    picture = Image.open(io.BytesIO(png))
    assert picture.width == 400
    assert picture.mode == "P"
    assert len(png) < 15_000


# -------------------------------------------------------------------------------------------------- in a notebook


def run_cells(*cells: str) -> list[list]:
    """Outputs of cells, run by nbclient: a kernel without a front end."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.fixture(scope="module")
def outputs():
    return run_cells(
        "import matplotlib.pyplot as plt, numpy as np\nfrom helpers.plots import heatmap, show",
        "heatmap(np.eye(3), 'Identity', alt='The identity.')",
        "fig, ax = plt.subplots()\nshow(fig, 'A frame.')",
        "from helpers.explore import explore\nexplore(lambda n=2: heatmap(np.eye(n)), n=[1, 2, 3])",
        "def draw(n=2):\n    fig, ax = plt.subplots()\n    return fig\nexplore(draw, n=[1, 2, 3])",
        "get_ipython().kernel._allow_stdin = True\nexplore(lambda n=2: heatmap(np.eye(n)), n=[1, 2, 3])",
        "import ipywidgets\ndel ipywidgets.Widget._repr_mimebundle_  # as in ipywidgets 7\n"
        "get_ipython().kernel._allow_stdin = True\nexplore(lambda n=2: heatmap(np.eye(n)), n=[1, 2, 3])",
        "import sys\nsys.modules['ipywidgets'] = None\n"
        "get_ipython().kernel._allow_stdin = True\nexplore(lambda n=2: heatmap(np.eye(n)), n=[1, 2, 3])",
    )


def test_a_picture_is_shown_once_as_png_with_its_alt_text(outputs):
    for cell, alt in ((1, "The identity."), (2, "A frame.")):
        (output,) = outputs[cell]
        assert set(output.data) == {"image/png", "text/plain"}
        assert output.metadata["image/png"]["alt"] == alt
        assert output.data["text/plain"] == alt


@pytest.mark.parametrize("cell", [3, 4])
def test_with_no_front_end_explore_leaves_one_still_picture(outputs, cell):
    (output,) = outputs[cell]
    assert set(output.data) == {"image/png", "text/plain"}
    for n in (1, 2, 3):
        assert f"n = {n}" in output.metadata["image/png"]["alt"]


@pytest.mark.parametrize("cell", [5, 6], ids=["ipywidgets 8", "ipywidgets 7, which Colab has"])
def test_with_someone_there_a_slider_follows_the_still_picture(outputs, cell):
    still, live = outputs[cell]
    assert set(still.data) == {"text/html", "text/plain"}, "JupyterLab shows alt text in HTML alone"
    assert re.search(r'<img [^>]*alt="n = 1\. ', still.data["text/html"])
    assert "application/vnd.jupyter.widget-view+json" in live.data
    assert live.data["text/plain"] == "[a slider for n when the notebook runs]"


def test_without_ipywidgets_the_still_picture_remains(outputs):
    (output,) = outputs[7]
    assert "<img " in output.data["text/html"]


# ------------------------------------------------------------------------------------------------------- explore


def sliders_of(film, monkeypatch):
    """The widgets that explore would display."""
    import ipywidgets

    made = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: made.append(args))
    boxes = []
    real = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda children: boxes.append(real(children)) or boxes[-1])
    explore_module._show_sliders(film)
    return boxes[0].children


def test_a_slider_starts_at_the_functions_default_and_redraws(monkeypatch):
    drawn = []

    def draw(n=2):
        drawn.append(n)
        plots.heatmap(np.eye(n))

    slider, page = sliders_of(explore_module._Film(draw, {"n": [1, 2, 3]}), monkeypatch)
    assert slider.value == 2
    assert drawn == [2]
    before = page.value
    assert "<img" in before
    assert 'alt="n = 2. Heat map, 2 rows' in before
    slider.value = 3
    assert page.value != before
    slider.value = 2
    assert page.value == before
    assert drawn == [2, 3], "each figure is drawn once"


def test_a_value_that_fails_says_so_and_the_slider_goes_on(monkeypatch):
    def draw(n=1):
        if n == 2:
            raise ValueError("32 is not a multiple of <5>")
        plots.heatmap(np.eye(n))

    slider, page = sliders_of(explore_module._Film(draw, {"n": [1, 2, 3]}), monkeypatch)
    slider.value = 2
    assert "ValueError: 32 is not a multiple of &lt;5&gt;" in page.value
    slider.value = 3
    assert "<img" in page.value


def test_with_many_values_the_still_picture_takes_some_of_them_evenly():
    drawn = []

    def draw(a, b="x"):
        drawn.append((a, b))
        plots.heatmap(np.eye(3))

    explore_module._Film(draw, {"a": range(21), "b": ["x", "y"]}).still()
    assert sorted(set(drawn)) == [(a, "x") for a in (0, 4, 8, 12, 16, 20)]


def test_still_pictures_of_broad_figures_stand_one_below_the_other():
    def draw(n=1):
        plots.curves(range(5), {"line": [n] * 5})

    png, _ = explore_module._Film(draw, {"n": [1, 2, 3]}).still()
    picture = pixels(png)
    assert picture.shape[1] <= WIDTH * DPI + 1
    assert picture.shape[0] > picture.shape[1]


def test_explore_says_what_is_missing():
    with pytest.raises(ValueError, match="at least one keyword"):
        explore(lambda: None)
    with pytest.raises(ValueError, match="no values for n"):
        explore(lambda n: None, n=[])
    with pytest.raises(ValueError, match="drew nothing"):
        explore(lambda n: None, n=[1])
    explore(lambda n: Figure(figsize=(1, 1)), n=[1])


def test_the_helpers_do_not_import_pyplot_by_themselves():
    import subprocess

    code = "import sys, helpers.plots, helpers.explore, helpers.data; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_a_colour_stands_in_one_file() -> None:
    """A colour that two files need has a name in `helpers/theme.py` or `helpers/plots/style.py`."""
    places: dict[str, set[str]] = {}
    for path in (ROOT / "helpers").rglob("*.py"):
        for colour in re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text("utf-8")):
            places.setdefault(colour.lower(), set()).add(path.name)
    assert {colour: sorted(files) for colour, files in places.items() if len(files) > 1} == {}
