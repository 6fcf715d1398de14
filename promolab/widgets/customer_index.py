"""What a week's folder holds of each customer, laid out so that one is looked up at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError, PromolabError
from promolab.folder import RunFolder
from promolab.profiles import card_attributes
from promolab.widgets.plan_draft import place_of

if TYPE_CHECKING:
    from datetime import datetime

    from promolab.contract import Attributes, Shop
    from promolab.model import ResponseModel
    from promolab.widgets.explorer import Progress


def by_customer(frame: pd.DataFrame | None) -> pd.DataFrame:
    """Sort a table by its customers, so that the rows of one are looked up at once."""
    if frame is None or frame.empty:
        return pd.DataFrame()
    return frame.set_index("customer_id").sort_index(kind="stable")


@dataclass(frozen=True)
class CustomerIndex:
    """All that is known of the customers of a week; made by `read_index`.

    Parameters
    ----------
    run : RunFolder
    shop : Shop
        The cleaned shop.
    ids : ndarray of n ids
        Sorted.
    codes : ndarray of n texts
        Their pseudonyms.
    tables : mapping of str to DataFrame
        By customer: those of the week under their names, orders, contacts and answers.
    names : mapping of str to str
        Promotion → what readers call it.
    candidates : DataFrame
        By customer: what the model is told of each customer and promotion.
    model : ResponseModel or None
    background : DataFrame or None
        Past contacts that a score is compared with, where the model needs some.
    attributes : Attributes
        What of the attributes a card may show.
    """

    run: RunFolder
    shop: Shop = field(repr=False)
    ids: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    names: Mapping[str, str] = field(repr=False)
    candidates: pd.DataFrame = field(repr=False)
    model: ResponseModel | None = field(repr=False)
    background: pd.DataFrame | None = field(repr=False)
    attributes: Attributes = field(repr=False)

    def place(self, text: str) -> int:
        """Return the place of a customer, given as an id or as a pseudonym."""
        return place_of(self.ids, self.codes, text)

    def rows(self, table: str, place: int) -> pd.DataFrame:
        """Return the rows of the customer at a place, in one of `tables` or the candidates."""
        who, frame = self.ids[place], self.tables.get(table, self.candidates)
        return frame.loc[who:who].reset_index(drop=True)

    @cached_property
    def start(self) -> pd.Timestamp:
        """When the week's decision was made (UTC)."""
        return pd.Timestamp(self.run.as_of)


def read_index(run: RunFolder, progress: Progress) -> CustomerIndex:
    """Read what a week knows of its customers, and lay it out by customer.

    Parameters
    ----------
    run : RunFolder
        A whole week.
    progress : Progress

    Raises
    ------
    InputError
        A table that is needed is not there.
    """
    from promolab.sources import load_shop

    progress(0.05)
    shop = load_shop(run.path / "shop")
    features = run.read_table("features")
    everybody = [features["customer_id"]]
    if shop.has("customers"):
        everybody.append(shop.customers.select("customer_id").execute()["customer_id"])
    ids = np.sort(pd.concat(everybody).unique())
    profiles = run.read_table("profiles")
    found: dict[str, pd.DataFrame | None] = {"features": features, "profiles": profiles}
    for name in _TABLES:
        found[name] = run.read_table(name) if run.table_path(name).is_file() else None
    progress(0.2)
    found["orders"] = _orders(shop, run.as_of)
    found["contacts"], found["answers"] = _contacts(shop, "exposures"), _contacts(shop, "responses")
    chances, decided = found["decision_propensities"], found["decisions"]
    if chances is not None and decided is not None:
        whose = decided[["decision_id", "customer_id"]]
        found["decision_propensities"] = chances.merge(whose, on="decision_id")
    progress(0.6)
    model, candidates, background = _model(run, shop, found["scores"])
    progress(0.9)
    return CustomerIndex(
        run, shop, ids, run.pseudonym(ids),
        {name: by_customer(table) for name, table in found.items()}, promotion_names(shop),
        by_customer(candidates), model, background, card_attributes(profiles, shop),
    )  # fmt: skip


_TABLES = (
    *("segments", "life_stages", "scores", "steps", "planned"),
    *("decisions", "decision_propensities", "allocation"),
)


def promotion_names(shop: Shop) -> dict[str, str]:
    """Return what readers call each promotion, by its id as text."""
    if not shop.has("promotions"):
        return {}
    rows = shop.promotions.select("promotion_id", "kind").execute()
    return {str(p): shop.promotion_name(k, p) for p, k in rows.to_numpy().tolist()}


def _orders(shop: Shop, as_of: datetime) -> pd.DataFrame:
    """Return a row per order that was not sent back: customer_id, ts, amount."""
    from promolab.features import order_lines, orders_before

    orders = orders_before(shop, order_lines(shop), as_of)
    rows = orders.filter(orders.kept).select("customer_id", "ts", "amount").order_by("ts")
    made: pd.DataFrame = rows.execute().astype({"amount": float})
    return made


def _contacts(shop: Shop, table: str) -> pd.DataFrame | None:
    if not shop.has(table):
        return None
    rows = shop[table]
    names = [c for c in ("customer_id", "promotion_id", "ts", "kind", "channel") if c in rows]
    made: pd.DataFrame = rows.select(*names).order_by("ts").execute()
    return made


def _model(
    run: RunFolder, shop: Shop, scores: pd.DataFrame | None
) -> tuple[ResponseModel | None, pd.DataFrame | None, pd.DataFrame | None]:
    """Return the week's model, what it is told of whom, and past contacts to compare with."""
    from promolab.features import build_candidates
    from promolab.model import ResponseModel

    file = run.path / "model.safetensors"
    if scores is None or scores.empty or not file.is_file():
        return None, None, None
    try:
        model = ResponseModel.load(file)
        rows = build_candidates(shop, run.as_of, scores["promotion_id"].unique().tolist())
        wanted = [c for c in model.feature_names_in_ if c in rows.columns]
        more = [c for c in ("promotion_kind",) if c in rows.columns and c not in wanted]
        keys = ["customer_id", "promotion_id"]
        # The pair's own columns are keys, whatever the model looks at.
        mine = rows.select(*keys, *[c for c in [*wanted, *more] if c not in keys]).execute()
    except PromolabError as error:
        raise InputError(f"the scores of {run.week} cannot be explained: {error}") from error
    background = None
    if model.kind != "logistic" and run.table_path("pairs").is_file():
        pairs = run.read_table("pairs")
        past = pairs[pairs["label_complete"]]
        background = past.sample(min(100, len(past)), random_state=0)
    return model, mine, background
