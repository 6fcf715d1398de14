"""Threshold: one cut through a ranked list, seen in every curve at once, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import labels_of, numbers_of, real_number
from promolab.display import Dots, Html, Line, Upright, beside, chart, join, say, table, thin
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.metrics import lift, precision_recall, roc
from promolab.widgets.controls import Figure, Slide, round_step
from promolab.widgets.explorer import Explorer, Progress
from promolab.widgets.opened import week_of
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

STEP = 0.005
"""Shares of the list at which the cut can stand."""


@dataclass(frozen=True)
class ThresholdState:
    """Where the cut stands, and what contacts earn and cost.

    Parameters
    ----------
    share : float
        Of the list, the highest scores first, that is contacted (0–1).
    benefit, cost : float
        What a response earns before the contact, and what a contact costs, in money.
    """

    share: float = 0.1
    benefit: float = 10.0
    cost: float = 1.0


@dataclass(frozen=True)
class Cuts:
    """A ranked list, sorted and cumulated once, and the places where it can be cut.

    Parameters
    ----------
    score : ndarray of shape (n,)
        From the highest down.
    found : ndarray of shape (n + 1,)
        Responses among so many from the top.
    ends : ndarray of int of shape (runs + 1,)
        Rows above each place where the list can be cut: not through equal scores.
    """

    score: np.ndarray
    found: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> Cuts:
        """Sort a list by its scores."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        runs = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, len(ranked))
        return cls(ranked, np.append(0, np.cumsum(labels[order])), np.append(0, runs))

    @property
    def n(self) -> int:
        """Rows of the list."""
        return len(self.score)

    @property
    def positives(self) -> int:
        """Rows with a response."""
        return int(self.found[-1])

    def rows_at(self, share: float) -> int:
        """Return how many rows are contacted: equal scores together, those at the cut with it."""
        wanted = round(share * self.n)
        return int(self.ends[np.searchsorted(self.ends, wanted)])

    def best(self, benefit: float, cost: float) -> tuple[int, float]:
        """Return after how many rows profit is greatest, and that profit; the fewest of equals."""
        profit = benefit * self.found[self.ends] - cost * self.ends
        at = int(profit.argmax())
        return int(self.ends[at]), float(profit[at])


