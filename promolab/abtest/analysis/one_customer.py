"""The one customer who makes up most of a comparison's variance, found from moments and ends."""

from __future__ import annotations

from collections.abc import Mapping

from promolab.abtest.analysis.moments import Moments
from promolab.metrics import MOST, ArmMean, Dominant, TwoArms
from promolab.results import Estimate


def dominant_one(
    arms: TwoArms,
    moments: Mapping[str, Moments],
    ends: Mapping[str, tuple[float, float]],
    names: tuple[str, str],
    level: float,
) -> Dominant | None:
    """Return the customer furthest from the mean where more than half of the variance is theirs.

    Of plain means alone, where each row is a customer: the smallest and the largest value of an arm
    are known from the first look, and moments without one of them follow from those with it.

    Parameters
    ----------
    arms : TwoArms
    moments : mapping of str to Moments
    ends : mapping of str to tuple
        Smallest and largest value of each arm.
    names : tuple of str
        The treated arm and the control.
    level : float
        Of the interval without that customer.
    """
    sides = dict(zip(names, (arms.treated, arms.control), strict=True))
    found: tuple[float, str, float] = (0.0, "", 0.0)
    for name, side in sides.items():
        far = max(ends[name], key=lambda value, mean=side.value: abs(value - mean))  # type: ignore[misc]
        part = (far - side.value) ** 2 / side.units / (side.units - 1)
        if arms.variance > 0:
            found = max(found, (part / arms.variance, name, far))
    share, name, far = found
    if not share > MOST or sides[name].units < 4:
        return None
    m, side = moments[name], sides[name]
    n = m.units - 1
    mean = (m.units * side.value - far) / n
    squares = m.between[1, 1] - (far - side.value) ** 2 * m.units / n
    variance = max(squares, 0.0) / n / (n - 1)
    sides[name] = ArmMean(mean, variance, variance, n, n, float(n))
    rest = TwoArms(sides[names[0]], sides[names[1]])
    rows = sum(one.rows for one in sides.values())
    return Dominant(share, Estimate(rest.value, *rest.interval(level), rows))
