"""Which of the features of pairs a response model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RESPONSE_FEATURES", "response_features"]

RESPONSE_FEATURES = (
    *("answers", "coupon_order_share", "discount_share", "evening_share", "largest_order"),
    *("price_level", "private_label_share", "promotion_category_amount_84d"),
    *("promotion_coupon_lines_84d", "promotion_lines_28d", "recency_days"),
)
"""Few features that rank better than all of them while responses count in hundreds.

Chosen on the Complete Journey's promotions over before 2017-10-01. Totals since the beginning, such
as orders or amount, are not among them: they grow all year, so what a model learns of them in
spring does not hold in autumn.
"""
_TERMS = ("kind", "discount_rate", "threshold", "reduction")


def response_features(pairs: pd.DataFrame) -> list[str] | None:
    """Return the features for a model of response, or None: use them all.

    Parameters
    ----------
    pairs : DataFrame
        As `build_pairs` returns them.

    Returns
    -------
    list of str or None
        `RESPONSE_FEATURES`, and of the promotions' kind and terms those that differ between the
        pairs; None where the pairs lack one of the former, for then nothing says that the others
        suffice.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({name: [0.0, 1.0] for name in RESPONSE_FEATURES})
    >>> pairs["promotion_kind"] = ["coupon", "full_reduction"]
    >>> response_features(pairs)[-1]
    'promotion_kind'
    >>> response_features(pairs.drop(columns="price_level")) is None
    True
    """
    if not set(RESPONSE_FEATURES) <= set(pairs.columns):
        return None
    terms = [f"promotion_{name}" for name in _TERMS if f"promotion_{name}" in pairs.columns]
    return [*RESPONSE_FEATURES, *(c for c in terms if len(pairs[c].drop_duplicates()) > 1)]
