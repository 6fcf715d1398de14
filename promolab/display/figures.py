"""Show a figure in a notebook, once, with the text that stands for it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, cast

from promolab.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_DOTS_PER_INCH = 144  # half as fine again as a plain screen: sharp, and still small
_CSS_PIXELS_PER_INCH = 96


_COLOURS = 256  # a byte a pixel: a figure has some flat colours and the edges between them


def png(figure: Figure) -> bytes:
    """Return a figure as PNG, equal bytes for an equal figure, less than half Matplotlib's own.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    bytes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> png(Figure())[:4]
    b'\\x89PNG'
    """
    from PIL import Image

    pixels, buffer = io.BytesIO(), io.BytesIO()
    # The size is the figure's, never a cropped one; what is read again at once is not compressed.
    figure.savefig(
        pixels,
        format="png",
        dpi=_DOTS_PER_INCH,
        bbox_inches=None,
        pil_kwargs={"compress_level": 0},
    )
    drawn = Image.open(pixels).convert("RGB")
    # The median cut keeps flat colours as they are; faster ways move them, white as well.
    drawn = drawn.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    drawn.save(buffer, format="PNG")
    return buffer.getvalue()


def show(drawn: Axes | Figure | Any, alt: str) -> None:
    """Show a figure as the output of the cell, and close it.

    Parameters
    ----------
    drawn : Axes, Figure or array of Axes
        What a result's `plot` returned.
    alt : str
        One or two sentences for those who cannot see it: what is drawn, and what it says.

    Raises
    ------
    InputError
        If the text is empty or ``drawn`` belongs to no figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> show(Figure(), alt="")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: alt is empty; say in a sentence what the figure shows
    """
    text = " ".join(str(alt).split())
    if not text:
        raise InputError("alt is empty; say in a sentence what the figure shows")
    from IPython.display import display
    from matplotlib import pyplot

    figure = _figure_of(drawn)
    image = base64.b64encode(png(figure)).decode("ascii")
    width, height = (round(inches * _CSS_PIXELS_PER_INCH) for inches in figure.get_size_inches())
    # Closed before the cell ends, or the inline backend would show it a second time.
    pyplot.close(figure)
    display(  # type: ignore[no-untyped-call]
        {"image/png": image, "text/plain": text},
        raw=True,
        metadata={"image/png": {"alt": text, "width": width, "height": height}},
    )


def _figure_of(drawn: Any) -> Figure:
    first = drawn
    while isinstance(first, (list, tuple)) or getattr(first, "ndim", 0) > 0:
        first = first[0]
    figure: Any = getattr(first, "figure", None) or first
    if not hasattr(figure, "savefig"):
        raise InputError(f"show() takes Axes or a Figure, not {type(drawn).__name__}")
    return cast("Figure", figure)
