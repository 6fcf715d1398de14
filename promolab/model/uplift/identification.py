"""By what right a figure is called an effect."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Identification"]


@dataclass(frozen=True)
class Identification:
    """By what right a difference between arms is called an effect.

    Parameters
    ----------
    name : {"randomised", "adjusted", "not identified"}
        ``randomised``: chance alone said who got what, and the checks found nothing against it.
        ``adjusted``: the covariates are taken to tell all by which arms and outcomes hang together.
        ``not identified``: neither holds, and the difference must not be called an effect.
    because : str
        Why, in a sentence.

    Examples
    --------
    >>> str(Identification("randomised", "the chances are known"))
    'randomised'
    """

    name: str
    because: str

    def __str__(self) -> str:
        return self.name

    @property
    def causal(self) -> bool:
        """Whether the word effect may be used."""
        return self.name != "not identified"

    def qualified(self, sentence: str) -> str:
        """Return a sentence with what has to be said beside it."""
        if self.name == "randomised":
            return sentence
        if self.name == "adjusted":
            return f"{sentence} Adjusted, not randomised: {self.because}."
        return f"{sentence} This is not an effect: {self.because}."
