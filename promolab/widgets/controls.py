"""What an explorer can be moved by: each control says its label and range, and knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promolab.checks import choice, flag, is_number, is_whole, refuse
from promolab.wording import number, percent


@dataclass(frozen=True)
class Control:
    """What all controls have.

    Parameters
    ----------
    label : str
        What stands beside it.
    slow : bool
        Whether what is prepared depends on it: then a move prepares anew.
    hint : str
        What is shown where the mouse rests on it.
    """

    label: str
    slow: bool = field(default=False, kw_only=True)
    hint: str = field(default="", kw_only=True)

    def checked(self, name: str, value: Any) -> Any:
        """Return a value as the state holds it, or refuse it in a sentence."""
        return value

    def written(self, value: Any) -> str:
        """Write a value as a page that stands still shows it."""
        return str(value)


@dataclass(frozen=True)
class Figure(Control):
    """A number to be typed.

    Parameters
    ----------
    low, high : float
        Least and greatest value.
    step : float
        What the arrow keys move it by.
    share : bool
        Whether it is a share (0–1), to be read in percent.
    unit : str
        Written behind it.
    """

    low: float = 0.0
    high: float = 1e9
    step: float = 1.0
    share: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)

    def checked(self, name: str, value: Any) -> Any:
        """Return the number; one outside the range is refused."""
        if not is_number(value) or not self.low <= value <= self.high:
            raise refuse(name, value, f"a number from {self.low:g} to {self.high:g}")
        return value

    def written(self, value: Any) -> str:
        """Write the number with its unit."""
        decimals = 0 if is_whole(value) else None
        return percent(value) if self.share else number(value, unit=self.unit, decimals=decimals)


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


@dataclass(frozen=True)
class Slide(Figure):
    """A number to be slid."""


def _among(options: Mapping[str, Any], name: str, value: Any) -> Any:
    if value not in options.values():
        choice(name, str(value), [str(one) for one in options.values()])
    return value


@dataclass(frozen=True)
class Choose(Control):
    """One of several.

    Parameters
    ----------
    options : mapping of str to object
        What is shown, and the value that it stands for.
    """

    options: Mapping[str, Any] = field(default_factory=dict)

    def checked(self, name: str, value: Any) -> Any:
        """Return the value; one that is no option is refused."""
        return _among(self.options, name, value)

    def written(self, value: Any) -> str:
        """Write what is shown for the value."""
        return next(words for words, one in self.options.items() if one == value)


@dataclass(frozen=True)
class Several(Control):
    """Any of several, or none.

    Parameters
    ----------
    options : mapping of str to object
        What is shown, and the value that it stands for.
    """

    options: Mapping[str, Any] = field(default_factory=dict)

    def checked(self, name: str, value: Any) -> Any:
        """Return the values in the order of the options; one that is no option is refused."""
        given = [_among(self.options, name, one) for one in value]
        return tuple(known for known in self.options.values() if known in given)

    def written(self, value: Any) -> str:
        """Write what is shown for the values."""
        return ", ".join(words for words, one in self.options.items() if one in value) or "none"


@dataclass(frozen=True)
class Steps(Choose):
    """One of several that have an order: to be slid."""


@dataclass(frozen=True)
class Tick(Control):
    """Yes or no."""

    def checked(self, name: str, value: Any) -> Any:
        """Return the truth value."""
        return flag(name, value)

    def written(self, value: Any) -> str:
        """Write yes or no."""
        return "yes" if value else "no"


@dataclass(frozen=True)
class Words(Control):
    """A text to be typed, and what is proposed for it.

    Parameters
    ----------
    proposed : tuple of str
        What is proposed while one types.
    """

    proposed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Press(Control):
    """A button.

    Parameters
    ----------
    act : callable
        Takes the state, what is prepared and a `Progress`; returns the state as it is from then on,
        what is prepared from then on, and a sentence (empty for none). It may take long.
    primary : bool
        Whether it stands out.
    """

    act: Callable[[Any, Any, Any], tuple[Any, Any, str]] = lambda s, p, _: (s, p, "")
    primary: bool = field(default=False, kw_only=True)
