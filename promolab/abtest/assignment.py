"""Who gets which arm, by a keyed hash: a customer's arm is the same whoever else is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest.hashing import key_of, siphash, texts_of
from promolab.checks import SUM_SLACK, column_of, refuse, share, text, whole_number
from promolab.engines import write_batches
from promolab.errors import InputError, nearest
from promolab.results import Result
from promolab.wording import arm_words, plural

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import ArrayLike


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
        ends = list(accumulate(map(Fraction, self.experiments.values()), initial=Fraction(0)))
        place = list(self.experiments).index(experiment)
        return ends[place], min(ends[place + 1], Fraction(1))


@dataclass(frozen=True)
class Assignment(Result):
    """The arm of each customer, and how likely it was to be that one; made by `assign`.

    Parameters
    ----------
    name : str
        What is decided.
    seed : int
        With the name, what the arms depend on.
    shares : dict of str to float
        Arm → planned share; they add up to 1.
    frame : DataFrame of n rows
        ``customer_id`` as given and in the order given, ``arm`` (categorical, arms in the order of
        ``shares``) and ``propensity``: the share of that arm.
    units : int
        Independent draws: clusters where there are some, else customers.
    """

    name: str
    seed: int
    shares: Mapping[str, float]
    frame: pd.DataFrame = field(repr=False)
    units: int

    @property
    def counts(self) -> dict[str, int]:
        """Customers in each arm, those with none included."""
        found = np.bincount(self.frame["arm"].cat.codes, minlength=len(self.shares))
        return dict(zip(self.shares, map(int, found), strict=True))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per customer: customer_id, arm, propensity."""
        return self.frame.copy()

    def facts(self) -> dict[str, Any]:
        """Return the arms, each with its share and the planned one."""
        n, planned = len(self.frame), self.shares.values()
        rows = [
            {"arm": arm_words(arm), "size": got, "part": got / n}
            for arm, got in self.counts.items()
        ]
        arms = pd.DataFrame(rows).assign(planned=list(planned))
        grouped = self.units < n
        return {"customers": n, "drawn_by": str(self.seed), "grouped": grouped, "arms": arms}


def assign(
    customers: ArrayLike,
    name: str,
    shares: Mapping[str, float],
    seed: int,
    cluster: ArrayLike | None = None,
    *,
    layer: Layer | None = None,
    holdout: StandingHoldout | None = None,
) -> Assignment:
    """Give each customer an arm by chance, the same one whenever it is asked.

    The hash of a customer is SipHash-2-4 of the UTF-8 text of the id (7 and "7" are one customer;
    nothing is trimmed or changed in case) under the first 16 bytes of SHA-256 of
    ``customer:<seed>:<name>``. Hash / 2⁶⁴ lies in [0, 1), where the arms lie one after another in
    the order of ``shares``: widening the first arm takes nobody out of it. So a customer's arm
    depends on neither the other customers nor their order, platform or version, and is independent
    between names and between seeds.

    Parameters
    ----------
    customers : array-like of shape (n,)
        Ids, whole numbers or texts, each once; an index is not looked at.
    name : str
        What is decided, such as a promotion and its week: another name, another draw.
    shares : mapping of str to float
        Arm → share, 0–1; they add up to 1. Share 0 gets nobody, share 1 everybody.
    seed : int
        Another seed, another draw.
    cluster : array-like of shape (n,), optional
        Customers with the same id here share one arm (a household), drawn by the hash of that id
        under ``cluster:<seed>:<name>``. Where it is missing or empty the customer stands alone.
    layer : Layer, optional
        One that has an experiment of this ``name``: whoever has no place in it gets the arm
        ``elsewhere`` and is free for another experiment of the layer.
    holdout : StandingHoldout, optional
        Whoever is in it gets the arm ``standing``, whatever else would have come.

    Returns
    -------
    Assignment

    Raises
    ------
    InputError
        Ids that are missing, repeated or neither whole numbers nor texts; no customers; shares that
        are no shares or do not add up to 1; columns of other lengths; a
        layer without this experiment; an arm that is called as one of those kept out.

    Notes
    -----
    With a standing holdout of share s and a room in the layer of share l, the chances are s of
    ``standing``, (1 − s)(1 − l) of ``elsewhere`` and (1 − s) · l · share of each arm, for all three
    are drawn by hashes under different keys. ``propensity`` is that chance; among those of the
    experiment the arms' own shares are left.

    References
    ----------
    Aumasson & Bernstein (2012), SipHash; Bakshy, Eckles & Bernstein (2014), PlanOut, WWW (keyed
    hashes for assignment).

    Examples
    --------
    >>> found = assign(range(1000), "spring", {"holdout": 0.1, "send": 0.9}, seed=0)
    >>> found.counts
    {'holdout': 89, 'send': 911}
    >>> found.to_frame().head(2).values.tolist()
    [[0, 'send', 0.9], [1, 'send', 0.9]]
    >>> alone = assign(["1"], "spring", {"holdout": 0.1, "send": 0.9}, seed=0)
    >>> alone.to_frame()["arm"].tolist()
    ['send']
    """
    import pandas as pd

    arms = checked_shares(shares)
    key = str(whole_number("seed", seed)), text("name", name)
    column = column_of("customers", customers)
    ids = _checked_ids(column)
    groups = (
        None if cluster is None else texts_of(column_of("cluster", cluster, len(ids)), "cluster")
    )
    hashed, units = _hashed(ids, groups, *key)
    out, planned = _kept_out(ids, groups, key, arms, layer, holdout)
    kept_out = np.logical_or.reduce(list(out.values())) if out else None
    inside = slice(None) if kept_out is None else ~kept_out
    codes = np.empty(len(hashed), dtype=np.int32)
    codes[inside] = _arms_of(hashed[inside], arms) + len(out)
    for place, who in enumerate(out.values()):
        codes[who] = place
    arm = pd.Categorical.from_codes(codes, categories=pd.Index(list(planned), dtype=object))
    propensity = np.array(list(planned.values()))[codes]
    table = pd.DataFrame({"customer_id": column, "arm": arm, "propensity": propensity})
    return Assignment(name, int(seed), planned, table, units)


