"""The controls of explorers: ipywidgets with a label, what they take, and how a page writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from promolab.checks import choice, flag, is_number, is_whole, refuse
from promolab.errors import MissingExtraError
from promolab.results import words_of
from promolab.wording import number, percent


def ipywidgets() -> Any:
    """Return ipywidgets, which only an explorer needs.

    Raises
    ------
    MissingExtraError
        The extra ``lab`` is not installed.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise MissingExtraError("an explorer", "lab") from error
    return ipywidgets


def control(kind: str, label: str, hint: str = "", **given: Any) -> Any:
    """Return an ipywidget with its label.

    Parameters
    ----------
    kind : str
        Class of ipywidgets.
    label : str
        What stands beside it, or on it.
    hint : str
        What is shown where the mouse rests on it.
    **given
        What that ipywidget takes; ``options`` as what is shown → the value that it stands for.
    """
    made = getattr(ipywidgets(), kind)
    if kind == "Button":
        return made(description=label, tooltip=hint, layout={"width": "auto"}, **given)
    if isinstance(options := given.get("options"), Mapping):
        given["options"] = list(options.items())
    # A width that leaves a slider a way to go beside its label and figure.
    width = f"{17 + 0.55 * len(label):.0f}em" if kind.endswith("Slider") else "auto"
    if kind == "Checkbox":
        given["indent"] = False
    return made(
        description=label,
        tooltip=hint or label,
        style={"description_width": "initial"},
        layout={"width": width, "min_width": "15em", "max_width": "100%"},
        **given,
    )


def slide(
    label: str, low: float, high: float, step: float = 1, *, share: bool = False, hint: str = ""
) -> Any:
    """Return a slider of numbers, of whole ones where its ends and steps are; or of shares (0–1).

    Examples
    --------
    >>> slide("share contacted", 0.0, 1.0, 0.005, share=True).readout_format
    ',.1%'
    """
    whole = all(isinstance(one, int) for one in (low, high, step))
    # As many decimals as its step has.
    digits = (d for d in range(4) if abs(round(step * 10 ** (d + 2 * share), 6) % 1) < 1e-6)
    form = ",d" if whole else f",.{next(digits, 3)}{'%' if share else 'f'}"
    kind = "IntSlider" if whole else "FloatSlider"
    return control(kind, label, hint, min=low, max=high, step=step, readout_format=form)


def several(label: str, options: Mapping[str, Any]) -> Any:
    """Return a list of which any number is chosen."""
    rows = min(max(len(options), 2), 6)  # of one, browsers make a list to be opened
    return control("SelectMultiple", label, options=options, rows=rows)


def text(label: str, hint: str = "", proposed: tuple[str, ...] = ()) -> Any:
    """Return a text to be typed, and what is proposed for it."""
    return control("Combobox", label, hint, options=proposed, continuous_update=False)


def checked(widget: Any, name: str, value: Any) -> Any:
    """Return a value as a control takes it, or refuse it in a sentence.

    Parameters
    ----------
    widget : ipywidget
    name : str
        What the control is called in code.
    value : object

    Raises
    ------
    InputError
        It is out of the range, or none of the options.
    """
    W = ipywidgets()
    if isinstance(widget, W.Checkbox):
        return flag(name, value)
    if isinstance(widget, W.SelectMultiple):
        given = [_among(widget, name, one) for one in value]
        return tuple(known for _, known in widget.options if known in given)
    if isinstance(widget, (W.Dropdown, W.SelectionSlider)):
        return _among(widget, name, value)
    if hasattr(widget, "max") and not (is_number(value) and widget.min <= value <= widget.max):
        raise refuse(name, value, f"a number from {widget.min:g} to {widget.max:g}")
    return value


def _among(widget: Any, name: str, value: Any) -> Any:
    known = [one for _, one in widget.options]
    if value not in known:
        choice(name, str(value), [str(one) for one in known])
    return value


def written(widget: Any) -> str:
    """Write what a control says, as a page that stands still shows it."""
    W = ipywidgets()
    value, words = widget.value, words_of(__name__, "explorer")
    if isinstance(widget, W.Checkbox):
        return words.word("yes" if value else "no")
    if isinstance(widget, W.SelectMultiple):
        return words.joined(widget.label, "list") or words.word("no_one")
    if hasattr(widget, "label"):
        return str(widget.label)
    if getattr(widget, "readout_format", "").endswith("%"):
        return percent(value)
    return number(value, decimals=0 if is_whole(value) else None) if is_number(value) else value


def round_step(value: float, parts: int = 20) -> float:
    """Return a round amount of which about so many make up a value: what arrow keys move it by.

    Examples
    --------
    >>> round_step(10.0), round_step(73_000, parts=200)
    (0.5, 500.0)
    """
    raw = value / parts
    if raw <= 0:
        return 0.1
    power = 10.0 ** np.floor(np.log10(raw))
    return float(power * next(f for f in (1, 2, 2.5, 5, 10) if f * power >= 0.8 * raw))
