"""What customers buy again, and what anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.errors import DataError
from promolab.recommend.offers.ranking import by_customer
from promolab.recommend.purchases import Purchases
from promolab.results import Estimate, Result

GROUPS = ("product", "type", "category")


@dataclass(frozen=True)
class RepurchaseRates(Result):
    """How much of what customers bought lately they had bought before; by `repurchase_rates`.

    Parameters
    ----------
    frame : DataFrame
        A row for products, types and categories, as far as they are known: ``what, pairs`` (of a
        customer and what was bought), ``share`` (bought before) ``, ci_low, ci_high`` (95 %, by
        customer).
    by_category : DataFrame
        ``category, pairs, share``: of products, the categories with most pairs.
    days : int
        What counts as lately.
    """

    frame: pd.DataFrame = field(repr=False)
    by_category: pd.DataFrame = field(repr=False)
    days: int

    def facts(self) -> dict[str, Any]:
        """Return the shares of products and categories, and the rows of the figure."""
        of = {row["what"]: row for row in self.frame.to_dict("records")}
        shares = {
            what: Estimate(row["share"], row["ci_low"], row["ci_high"], row["pairs"])
            for what, row in of.items()
        }
        drawn = self.frame.rename(columns={"ci_low": "share_low", "ci_high": "share_high"})
        return {
            "product": shares["product"],
            "category": shares.get("category", Estimate(np.nan)),
            "drawn": drawn,
        }


def repurchase_rates(past: Purchases, days: int = 28, most: int = 10) -> RepurchaseRates:
    """Hold what customers bought lately against what they had bought before.

    Parameters
    ----------
    past : Purchases
        Of all products, as `promolab.recommend.product_graph` holds them.
    days : int
        What counts as lately.
    most : int
        Categories told apart.

    Raises
    ------
    DataError
        Nothing was bought lately, or nothing before that.
    """
    days = whole_number("days", days, 1)
    late = past.age <= days
    if not late.any() or late.all():
        raise DataError(
            f"purchases of the last {days} days and of the time before them are needed to tell "
            "what is bought again"
        )
    rows, found = [], {}
    for what in GROUPS:
        if what == "product":
            codes = past.product
        elif what in past.attributes.columns:
            codes = pd.factorize(past.attributes[what])[0][past.product]
        else:
            continue
        found[what] = _pairs(past.customer, codes, late)
        pairs = found[what]
        if pairs.empty:
            continue
        share = by_customer(pairs["again"].to_numpy(float), pairs["customer"])
        ends = {"share": share.value, "ci_low": share.ci_low, "ci_high": share.ci_high}
        rows.append({"what": what, "pairs": len(pairs)} | ends)
    categories = pd.DataFrame({"category": [], "pairs": [], "share": []})
    if "category" in past.attributes.columns:
        names = past.attributes["category"].to_numpy()[found["product"]["code"]]
        told = found["product"].assign(category=names).groupby("category")["again"]
        categories = told.agg(["size", "mean"]).reset_index()
        categories.columns = ["category", "pairs", "share"]
        categories = categories.sort_values(["pairs", "category"], ascending=[False, True])
        categories = categories.head(most).sort_values(
            ["share", "category"], ascending=[False, True], ignore_index=True
        )
    return RepurchaseRates(pd.DataFrame(rows), categories, days)


def _pairs(customer: np.ndarray, codes: np.ndarray, late: np.ndarray) -> pd.DataFrame:
    """Return customer and code of what was bought lately, and whether it had been before."""
    known = codes >= 0
    many = int(codes.max(initial=0)) + 1
    keys = customer.astype(np.int64) * many + codes
    now = np.unique(keys[late & known])
    again = np.isin(now, keys[~late & known])
    return pd.DataFrame({"customer": now // many, "code": now % many, "again": again})