def arm_of(
    customer: Any, name: str, shares: Mapping[str, float], seed: int, cluster: Any = None
) -> str:
    """Return one customer's arm: the one that `assign` gives, without a table of all.

    Parameters
    ----------
    customer : object
        The id, a whole number or a text.
    name, shares, seed
        As for `assign`.
    cluster : object, optional
        The customer's cluster; none, or an empty text, where there is none.

    Examples
    --------
    >>> arm_of(7, "spring", {"holdout": 0.1, "send": 0.9}, seed=0)
    'send'
    """
    import pyarrow as pa

    arms = checked_shares(shares)
    kind, unit = ("customer", customer) if cluster in (None, "") else ("cluster", cluster)
    texts = pa.chunked_array([pa.array([str(unit)], pa.large_string())])
    hashed = siphash(texts, key_of(kind, str(whole_number("seed", seed)), text("name", name)))
    return list(arms)[int(_arms_of(hashed, arms)[0])]


def assign_table(
    customers: ir.Table,
    name: str,
    shares: Mapping[str, float],
    seed: int,
    out: str | Path,
    *,
    layer: Layer | None = None,
    holdout: StandingHoldout | None = None,
) -> ir.Table:
    """Give each customer of an Ibis table the arm that `assign` gives; on Spark no id leaves it.

    An arm depends on nobody but the customer, so which of them come together does not matter.

    Parameters
    ----------
    customers : ibis Table
        With ``customer_id``, each once; ``cluster_id``, where it is there, is drawn as one.
    name, shares, seed, layer, holdout
        As `assign` takes them.
    out : str or Path
        What to write, which must not be there: a folder of parquet for Spark, in any file system
        that it knows, else a file.

    Returns
    -------
    ibis Table
        What was written: customer_id, arm, propensity.

    Raises
    ------
    InputError
        As `assign`: ids that are missing or repeated, shares that are none; or ``out`` is there.

    Examples
    --------
    >>> import ibis, tempfile
    >>> rows = ibis.memtable({"customer_id": range(1000)})
    >>> out = Path(tempfile.mkdtemp()) / "arms.parquet"
    >>> arms = assign_table(rows, "spring", {"holdout": 0.1, "send": 0.9}, 0, out)
    >>> int((arms.arm == "holdout").sum().execute())
    89
    """
    rows = customers.select("customer_id", *{"cluster_id"} & set(customers.columns))
    ids = rows.customer_id
    told = rows.aggregate(n=rows.count(), known=ids.count(), each=ids.nunique()).execute().iloc[0]
    if told["n"] != told["known"] or told["n"] != told["each"]:
        raise InputError(
            f"customers has {plural(int(told['n'] - told['each']), 'row')} whose id is missing or "
            "stands there twice; give each customer once"
        )

    def drawn(some: pd.DataFrame) -> pd.DataFrame:
        cluster = some.get("cluster_id")
        found = assign(
            some["customer_id"], name, shares, seed, cluster, layer=layer, holdout=holdout
        )
        return found.frame.astype({"arm": str})

    columns = {"customer_id": str(ids.type()), "arm": "string", "propensity": "float64"}
    return write_batches(rows, drawn, columns, out)


