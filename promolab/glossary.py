"""Meaning and unit of every column and figure, in one place and in a shopkeeper's words.

The report's glossary and the data dictionary are made from this page. "Before" always means before
the row's ``as_of``; "the last 28 days" are the 28 × 24 hours before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GLOSSARY", "GROUPS", "Term", "describe", "label", "to_markdown"]


@dataclass(frozen=True)
class Term:
    """A column or a word of the report.

    Parameters
    ----------
    name : str
        The column's name, or the word as the report writes it.
    label : str
        What a figure or a table calls it; no underscores.
    unit : str
        Unit of its values; empty for words that have none.
    meaning : str
        What it says, in a sentence.
    """

    name: str
    label: str
    unit: str
    meaning: str


# name | label | unit | meaning, an indented line goes on with the one above: pages like these are
# easier to read and keep than two hundred calls.
_KEYS = """
customer_id | customer | id | The customer, by the shop's own id.
promotion_id | promotion | id | The promotion, by the shop's own id.
as_of | as of | time, UTC | The moment up to which everything was known; nothing at or after it is
    used.
starts_at | start | time, UTC | First moment at which the promotion is valid.
ends_at | end | time, UTC | First moment at which the promotion is no longer valid.
"""

_FEATURES = """
recency_days | days since the last order | days | Time since the last order that was kept (not
    wholly returned or cancelled); null without one.
orders | orders | orders | Orders before, less those wholly returned or cancelled by then. Lines
    of one order id are one order; without an order id, lines of the same moment are.
amount | sales | money | What the shop took in, less what was returned or cancelled by then.
discount | discount received | money | Discounts of all kinds, less those on what came back.
discount_share | share of discounts | share, 0–1 | Discount ÷ (sales + discount); null where
    nothing was spent.
items | items | units | Units bought less units returned; lines in odd units (such as fuel) and
    lines without quantity or amount do not count.
products | different products | products | Different products ever bought before.
categories | different categories | categories | Different categories ever bought from before.
stores | different stores | stores | Different stores ever bought at before.
tenure_days | days as a customer | days | Time since the first event of any kind.
days_between_orders | days between orders | days | Mean time from one kept order to the next; null
    with fewer than two.
orders_28d | orders in the last 28 days | orders | Kept orders placed in the last 28 days.
amount_28d | sales in the last 28 days | money | Net sales of the orders placed in the last 28
    days.
orders_84d | orders in the last 84 days | orders | Kept orders placed in the last 84 days.
amount_84d | sales in the last 84 days | money | Net sales of the orders placed in the last 84
    days.
amount_trend | trend of sales | share | Sales of the last 28 days ÷ a third of those of the last
    84, less 1: 0.5 is half as much again as usual; null without sales in the 84 days.
average_order_amount | average order | money per order | Sales ÷ orders; null without an order.
average_item_price | average price of an item | money per unit | Net sales ÷ net units of the
    lines that count as items; null without any.
price_level | price level | share, 0–1 | Mean percentile of the unit prices paid within their
    category: the share of the category's purchase lines by all customers before that cost less,
    plus half of those that cost the same. Near 1 picks the dearest products, 0.5 the middle.
private_label_share | share of own brands | share, 0–1 | Share of net sales, over categories with
    positive net sales, that went to the shop's own brands.
category_entropy | spread over categories | nats | Entropy −Σ p ln p of the shares p of net sales
    by category: 0 is a single category, ln k is k categories in equal parts.
top_category | favourite category | category | The category with the largest net sales; of equal
    ones the first by name; null without one.
weekend_share | weekend orders | share of orders, 0–1 | Share of kept orders placed on a Saturday
    or Sunday, shop time.
evening_share | evening orders | share of orders, 0–1 | Share of kept orders placed from the
    shop's evening hour (17, unless it says otherwise) to midnight, shop time.
hour_of_day | usual hour | hour, 0–24 | Circular mean of the shop time of kept orders, to the
    minute: 23 and 1 give 0, not 12; null where hours cancel out.
coupon_orders | orders with a coupon | orders | Kept orders in which a coupon took something off.
coupon_order_share | share of orders with a coupon | share of orders, 0–1 | Orders with a coupon ÷
    orders; null without an order.
contacts | contacts | contacts | Contacts for promotions before; a contact counts from its
    promotion's start, if that is later.
