"""Where a score stands: inside what the model was tested on, or outside its experience."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["INSIDE", "NEW_CUSTOMER", "NEW_PROMOTION", "support"]

INSIDE = "inside"
NEW_CUSTOMER = "new_customer"
NEW_PROMOTION = "new_promotion"
PROMOTION_KIND = ("kind", "type", "promotion_kind", "promotion_type", "channel")


def support(
    train: pd.DataFrame, rows: pd.DataFrame, promotion_kind: Sequence[str] | None = None
) -> np.ndarray:
    """Say for each row whether a model learned from ``train`` was ever tested on its like.

    ``new_promotion``: the promotion's kind (and type, channel) never occurs in training; it comes
    first, because then nothing tested holds for anyone on the list. ``new_customer``: never
    contacted before. Whom a shop contacts is its own choice, not chance, so those it left out are
    unlike those it contacted in ways that features do not show, and no outcome of theirs was ever
    seen. Everything else is ``inside``.

    Parameters
    ----------
    train : DataFrame
        Pairs that the model learned from.
    rows : DataFrame, shape (n, …)
        Rows to score. Never contacted: ``contacts`` is 0 where that column exists, else
        ``customer_id`` does not occur in ``train``.
    promotion_kind : sequence of str, optional
        Columns that together say what kind a promotion is; by default those of ``promotion_kind,
        promotion_type, kind, type, channel`` that both frames have.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    InputError
        The rows have neither ``contacts`` nor ``customer_id``, or a column named is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> train = pd.DataFrame({"customer_id": [1, 2], "promotion_type": ["A", "A"]})
    >>> rows = pd.DataFrame(
    ...     {"contacts": [3, 0, 0], "promotion_type": ["A", "A", "B"], "customer_id": [1, 7, 8]}
    ... )
    >>> support(train, rows).tolist()
    ['inside', 'new_customer', 'new_promotion']
    """
    if promotion_kind is None:
        names = [c for c in PROMOTION_KIND if c in train.columns and c in rows.columns]
    else:
        names = list(promotion_kind)
        absent = [c for c in names if c not in train.columns or c not in rows.columns]
        if absent:
            raise InputError(f"pairs and rows must both have {', '.join(absent)}")
    if "contacts" in rows.columns:
        contacts = rows["contacts"].to_numpy(dtype=np.float64, na_value=np.nan)
        new_customer = ~(contacts > 0)
    elif "customer_id" in rows.columns and "customer_id" in train.columns:
        new_customer = ~rows["customer_id"].isin(train["customer_id"]).to_numpy()
    else:
        raise InputError("the rows have neither 'contacts' nor 'customer_id'; support needs one")
    result = np.where(new_customer, NEW_CUSTOMER, INSIDE)
    if names and len(rows):
        new_promotion = ~_keys(rows, names).isin(_keys(train, names))
        result = np.where(new_promotion, NEW_PROMOTION, result)
    return result.astype(object)


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.MultiIndex:
    import pandas as pd

    # An unknown kind is a kind of its own.
    return pd.MultiIndex.from_frame(frame[names].astype("string").fillna(""))
