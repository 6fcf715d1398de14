"""How good lists of recommended products are: against everything that was bought afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from promolab.checks import choice, columns_there, level_of, refuse, whole_number
from promolab.errors import InputError
from promolab.results import Estimate
from promolab.stats import t_quantile

AMONG = ("all", "repeat", "new")
"""Which products a list is made of: all, those the customer bought before, those never bought."""
PAIR = ["customer_id", "product_id"]
MEASURES = ("ndcg", "recall", "hit_rate")


@dataclass(frozen=True)
class RecommendationQuality:
    """How much of what customers bought stood on their lists, and what stood there.

    Parameters
    ----------
    k : int
        Places of a list that count.
    among : str
        ``"all"``, ``"repeat"`` or ``"new"``: which purchases count.
    ndcg, recall, hit_rate : Estimate
        Means over customers who bought something that counts: the discounted gain as a share of
        the best list's, the share of their purchases that is on the list, and the share of
        customers with any.
    repeats : Estimate
        Share of the listed products that the customer had bought before; nan where that is not
        given.
    coverage : float
        Share of the catalogue's products that are on any list; nan where it is not given.
    novelty : float
        Mean of −log2 of the share of customers who had bought a listed product, in bits; nan where
        earlier purchases are not given.
    customers, without : int
        Customers with a list; those of them who bought nothing that counts, and are not in the
        means.
    frame : DataFrame
        ``customer_id, relevant`` (products bought that count), ``ndcg, recall, hit_rate, repeats``;
        nan for those without.
    level : float
        Confidence level of the intervals; customers are the independent units.
    """

    k: int
    among: str
    ndcg: Estimate
    recall: Estimate
    hit_rate: Estimate
    repeats: Estimate
    coverage: float
    novelty: float
    customers: int
    without: int
    frame: pd.DataFrame = field(repr=False)
    level: float = 0.95


def recommendation(
    recommended: pd.DataFrame,
    came: pd.DataFrame,
    *,
    before: pd.DataFrame | None = None,
    k: int = 20,
    among: str = "all",
    catalogue: int | None = None,
    level: float = 0.95,
) -> RecommendationQuality:
    """Hold lists of products against everything that their customers bought afterwards.

    NDCG is that of Järvelin and Kekäläinen (2002) with gains of 0 and 1: the sum of
    1 / log2(place + 1) over products that were bought, as a share of the largest that ``k`` places
    allow. No product is left out of the comparison by sampling (Krichene and Rendle, 2020).

    Parameters
    ----------
    recommended : DataFrame
        ``customer_id, product_id``: each customer's products, the best first; a customer with none
        counts with 0 if given in ``came``'s customers only, so give a list to each.
    came : DataFrame
        ``customer_id, product_id`` that was bought afterwards, by these customers or others; a pair
        counts once.
    before : DataFrame, optional
        ``customer_id, product_id`` that was bought before, by everybody; needed for ``among`` of
        "repeat" and "new", for ``repeats`` and for novelty.
    k : int
        Places that count, from 1 on.
    among : {"all", "repeat", "new"}
        Which purchases count, and so what the lists should hold.
    catalogue : int, optional
        How many products could have been recommended.
    level : float
        Confidence level.

    Returns
    -------
    RecommendationQuality

    Raises
    ------
    InputError
        A column is missing, a product stands twice on a list, or an argument is out of range.

    Examples
    --------
    >>> lists = pd.DataFrame({"customer_id": [1, 1, 2, 2], "product_id": ["a", "b", "a", "c"]})
    >>> came = pd.DataFrame({"customer_id": [1, 2, 2], "product_id": ["b", "a", "d"]})
    >>> found = recommendation(lists, came, k=2)
    >>> found.frame["ndcg"].round(3).tolist(), found.recall.value
    ([0.631, 0.613], 0.75)
    """
    k, level = whole_number("k", k, 1), level_of(level)
    among = choice("among", among, AMONG)
    for name, rows in (("recommended", recommended), ("came", came), ("before", before)):
        if rows is not None:
            columns_there(rows, PAIR, name)
    if before is None and among != "all":
        raise refuse("before", None, f"what was bought before, for among={among!r}")
    lists = recommended[PAIR].reset_index(drop=True)
    if lists.duplicated().any():
        twice = lists[lists.duplicated()].iloc[0]
        raise InputError(
            f"recommended holds product {twice['product_id']} twice for one customer; give each "
            "customer's products once, the best first"
        )
    lists["place"] = lists.groupby("customer_id", sort=False).cumcount()
    lists = lists[lists["place"] < k]
    counted = came[PAIR].drop_duplicates()
    counted = counted[counted["customer_id"].isin(lists["customer_id"])]
    if among != "all":
        known = _in(counted, before)
        counted = counted[known if among == "repeat" else ~known]
    frame = _by_customer(lists, counted, before, k)
    estimates = {n: mean_of(frame[n].to_numpy(float), level) for n in (*MEASURES, "repeats")}
    novelty = np.nan
    if before is not None:
        earlier = before[PAIR].drop_duplicates()
        customers = earlier["customer_id"].nunique()
        held = earlier["product_id"].value_counts() / max(customers, 1)
        share = lists["product_id"].map(held).fillna(0).to_numpy(float)
        # Somebody new to the product is one more customer than have bought it.
        novelty = float(-np.log2(np.maximum(share, 1 / (customers + 1))).mean())
    return RecommendationQuality(
        k,
        among,
        **estimates,
        coverage=lists["product_id"].nunique() / catalogue if catalogue else np.nan,
        novelty=novelty,
        customers=len(frame),
        without=int((frame["relevant"] == 0).sum()),
        frame=frame,
        level=level,
    )


def _in(rows: pd.DataFrame, held: pd.DataFrame | None) -> np.ndarray:
    """Return which pairs are in another table."""
    assert held is not None
    theirs = held.loc[held["customer_id"].isin(rows["customer_id"]), PAIR]
    pairs = pd.MultiIndex.from_frame(theirs.drop_duplicates())
    return pd.MultiIndex.from_frame(rows[PAIR]).isin(pairs)


def _by_customer(
    lists: pd.DataFrame, counted: pd.DataFrame, before: pd.DataFrame | None, k: int
) -> pd.DataFrame:
    hit = _in(lists, counted)
    gain = pd.Series(np.where(hit, 1 / np.log2(lists["place"] + 2.0), 0.0), index=lists.index)
    customers = pd.Index(lists["customer_id"].unique())
    who = lists["customer_id"]
    relevant = counted["customer_id"].value_counts().reindex(customers, fill_value=0).to_numpy()
    best = np.append(0.0, np.cumsum(1 / np.log2(np.arange(k) + 2.0)))
    hits = pd.Series(hit, index=lists.index).groupby(who).sum().reindex(customers).to_numpy(float)
    some = np.where(relevant > 0, relevant, np.nan)
    frame = pd.DataFrame({"customer_id": customers, "relevant": relevant})
    frame["ndcg"] = gain.groupby(who).sum().reindex(customers).to_numpy() / np.where(
        relevant > 0, best[np.minimum(relevant, k)], np.nan
    )
    frame["recall"] = hits / some
    frame["hit_rate"] = np.where(relevant > 0, hits > 0, np.nan)
    frame["repeats"] = np.nan
    if before is not None:
        again = pd.Series(_in(lists, before), index=lists.index)
        frame["repeats"] = again.groupby(who).mean().reindex(customers).to_numpy()
    return frame


def mean_of(values: np.ndarray, level: float) -> Estimate:
    """Return the mean over customers with its interval; nan where there is none.

    Examples
    --------
    >>> mean_of(np.array([0.0, 1.0, np.nan, 0.5]), 0.95).n
    3
    """
    values = values[~np.isnan(values)]
    n = len(values)
    if not n:
        return Estimate(np.nan, np.nan, np.nan, 0)
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    half = float(t_quantile(level, n - 1)) * error if n > 1 else np.nan
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half, n)