contacts_28d | contacts in the last 28 days | contacts | Contacts counted in the last 28 days.
responses | promotions answered | promotions | Promotions that the customer clicked, claimed,
    redeemed, bought from or shared before.
response_rate | response rate | share, 0–1 | (Promotions answered + 2 × the shop's own rate by
    then) ÷ (contacts + 2), at most 1: someone never contacted starts at the shop's rate.
days_since_response | days since the last answer | days | Time since the last answer to a
    promotion; null without one.
views_28d | views in the last 28 days | events | Product pages viewed in the last 28 days.
clicks_28d | clicks in the last 28 days | events | Clicks in the last 28 days.
carts_28d | cart additions in the last 28 days | events | Products put into the cart in the last
    28 days.
view_to_purchase_rate | purchases per view | ratio | Purchase lines ÷ views, ever; null without a
    view.
"""

_PAIRS = """
promotion_kind | kind of promotion | kind | Coupon, recommendation, limited-time discount or full
    reduction.
promotion_type | type of promotion | type | The shop's own class of promotion.
promotion_days | length of the promotion | days | From its start to its end.
promotion_discount_rate | rate of discount | share, 0–1 | Share taken off the price.
promotion_threshold | spend at least | money | What an order must reach before the reduction
    holds.
promotion_reduction | reduction | money | What is taken off an order that reaches the threshold.
promotion_products | products in the promotion | products | Different products that the promotion
    is valid for.
promotion_products_bought | its products bought before | products | Different products of this
    promotion ever bought before.
promotion_bought_share | share of its products bought before | share, 0–1 | Of the promotion's
    products, the share ever bought before; null where none are listed.
promotion_amount | past spend on its products | money | Purchases of this promotion's products
    before.
promotion_amount_84d | spend on its products in the last 84 days | money | Purchases of this
    promotion's products in the last 84 days.
promotion_orders | past purchases of its products | purchases | Different moments at which this
    promotion's products were bought before.
promotion_orders_84d | purchases of its products in the last 84 days | purchases | The same, in
    the last 84 days.
promotion_coupon_orders | past purchases of its products with a coupon | purchases | Different
    moments at which its products were bought with a coupon before.
kind_contacts | contacts for this kind | contacts | Contacts before for promotions of the same
    kind.
kind_responses | answers to this kind | promotions | Promotions of the same kind answered before.
type_contacts | contacts for this type | contacts | Contacts before for promotions of the same
    type.
type_responses | answers to this type | promotions | Promotions of the same type answered before.
other_promotions_running | other promotions running | promotions | Other promotions that the
    customer was contacted for and that are not over.
other_promotions_answered | running ones already answered | promotions | Of those, the ones
    already answered.
redeemed | redeemed | 0 or 1 | Whether the customer redeemed a coupon of this promotion within its
    window (an outcome).
purchased | bought | 0 or 1 | Whether the customer bought any of this promotion's products within
    its window (an outcome).
label_complete | outcome final | yes or no | Whether the promotion's window was over by the date
    of the table; other outcomes are not used.
"""

_PROFILES = """
interests | interests | 0–100 | How broadly and how deeply they buy across the assortment; 50 is
    the middle customer.
interests_breadth | interests: breadth | 0–100 | Rank by the number of categories.
interests_variety | interests: variety | 0–100 | Rank by how evenly purchases spread over
    categories.
interests_depth | interests: depth | 0–100 | Rank by products per category.
interests_browsing | interests: browsing | 0–100 | Rank by views in the last 28 days.
purchasing_power | purchasing power | 0–100 | How much they spend, and how little the price
    matters to them.
purchasing_power_spend | purchasing power: spend | 0–100 | Rank by sales in the last 84 days.
purchasing_power_basket | purchasing power: order size | 0–100 | Rank by the average order.
purchasing_power_item_price | purchasing power: item price | 0–100 | Rank by the average price of
    an item.
purchasing_power_price_level | purchasing power: price level | 0–100 | Rank by the price level
    within categories.
purchasing_power_brands | purchasing power: brands | 0–100 | Rank by how small the share of own
    brands is.
loyalty | loyalty | 0–100 | How recently, how often, how regularly and for how long they have been
    buying.
