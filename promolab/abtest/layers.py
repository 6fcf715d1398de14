"""Who is kept out of an experiment: the standing holdout, and those of another one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from promolab.checks import refuse, share, text, whole_number
from promolab.errors import InputError, nearest

STANDING, ELSEWHERE = "standing", "elsewhere"
"""Arms of those who are kept out: never contacted at all, or free for another experiment."""


@dataclass(frozen=True)
class StandingHoldout:
    """The customers who are never contacted, drawn once and carried over into every experiment.

    Parameters
    ----------
    share : float
        Of all customers, 0–1.
    seed : int
        With the name, what decides who is in it; leave both as they are.
    name : str
        By default that of the weekly plan's standing holdout, so that with its share and seed the
        same customers are in it.

    Examples
    --------
    >>> from promolab.abtest import assign
    >>> out = StandingHoldout(0.05)
    >>> found = assign(range(1000), "spring", {"none": 0.5, "send": 0.5}, 0, holdout=out)
    >>> found.counts
    {'standing': 38, 'none': 462, 'send': 500}
    """

    share: float
    seed: int = 0
    name: str = "standing holdout"

    def __post_init__(self) -> None:
        share("share", self.share, one=False, hint=", such as 0.05")
        whole_number("seed", self.seed)
        text("name", self.name)


@dataclass(frozen=True)
class Layer:
    """Experiments that exclude each other: a customer is in one of them at most.

    Every customer has a place in [0, 1) by the hash of the id under the layer's name; experiments
    lie there one after another. Another layer is another draw: to be in an experiment of one says
    nothing of another. A new experiment goes to the end, which moves nobody; one that is over keeps
    its room until its customers may be used again.

    Parameters
    ----------
    name : str
        The layer.
    experiments : mapping of str to float
        Name of an experiment → share of the layer's customers; together 1 at most.
    seed : int
        With the name, what decides who is in which.

    Raises
    ------
    InputError
        No experiments, or shares that add up to more than 1.

    Examples
    --------
    >>> from promolab.abtest import assign
    >>> layer = Layer("coupons", {"spring": 0.5, "loyalty": 0.3})
    >>> arms = {"control": 0.5, "treatment": 0.5}
    >>> spring, loyalty = (
    ...     assign(range(1000), name, arms, 0, layer=layer).to_frame() for name in layer.experiments
    ... )
    >>> ((spring["arm"] != "elsewhere") & (loyalty["arm"] != "elsewhere")).sum()
    np.int64(0)
    """

    name: str
    experiments: Mapping[str, float]
    seed: int = 0

    def __post_init__(self) -> None:
        text("the layer's name", self.name)
        whole_number("seed", self.seed)
        if not isinstance(self.experiments, Mapping) or not self.experiments:
            raise refuse(
                "experiments", self.experiments, "each one's share", ", as {'spring': 0.5}"
            )
        for name, part in self.experiments.items():
            share(f"experiments[{text('an experiment', name)!r}]", part, hint=", such as 0.5")
        if (total := sum(map(Fraction, self.experiments.values()))) > 1 + Fraction(1, 10**9):
            raise InputError(
                f"the experiments of layer {self.name!r} take {float(total):g} of its customers; "
                "together they take 1 at most, for nobody is in two"
            )

    def room_of(self, experiment: str) -> tuple[Fraction, Fraction]:
        """Return where an experiment's customers lie in [0, 1)."""
        if experiment not in self.experiments:
            raise InputError(
                f"layer {self.name!r} has no experiment {experiment!r}; "
                f"{nearest(experiment, list(self.experiments))}"
            )
        low = Fraction(0)
        for name, part in self.experiments.items():
            if name == experiment:
                return low, min(low + Fraction(part), Fraction(1))
            low += Fraction(part)
        raise AssertionError(experiment)
