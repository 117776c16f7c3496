"""Colours for cards and maps that follow the page they stand on: light or dark, in JupyterLab, and plain anywhere else.

JupyterLab tells its theme in CSS variables; where there are none (Colab, a web page, a feedback page) the light
colours hold. A page that takes styles away leaves the text in its own colour, which is readable as well.
"""

PAPER = "var(--jp-layout-color1, #ffffff)"
INK = "var(--jp-content-font-color1, #1f2328)"
EDGE = "var(--jp-border-color1, #d0d7de)"


# Eight colours that people with any colour vision tell apart (Okabe and Ito, 2008), the two last for rare use.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2328", "#f0e442")
PALE_GREY = "#eef1f4"
RUST = "#d04a10"  # of a criterion that is not met, and of words about it
RIM = "#8c959f"  # borders, axes and empty bars
PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_PINK = "#e6f2fb", "#fdeee0", "#e3f4ee", "#fbe9f3"  # faces of boxes with words
STATES = {"done": "#1a7f37", "begun": "#9a6700", "open": "#6e7781"}  # of a question on the course map


def readable(colour: str) -> str:
    """A colour for words, drawn a third of the way to the text's own: darker on light pages, lighter on dark ones."""
    return f"color-mix(in srgb, {colour} 66%, var(--jp-content-font-color1, {colour}))"


SOFT = readable("#6b7480")