def _hashed(
    ids: pa.ChunkedArray, groups: pa.ChunkedArray | None, seed: str, name: str
) -> tuple[np.ndarray, int]:
    """Return the hash that decides for each customer, by cluster where there is one; and units."""
    hashed = siphash(ids, key_of("customer", seed, name))
    _refuse_repeated(hashed, ids)
    if groups is None:
        return hashed, len(hashed)
    alone = groups.is_null().to_numpy()
    hashed = np.where(alone, hashed, siphash(groups, key_of("cluster", seed, name)))
    ordered = np.sort(hashed)
    return hashed, 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _kept_out(
    ids: pa.ChunkedArray, groups: pa.ChunkedArray | None, key: tuple[str, str],
    arms: Mapping[str, Fraction], layer: Layer | None, holdout: StandingHoldout | None,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:  # fmt: skip
    """Return who is kept out, by the arm that says why, and the chance of every arm."""
    out: dict[str, np.ndarray] = {}
    planned: dict[str, Fraction] = {}
    left = Fraction(1)
    if holdout is not None:
        if (str(holdout.seed), holdout.name) == key:
            raise InputError(f"the standing holdout is called {holdout.name!r} as well; rename one")
        part = Fraction(holdout.share)
        where, _ = _hashed(ids, groups, str(holdout.seed), holdout.name)
        out[STANDING] = _between(where, Fraction(0), part)
        planned[STANDING], left = part, 1 - part
    if layer is not None:
        low, high = layer.room_of(key[1])
        # Not the key of an experiment that happens to be called as the layer is.
        where, _ = _hashed(ids, groups, str(layer.seed), f"layer {layer.name}")
        out[ELSEWHERE] = ~_between(where, low, high)
        if holdout is not None:
            out[ELSEWHERE] &= ~out[STANDING]
        planned[ELSEWHERE], left = left * (1 - (high - low)), left * (high - low)
    if taken := [arm for arm in out if arm in arms]:
        raise InputError(f"the arm {taken[0]!r} is of those who are kept out; call yours another")
    planned |= {arm: left * part for arm, part in arms.items()}
    return out, {arm: float(part) for arm, part in planned.items()}


def _between(hashed: np.ndarray, low: Fraction, high: Fraction) -> np.ndarray:
    """Return whether hash / 2⁶⁴ is at least ``low`` and below ``high``, in whole numbers."""
    parts = {"before": low, "in": high - low, "after": 1 - high}
    return np.asarray(_arms_of(hashed, parts) == 1)


def checked_shares(shares: Mapping[str, float]) -> dict[str, Fraction]:
    """Return the shares exactly, divided by their sum (which may be 1e-9 off)."""
    if not isinstance(shares, Mapping) or not shares:
        raise refuse("shares", shares, "each arm's share", ", as {'holdout': 0.1, 'send': 0.9}")
    exact = {
        text("an arm of shares", arm): Fraction(share(f"shares[{arm!r}]", part))
        for arm, part in shares.items()
    }
    total = sum(exact.values(), Fraction(0))
    if abs(float(total) - 1) > SUM_SLACK:
        raise InputError(
            f"shares adds up to {float(total):g} ({', '.join(exact)}); the arms' shares must add "
            "up to 1: name the arm that gets the rest as well"
        )
    return {arm: part / total for arm, part in exact.items()}


def _checked_ids(column: pd.Series) -> pa.ChunkedArray:
    if not len(column):
        raise InputError("customers is empty; give at least one customer")
    ids = texts_of(column, "customers")
    if ids.null_count:
        raise InputError(
            f"customers has {ids.null_count:,} missing ids of {len(ids):,}; leave those rows out"
        )
    return ids


def _refuse_repeated(hashed: np.ndarray, ids: pa.ChunkedArray) -> None:
    """Look for repeated ids among repeated hashes: numbers sort faster than texts compare."""
    ordered = np.sort(hashed)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return
    same = ids.filter(np.isin(hashed, twice)).to_pandas()
    repeated = same[same.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"customers has {plural(len(repeated), 'id')} more than once, such as "
            f"{repeated[0]!r}; give each customer once"
        )


def _arms_of(hashed: np.ndarray, arms: Mapping[str, Fraction]) -> np.ndarray:
    """Return the number of the arm in whose part of [0, 1) hash / 2⁶⁴ lies, in whole numbers."""
    ends = list(accumulate(arms.values()))[:-1]
    # No hash reaches a cut at 1, which has no place in 64 bits either.
    cuts = np.array([math.ceil(end * 2**64) for end in ends if end < 1], dtype=np.uint64)
    codes = np.zeros(len(hashed), dtype=np.int32)
    for cut in cuts:
        codes += hashed >= cut
    return codes