loyalty_recency | loyalty: recency | 0–100 | Rank by how short ago the last order is.
loyalty_frequency | loyalty: frequency | 0–100 | Rank by orders in the last 84 days.
loyalty_rhythm | loyalty: rhythm | 0–100 | Rank by how few days pass between orders.
loyalty_tenure | loyalty: tenure | 0–100 | Rank by days as a customer.
habits | habits | 0–100 | How much offers, weekends and evenings shape what and when they buy.
habits_coupons | habits: coupons | 0–100 | Rank by the share of orders with a coupon.
habits_discounts | habits: discounts | 0–100 | Rank by the share of discounts.
habits_response | habits: response | 0–100 | Rank by the response rate.
habits_weekends | habits: weekends | 0–100 | Rank by the share of weekend orders.
habits_evenings | habits: evenings | 0–100 | Rank by the share of evening orders.
favourite_category | favourite category | category | The category with the largest net sales.
favourite_categories | favourite categories | categories | The three categories that come first,
    by the share of sales where it is known.
"""

_SEGMENTS = """
segment | segment | name | The group of similar customers that this customer is in.
customers | customers | customers | Customers in the segment.
share_customers | share of customers | share, 0–1 | Customers in the segment ÷ all customers.
share_sales | share of sales | share, 0–1 | Sales of the segment's customers ÷ all sales.
sales_per_customer | sales per customer | money | Mean sales of the segment's customers.
"""

_SCORES = """
p_redeemed | chance to redeem | share, 0–1 | Predicted chance that the customer redeems this
    promotion if contacted: a prediction of response, not the effect of contacting.
support | where the score stands | word | "inside" what the model was tested on, "new_customer"
    (never contacted before: nothing was tested on such customers) or "new_promotion" (of a kind
    never seen).
"""

_QUARANTINE = """
table | table | name | The table that the row was in.
rule | rule | name | The cleaning rule that the row broke; the first one counts.
row | row | JSON | The row as it stood in the source.
"""

_WORDS = """
AUC | AUC | 0–1 | The chance that someone who responded has a higher score than someone who did
    not: 0.5 is guessing, 1 is perfect order.
AUC within promotions | AUC within promotions | 0–1 | The AUC of each promotion by itself,
    averaged by its number of pairs: how well customers are ordered, leaving aside which
    promotions do well.
ROC curve | ROC curve | | For every cut of the list: the share of responders that is on it against
    the share of the others that is on it too.
gain chart | gain chart | | The share of all responders found in the top part of the list, by how
    long that part is.
lift | lift | times | How many times more responders the top part of the list holds than an
    equally long list drawn by chance.
calibration | calibration | | Whether chances come true: of those given 20 %, about 20 % should
    respond.
interval | 95 % interval | | Written [low, high]: a range made such that it holds the true figure
    in 95 of 100 repetitions. Customers, not rows, are taken as independent.
Wilson | Wilson interval | | An interval for a share that stays between 0 and 100 % and holds for
    small numbers (Wilson 1927).
DeLong | DeLong interval | | An interval for the AUC, computed without resampling (DeLong et al.
    1988).
clustered by customer | clustered by customer | | One customer in many rows counts as one: an
    interval that ignores it would be too narrow.
out of time | out of time | | Tested on promotions that started after everything the model learned
    from was over.
backtest | backtest | | A replay: each promotion is predicted by a model that knew only promotions
    over before it started.
silhouette | silhouette | −1 to 1 | How much closer customers are to their own segment than to the
    next one: near 0 segments overlap, near 1 they are far apart.
stability | stability | 0–1 | How much segments agree when made again from resampled customers; 1
    is the same segments each time.
descriptive | descriptive | | Describes the data at hand: segments were made from the same data,
    so their differences are no test.
RFM | RFM grid | | Customers by recency (how lately), frequency (how often) and monetary value
    (how much).
k | number of segments | segments | How many segments were made.
randomised | randomised | | Who was contacted was drawn by chance, so the difference is the
    promotion's effect.
adjusted | adjusted | | Compared with similar customers who were not contacted. What is not in the
    data may still differ: not a proven effect.
not identified | not identified | | The data cannot tell what the promotion itself did, so no
    effect is claimed.
effect | effect | | What contacting adds, compared with not contacting the same customers.
holdout | holdout | customers | Customers left out on purpose, by chance, to see what happens
    without the promotion.
