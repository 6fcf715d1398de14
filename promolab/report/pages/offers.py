"""A week's offers as its page tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.cleaning import known_by
from promolab.contract import read_operations
from promolab.display import Html, absent, fold, join, picture, say, table, tried
from promolab.errors import DataError, InputError
from promolab.features import encode_media
from promolab.recommend import (
    FEW_ORDERS,
    Offers,
    PastOffers,
    ProductGraph,
    Recommender,
    cold_scores,
    compare_recommenders,
    past_new_products,
    past_offers,
    product_graph,
    rank_offers,
    repurchase_rates,
)
from promolab.results import Result, words_of

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import RunFolder

COLUMNS = ["promotion_id", "customer_id", "place", "offer", "share", "expected"]
COLUMNS += ["product_id", "bought_before", "reason"]
WEEKS = 4
NEW_SHOWN, LIKELIEST = 10, 3  # products nobody has bought yet on the page; customers of each


@dataclass(frozen=True)
class WeekOffers(Result):
    """The offers of a week's promotions, and how well such lists did before; by `week_offers`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    shop : Shop
        The cleaned shop.
    graph : ProductGraph
        As of the week.
    offers : tuple of Offers
        Of each promotion that starts and names its products.
    without : tuple
        Promotions that start and name none, or no more than one offer.
    compared : tuple of str
        Ways to recommend that are compared.
    seed : int
        Of the customers drawn for it.
    unranked : tuple
        Promotions that start and for which nobody is ranked.
    past : PastOffers or Html
        How offers of past promotions would have been ranked, or why that is not known. Where own
        purchases alone did better, beyond noise, they rank the week's.
    """

    run: RunFolder = field(repr=False)
    shop: Shop = field(repr=False)
    graph: ProductGraph = field(repr=False)
    offers: tuple[Offers, ...]
    without: tuple[Any, ...]
    compared: tuple[str, ...]
    seed: int
    unranked: tuple[Any, ...] = ()
    past: PastOffers | Html = field(default_factory=lambda: Html(""), repr=False)

    def summary(self) -> str:
        """Say what each customer is offered, and how well such lists did before."""
        told = [offers.summary() for offers in self.offers]
        told += [self.say("no_offers", called=self._called(p)) for p in self.without]
        told += [self.say("unranked_line", called=self._called(p)) for p in self.unranked]
        told = told or [self.say("none_starts")]
        if self.offers and isinstance(self.past, PastOffers):
            told.append(self.past.opening())
        return "\n".join(told)

    def _called(self, promotion_id: Any) -> str:
        rows = self.shop.promotions
        kind = rows.filter(rows.promotion_id == promotion_id).kind.execute().iloc[0]
        return self.shop.promotion_name(str(kind), promotion_id)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion, customer and offer."""
        # Of one promotion they may be coupons, of another products: as text they are one column.
        parts = [o.frame.assign(offer=o.frame["offer"].astype(str)) for o in self.offers]
        if not parts:
            return pd.DataFrame(columns=COLUMNS)
        for o, part in zip(self.offers, parts, strict=True):
            part.insert(0, "promotion_id", o.promotion_id)
        return pd.concat(parts, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the headline figures, by promotion."""
        return {
            str(o.promotion_id): {
                "offers": o.available,
                "customers": o.customers,
                "each": len(o.frame) / max(o.customers, 1),
                "bought_before": self.repeats(o),
                "by_own": o.own,
            }
            for o in self.offers
        }

    def lists_of(self) -> pd.DataFrame:
        """Return what is on the lists, a row per promotion."""
        rows = [
            (o.called, o.available, len(o.frame) / max(o.customers, 1), self.repeats(o))
            for o in self.offers
        ]
        return pd.DataFrame(rows, columns=["called", "available", "each", "again"])

    def repeats(self, offers: Offers) -> float:
        """Return which share of what is taken were on what its customers bought before.

        If everybody who was scored were contacted: whom the plan contacts is decided later.
        """
        whole = offers.frame["expected"].sum()
        again = offers.frame.loc[offers.frame["bought_before"], "expected"].sum()
        return float(again / whole) if whole > 0 else float("nan")

    # --- how well lists did before ---------------------------------------------------------------

    def methods(self) -> Html:
        """Return ways to recommend, held against what was bought in the last four weeks."""
        now = self.graph.past.as_of
        board = tried(
            compare_recommenders,
            known_by(self.shop, now).events,
            self.shop.tables.get("products"),
            as_of=now - timedelta(weeks=WEEKS),
            kinds=self.compared,
            weeks=WEEKS,
            seed=self.seed,
        )
        if isinstance(board, Html):
            return board
        drawn = [_picture(board.plot(among=among)) for among in ("repeat", "new")]
        figures = fold(self.say("figures"), [board.to_table()])
        return join([say(board.summary()), *drawn, say(board.note()), figures])

    def again(self) -> Any:
        """Return what customers buy again and what anew."""
        return tried(repurchase_rates, self.graph.past)

    # --- whose offers ----------------------------------------------------------------------------

    def lists(self) -> Html:
        """Return the offers of each promotion with reasons, for three unlike customers."""
        if not self.offers:
            return absent(self.say("none_starts"))
        first, *rest = self.offers
        pieces = self._lists_of(first)
        pieces += [fold(offers.called, self._lists_of(offers)[1:]) for offers in rest]
        if isinstance(self.past, PastOffers):
            pieces.append(say(self.say("before_head"), "h3"))
            pieces += [say(self.past.summary()), _picture(self.past.plot())]
        return join(pieces)

    def _lists_of(self, offers: Offers) -> list[Html]:
        pieces = [say(offers.called, "h3")]
        for who, case, orders in _unlike(self.graph, offers.frame["customer_id"].unique()):
            rows = offers.frame[offers.frame["customer_id"] == who].head(5)
            names = ("place", "offer", "named", "reason")
            heads = {name: self.say(f"{name}_head", kind=offers.kind) for name in names}
            named = self._named(rows["product_id"])
            told = rows.assign(named=named, offer=rows["offer"].astype(str))
            given = {"customer": self.run.pseudonym([who])[0], "n": len(rows)}
            caption = self.say("first_offers", case=case, orders=orders, **given)
            pieces.append(table(told, heads, caption=caption))
        return pieces

    def _named(self, products: pd.Series[Any]) -> list[str]:
        """Return what to call products: their id and narrowest group."""
        groups, rows = self.graph.groups, self.graph.products.set_index("product_id")
        narrow = rows[groups[0]].reindex(products) if groups else [None] * len(products)
        pairs = zip(products, narrow, strict=True)
        return ["–" if pd.isna(p) else str(p) if pd.isna(g) else f"{p} ({g})" for p, g in pairs]

    # --- the cold --------------------------------------------------------------------------------

    def cold(self) -> Html:
        """Return how customers and products without a past are served, and how well."""
        orders = self.graph.past.orders_of()
        few = int(((orders > 0) & (orders <= FEW_ORDERS)).sum())
        everybody = pd.Index(self.shop.customers.customer_id.execute()).unique()
        none = int((~everybody.isin(self.graph.past.customers)).sum())
        given = {"named": len(everybody), "none": none, "few": few, "most": FEW_ORDERS}
        served = [self.say(name, **given) for name in ("new_customers", "few_orders")]
        titles = None
        if self.shop.has("products", "title"):
            rows = self.shop.products.select("product_id", "title").to_pandas()
            titles = encode_media(rows.drop_duplicates("product_id").set_index("product_id").title)
        products = tried(past_new_products, self.graph, vectors=titles)
        told = products if isinstance(products, Html) else say(products.summary())
        more = [self._likeliest(titles)] if getattr(products, "vectors_help", False) else []
        return join([*(say(line) for line in served if line), told, *more])

    def _likeliest(self, titles: pd.DataFrame | None) -> Html:
        """Return who is likeliest to buy the products that nobody has bought yet."""
        ids = self.graph.products["product_id"]
        new = ids[~ids.isin(self.graph.past.products)]
        scores = cold_scores(self.graph, new.head(NEW_SHOWN), vectors=titles)
        who = [", ".join(self.run.pseudonym(scores[p].nlargest(LIKELIEST).index)) for p in scores]
        rows = pd.DataFrame({"named": self._named(new.head(NEW_SHOWN)), "who": who})
        heads = {name: self.say(f"{name}_head") for name in ("named", "who")}
        return table(rows, heads, caption=self.say("new_products", n=len(new), first=len(rows)))

    def method(self) -> Html:
        """Say how lists are made, and what they are not."""
        return join([say(self.say("how_made")), say(self.say("gift"))])

    def write(self) -> None:
        """Write the offers, and the headline figures."""
        by = ["promotion_id", "customer_id", "place"]
        self.run.write_table("offers", self.to_frame(), by=by)
        self.run.record("offers", None)
        self.run.record("offers", self.to_dict())


def _picture(ax: Any) -> Html:
    """Return a figure whose title is its text, too."""
    return picture(ax, ax.get_title("left"))


@dataclass(frozen=True)
class NoOffers(Result):
    """Why there is nothing to recommend: a page of the same pieces, each of which says so."""

    run: RunFolder = field(repr=False)
    why: str

    def summary(self) -> str:
        """Return why."""
        return words_of(__name__, "WeekOffers", why=self.why).say("why_none")

    def nothing(self) -> Html:
        """Return nothing: the page's first sentence said why."""
        return Html("")

    again = methods = lists = cold = method = nothing

    def write(self) -> None:
        """Write a table without rows."""
        by = ["promotion_id", "customer_id", "place"]
        self.run.write_table("offers", pd.DataFrame(columns=COLUMNS), by=by)
        self.run.record("offers", None)


def week_offers(
    run: RunFolder,
    shop: Shop,
    *,
    kinds: Sequence[str] = ("popularity", "frequency", "tifu", "content"),
    most: int = 10,
    seed: int = 0,
) -> WeekOffers | NoOffers:
    """Rank the offers of the promotions that start in a week.

    Parameters
    ----------
    run : RunFolder
        With the tables ``scores`` and ``outlook``.
    shop : Shop
        The cleaned shop.
    kinds : sequence of str
        Ways to recommend that the page compares.
    most : int
        Offers of a customer at most.
    seed : int
        Of what is drawn.

    Returns
    -------
    WeekOffers or NoOffers

    Notes
    -----
    Where the shop does not say which products were bought there is nothing to recommend, and the
    page says why.
    """
    try:
        graph = product_graph(shop, run.as_of)
        recommender = _fitted(known_by(shop, run.as_of), shop, run.as_of, seed)
    except InputError as error:
        return NoOffers(run, str(error))
    scores = run.read_table("scores")
    starting = run.read_table("outlook")["promotion_id"].unique()
    begun = graph.promotions["starts_at"]
    begun = (begun >= run.week.start(shop.zone)) & (begun < run.week.end(shop.zone))
    planned = graph.promotions.loc[begun, "promotion_id"]
    offers, without = [], []
    past = tried(past_offers, graph, read_operations(shop.settings).offers.chosen_types)
    own = isinstance(past, PastOffers) and past.own_better
    for promotion in starting:
        mine = scores[scores["promotion_id"] == promotion].set_index("customer_id")
        try:
            found = rank_offers(
                shop,
                promotion,
                recommender,
                customers=mine.index,
                chances=mine["p_redeemed"],
                most=most,
                graph=graph,
                own=own,
                named=[who for who, *_ in _unlike(graph, mine.index)],
            )
        except DataError:
            without.append(promotion)
            continue
        if found.available > 1:
            offers.append(found)
        else:
            without.append(promotion)
    return WeekOffers(
        run, shop, graph, tuple(offers), tuple(without), tuple(kinds), seed,
        tuple(planned[~planned.isin(starting)]), past,
    )  # fmt: skip


def _unlike(graph: ProductGraph, customers: Any) -> list[tuple[Any, str, int]]:
    """Return up to three unlike customers: most orders, as usual, and few or none."""
    orders = pd.Series(graph.past.orders_of(), graph.past.customers)
    many = orders.reindex(customers, fill_value=0).rename_axis("customer").sort_index()
    ordered = many.sort_values(kind="stable")
    ever = ordered[ordered > 0]
    found: dict[Any, str] = {}
    if len(ever):
        found = {ever.index[-1]: "most"}
        found.setdefault(ever.index[len(ever) // 2], "usual")
    found.setdefault(ordered.index[0], "fewest" if ordered.iloc[0] else "none")
    return [(who, case, int(ordered.loc[who])) for who, case in found.items()]


def _fitted(known: Shop, shop: Shop, as_of: Any, seed: int) -> Recommender:
    """Return the recommender that names products; of a tiny shop, of all that was bought."""
    products = shop.tables.get("products")
    try:
        return Recommender("tifu", seed=seed).fit(known.events, products, as_of=as_of)
    except DataError:
        model = Recommender("tifu", seed=seed, least_customers=1)
        return model.fit(known.events, products, as_of=as_of)
