"""Pictures: one palette, one figure width, one font scale. Every picture carries a text for those who can't see it."""

from helpers.plots.charts import bars, curves, heatmap
from helpers.plots.pictures import compare, show_grid, show_images, show_patches, token_strip
from helpers.plots.style import COLOURS, WIDTH, as_png, capture, figure, show, style

__all__ = [
    "COLOURS", "WIDTH", "as_png", "bars", "capture", "compare", "curves", "figure", "heatmap", "show",
    "show_grid", "show_images", "show_patches", "style", "token_strip",
]  # fmt: skip