propensity | propensity | share, 0–1 | The chance with which a customer was chosen for an action.
overlap | overlap | | Whether customers who were contacted have their like among those who were
    not.
likely to redeem | likely to redeem | | A prediction of response; not a claim that contacting
    pays.
expected redemptions | expected redemptions | customers | The chances to redeem of all on
    the list added up, times the share of such sums that past promotions brought.
redemption rate | redemption rate | share, 0–1 | Customers who redeemed ÷ customers contacted.
discount cost | discount cost | money | Coupon discounts on the promotion's
    products, to those who redeemed it, while it ran; other coupons on these products count too.
over-represented | over-represented | | A segment's share of the list is larger than its share of
    all customers.
quarantined | quarantined | rows | Rows left out by cleaning, each with the rule that it broke;
    none is lost.
flagged | flagged | rows | Rows kept, but left out where they would mislead, such as fuel in
    prices per unit.
provisional | provisional | | The promotion's window is not over yet, so the figure may still
    change.
pseudonym | pseudonym | | A made-up id that stands for a customer on pages; files for other
    systems hold the real one.
p_value | p-value | 0–1 | How often chance alone would give a difference at least as large.
"""


def _read(page: str) -> dict[str, Term]:
    terms = {}
    for line in page.strip().replace("\n    ", " ").splitlines():
        name, text, unit, meaning = (part.strip() for part in line.split("|"))
        terms[name] = Term(name, text, unit, meaning)
    return terms


GROUPS: dict[str, dict[str, Term]] = {
    "Keys and times": _read(_KEYS),
    "Customers": _read(_FEATURES),
    "Customer and promotion": _read(_PAIRS),
    "Profiles": _read(_PROFILES),
    "Segments": _read(_SEGMENTS),
    "Scores": _read(_SCORES),
    "Quarantine": _read(_QUARANTINE),
    "Words of the report": _read(_WORDS),
}
"""Terms by what they belong to, in the order in which they are read."""

# A column's own entry wins over a word of the same name.
GLOSSARY: dict[str, Term] = {
    name: term for group in reversed(list(GROUPS.values())) for name, term in group.items()
}
"""Every term by its name."""


def label(name: str) -> str:
    """Return what a reader calls a column; an unknown one loses its underscores.

    Examples
    --------
    >>> label("recency_days"), label("house_size")
    ('days since the last order', 'house size')
    """
    term = GLOSSARY.get(name)
    return term.label if term else name.replace("_", " ")


def describe(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the terms as a table.

    Parameters
    ----------
    names : iterable of str, optional
        Which terms, in which order; by default all.

    Returns
    -------
    DataFrame
        One row per term: name, label, unit, meaning.

    Raises
    ------
    InputError
        If a name is not in the glossary.

    Examples
    --------
    >>> describe(["AUC", "orders"]).label.tolist()
    ['AUC', 'orders']
    """
    import pandas as pd

    if names is None:
        names = dict.fromkeys(name for group in GROUPS.values() for name in group)
    rows = []
    for name in names:
        if name not in GLOSSARY:
            raise InputError(f"{name!r} is not in the glossary; {nearest(name, GLOSSARY)}")
        term = GLOSSARY[name]
        rows.append((term.name, term.label, term.unit, term.meaning))
    return pd.DataFrame(rows, columns=["name", "label", "unit", "meaning"])


def to_markdown(groups: Iterable[str] | None = None) -> str:
    """Return the glossary as Markdown, a table per group.

    Parameters
    ----------
    groups : iterable of str, optional
        Names of `GROUPS`; by default all.

    Raises
    ------
    InputError
        If there is no such group.

    Examples
    --------
    >>> print(to_markdown(["Quarantine"]).splitlines()[4])
    | table | table | name | The table that the row was in. |
    """
    lines: list[str] = []
    for group in GROUPS if groups is None else groups:
        if group not in GROUPS:
            raise InputError(f"{group!r} is no group of the glossary; {nearest(group, GROUPS)}")
        lines += [f"### {group}", "", "| name | in words | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {term.name} | {term.label} | {term.unit} | {term.meaning} |"
            for term in GROUPS[group].values()
        ]
        lines.append("")
    return "\n".join(lines)