@dataclass(frozen=True)
class Ranking(Cuts):
    """A ranked list with its curves.

    Parameters
    ----------
    score, found, ends : ndarray
        As of `Cuts`.
    fpr, tpr, recall, precision : ndarray of shape (up to 200,)
        Points of the ROC and of the precision–recall curve.
    depths : ndarray of shape (101,)
    capture, rate : list of three ndarray of shape (101,)
        The gain curve and the rate of responses by depth, and the ends of their intervals.
    auc, average_precision : str
        In words, with intervals.
    currency : str
        Of money; empty where it is not known.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    depths: np.ndarray
    capture: list[np.ndarray]
    rate: list[np.ndarray]
    auc: str
    average_precision: str
    currency: str


_GAIN = ("depths", "capture", "capture_low", "capture_high")


def rank(
    cuts: Cuts,
    labels: np.ndarray,
    scores: np.ndarray,
    cluster: ArrayLike | None,
    currency: str,
    progress: Progress,
) -> Ranking:
    """Return the curves of a list with their intervals, thinned.

    Parameters
    ----------
    cuts : Cuts
        Of the list.
    labels, scores, cluster : array-like of shape (n,)
        As `promolab.metrics.roc` takes them.
    currency : str
        Of money.
    progress : Progress
    """
    progress(0.0, "ROC")
    curve = roc(labels, scores, cluster)
    progress(0.4, "precision and recall")
    clean = precision_recall(labels, scores, cluster)
    progress(0.7, "gain")
    gain = lift(labels, scores, cluster=cluster)
    depths, *capture = (np.append(0.0, getattr(gain, name)) for name in _GAIN)
    rate = [np.append(one[0], one) for one in (gain.rate, gain.rate_low, gain.rate_high)]
    fpr, tpr = thin(curve.fpr, curve.tpr)
    recall, precision = thin(clean.recall, clean.precision)
    return Ranking(
        cuts.score, cuts.found, cuts.ends, fpr, tpr, recall, precision, depths, capture, rate,
        number(*curve.estimate.ends), number(*clean.estimate.ends), currency,
    )  # fmt: skip


def threshold(
    rows: Any = None,
    y_score: ArrayLike | None = None,
    *,
    cluster: ArrayLike | None = None,
    benefit: float = 10.0,
    cost: float = 1.0,
    currency: str = "",
    out: str | Path = "reports",
) -> Explorer[ThresholdState, Ranking]:
    """Explore where to cut a ranked list: ROC, precision–recall, gain and profit share one cut.

    Parameters
    ----------
    rows : Backtest, DataFrame, week or array-like of shape (n,)
        A backtest (`promolab.compare.run_backtest`), its rows (``tables/backtest.parquet``) or any
        table with the columns ``y`` and ``p``; a week, by its ISO name, its path or its folder, by
        default the newest; or the labels alone: 0/1 or booleans.
    y_score : array-like of shape (n,), optional
        With labels: their scores; higher is contacted first.
    cluster : array-like of shape (n,), optional
        Which rows belong together; by default the column ``customer_id`` where there is one.
    benefit, cost : float
        What a response earns, and what a contact costs, at first.
    currency : str
        Of both.
    out : str or Path
        The folder of all reports, for an ISO week.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        Columns that are not there, labels or scores that are none.

    Notes
    -----
    Responses are counted, not effects: those who would have responded anyway count as earned. The
    intervals are those of `promolab.metrics.lift` at a fixed depth.

    Examples
    --------
    >>> found = threshold([1, 1, 0, 1, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])
    >>> "4 of 8" in found.move(share=0.5).text, found.state.share
    (True, 0.5)
    """
    if y_score is None and (rows is None or isinstance(rows, (str, Path, RunFolder))):
        run = week_of(rows, out)
        rows = run.read_table("backtest")
        if rows.empty:
            raise InputError(
                f"no promotion before {run.week} could be predicted out of time, so that there is "
                "no ranked list to cut; notebook 04 says why"
            )
    given, scored, units = _columns(rows, y_score, cluster)
    labels = labels_of("y_true", given)
    scores = numbers_of("y_score", scored, len(labels))
    cuts = Cuts.of(labels, scores)
    earns = real_number("benefit", benefit, least=0)
    costs = real_number("cost", cost, least=0)
    top = max(cuts.best(earns, costs)[0] / cuts.n, STEP)
    state = ThresholdState(round(round(top / STEP) * STEP, 6), earns, costs)
    controls = {
        "share": Slide("share contacted", 0.0, 1.0, STEP, share=True),
        "benefit": Figure("a response earns", 0.0, 1e9, round_step(earns), unit=currency),
        "cost": Figure("a contact costs", 0.0, 1e9, round_step(costs), unit=currency),
    }

    def prepare(_: ThresholdState, progress: Progress) -> Ranking:
        return rank(cuts, labels, scores, units, currency, progress)

    return Explorer("Threshold", state, controls, render, prepare=prepare)


def _columns(rows: Any, y_score: Any, cluster: Any) -> tuple[Any, Any, Any]:
    """Return labels, scores and clusters of whatever was given."""
    frame = rows if isinstance(rows, pd.DataFrame) else getattr(rows, "rows", None)
    if y_score is not None:
        return rows, y_score, cluster
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"rows is a {type(rows).__name__} and there is no y_score; give a backtest, a table "
            "with the columns y and p, or labels and their scores"
        )
    if lacking := [c for c in ("y", "p") if c not in frame]:
        raise InputError(
            f"rows has no column {lacking[0]!r}; it needs y (who responded, 0/1) and p (the score)"
        )
    if cluster is None and "customer_id" in frame:
        cluster = frame["customer_id"]
    return frame["y"], frame["p"], cluster


def render(state: ThresholdState, ranked: Ranking) -> Html:
    """Return the curves with the cut, what it is worth, and who is on which side of it.

    Parameters
    ----------
    state : ThresholdState
    ranked : Ranking
    """
    top = ranked.rows_at(state.share)
    share, found = top / ranked.n, int(ranked.found[top])
    wrong, negatives = top - found, ranked.n - ranked.positives
    recall = found / ranked.positives
    curves = beside(
        [
            _roc(ranked, wrong / negatives, recall),
            _precision(ranked, recall, found / top if top else float("nan")),
            _gain(ranked, share, recall),
            _profit(ranked, state, share),
        ]
    )
    return join([*_said(ranked, state, top, found), _sides(ranked, state, top, found), curves])


def _score(score: float) -> str:
    return f"{score:.3g}".replace("-", "−")


def _at(values: list[np.ndarray], depths: np.ndarray, at: float) -> list[float]:
    return [float(np.interp(at, depths, one)) for one in values]


def _said(ranked: Ranking, state: ThresholdState, top: int, found: int) -> list[Html]:
    best, most = ranked.best(state.benefit, state.cost)
    unit, share = ranked.currency, top / ranked.n
    optimum = (
        f"Most, {number(most, unit=unit)}, comes of contacting {percent(best / ranked.n)}, from "
        f"the score {_score(ranked.score[best - 1])} up."
        if best
        else "No cut pays: contacting nobody is best."
    )
    if not top:
        return [say(f"Nobody is contacted. {optimum}", css="finding")]
    capture = percent(found / ranked.positives, *_at(ranked.capture, ranked.depths, share)[1:])
    rate = percent(found / top, *_at(ranked.rate, ranked.depths, share)[1:])
    value, low, high = _money(ranked, state, share, found / top)
    return [
        say(
            f"Contacting {percent(share)} ({count(top)} of {plural(ranked.n, 'row')}, from the "
            f"score {_score(ranked.score[top - 1])} up) finds {capture} of those who respond; of "
            f"the contacted {rate} respond.",
            css="finding",
        ),
        say(
            f"That brings {number(value, low, high, unit=unit)} of profit, counted in responses "
            f"and not in effects. {optimum}"
        ),
    ]


def _money(
    ranked: Ranking, state: ThresholdState, share: float, rate: float
) -> tuple[float, float, float]:
    """Return profit at a share contacted with its interval: that of the rate of responses."""
    _, low, high = _at(ranked.rate, ranked.depths, share)
    rows = share * ranked.n
    value, least, most = (rows * (state.benefit * r - state.cost) for r in (rate, low, high))
    return value, least, most


def _sides(ranked: Ranking, state: ThresholdState, top: int, found: int) -> Html:
    """Return the confusion table, in rows and in money."""
    missed, negatives = ranked.positives - found, ranked.n - ranked.positives
    wrong, gain, cost = top - found, state.benefit - state.cost, -state.cost

    def cell(rows: int, money: float) -> str:
        words = number(money, unit=ranked.currency) if money else "0"
        return f"{count(rows)} · {words}"

    earned, paid = gain * found, cost * wrong
    both = earned + paid
    rows = [
        ("contacted", cell(found, earned), cell(wrong, paid), cell(top, both)),
        ("left out", cell(missed, 0), cell(negatives - wrong, 0), cell(ranked.n - top, 0)),
        ("all", cell(ranked.positives, earned), cell(negatives, paid), cell(ranked.n, both)),
    ]
    frame = pd.DataFrame(rows, columns=["side", "responded", "silent", "both"])
    heads = {"side": "", "responded": "responded", "silent": "did not respond", "both": "all"}
    caption = (
        "Customers on each side of the cut, and the profit they bring; those left out who "
        f"responded would have earned {number(gain * missed, unit=ranked.currency)} more."
    )
    right = dict.fromkeys(("responded", "silent", "both"), str)
    return table(frame, heads, right, caption=caption)


_RANDOM = Line([0, 1], [0, 1], "random order", "grey", dashed=True)
_square = partial(chart, shares="xy", xlim=(0, 1), ylim=(0, 1))


def _roc(ranked: Ranking, at: float, recall: float) -> Html:
    return _square(
        [
            _RANDOM,
            Line(ranked.fpr, ranked.tpr),
            Dots([at], [recall], label="the cut"),
        ],
        f"AUC {ranked.auc}",
        f"ROC curve. At the cut {percent(recall)} of those who respond are found and "
        f"{percent(at)} of the others contacted",
        "of those who do not respond, contacted",
        "of those who respond, found",
    )


def _precision(ranked: Ranking, recall: float, precision: float) -> Html:
    rate = ranked.positives / ranked.n
    return _square(
        [
            Line([0, 1], [rate, rate], "random order", "grey", dashed=True),
            Line(ranked.recall, ranked.precision),
            Dots([recall], [precision], label="the cut"),
        ],
        f"Average precision {ranked.average_precision}",
        f"Precision–recall curve; in random order {percent(rate)}",
        "recall: of those who respond, found",
        "precision: of the contacted, respond",
    )


def _gain(ranked: Ranking, share: float, recall: float) -> Html:
    capture, low, high = ranked.capture
    return _square(
        [
            _RANDOM,
            Line(ranked.depths, capture, low=low, high=high),
            Upright(share),
            Dots([share], [recall], label="the cut"),
        ],
        f"The top {percent(share)} holds {percent(recall)} of those who respond",
        "Gain chart",
        "of the list, contacted",
        "of those who respond, found",
    )


def _profit(ranked: Ranking, state: ThresholdState, share: float) -> Html:
    shares = np.linspace(0, 1, 201)
    tops = ranked.ends[np.searchsorted(ranked.ends, np.round(shares * ranked.n).astype(int))]
    profit = state.benefit * ranked.found[tops] - state.cost * tops
    low, high = (
        tops * (state.benefit * np.interp(shares, ranked.depths, rate) - state.cost)
        for rate in ranked.rate[1:]
    )
    best, _ = ranked.best(state.benefit, state.cost)
    here = float(np.interp(share, shares, profit))
    unit = f", {ranked.currency}" if ranked.currency else ""
    return chart(
        [
            Line(shares, np.zeros(201), "contact nobody", "grey", dashed=True),
            Line(shares, profit, low=low, high=high),
            Upright(best / ranked.n, label="most profit", colour=2),
            Dots([share], [here], label="the cut"),
        ],
        f"Profit {number(here, unit=ranked.currency)} at the cut",
        f"Profit by share contacted, most at {percent(best / ranked.n)}",
        "of the list, contacted",
        f"profit{unit}",
        shares="x",
        xlim=(0, 1),
    )
