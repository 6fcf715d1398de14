"""Threshold: one cut through a ranked list, seen in every curve at once, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import labels_of, numbers_of, real_number
from promolab.display import Dots, Html, Line, Upright, beside, join, say, thin
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.language import language, speaking
from promolab.metrics import lift, precision_recall, roc
from promolab.results import Estimate, Facts, worded_table, words_of
from promolab.widgets.controls import control, round_step, slide
from promolab.widgets.explorer import Explorer, Progress, drawn, week_of

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
    roc, precision : Line
        The ROC and the precision–recall curve, thinned.
    gain : DataFrame
        By ``depth``: ``capture`` (the gain curve), ``rate`` of responses, and their intervals.
    auc, average_precision : Estimate
    currency : str
        Of money; empty where it is not known.
    """

    roc: Line
    precision: Line
    gain: pd.DataFrame
    auc: Estimate
    average_precision: Estimate
    currency: str

    def ends_at(self, name: str, depth: float) -> tuple[float, float]:
        """Return the ends of the interval of ``capture`` or ``rate`` at a depth."""
        rows = self.gain
        low, high = (np.interp(depth, rows["depth"], rows[f"{name}_{e}"]) for e in ("low", "high"))
        return float(low), float(high)


_GAIN = [f"{name}{end}" for name in ("capture", "rate") for end in ("", "_low", "_high")]


def rank(
    cuts: Cuts,
    labels: np.ndarray,
    scores: np.ndarray,
    cluster: ArrayLike | None,
    currency: str,
    progress: Progress,
) -> Ranking:
    """Return the curves of a list with their intervals.

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
    progress(0.0)
    curve = roc(labels, scores, cluster)
    progress(0.4)
    clean = precision_recall(labels, scores, cluster)
    progress(0.7)
    found = lift(labels, scores, cluster=cluster)
    gain = pd.DataFrame({name: getattr(found, name) for name in _GAIN})
    nobody = gain.head(1).assign(capture=0.0, capture_low=0.0, capture_high=0.0)
    gain = pd.concat([nobody, gain]).assign(depth=np.append(0.0, found.depths))
    fpr, tpr = thin(curve.fpr, curve.tpr)
    recall, precision = thin(clean.recall, clean.precision)
    return Ranking(
        cuts.score, cuts.found, cuts.ends, Line(fpr, tpr), Line(recall, precision), gain,
        curve.estimate, clean.estimate, currency,
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
    spoken = language()
    if y_score is None and (rows is None or isinstance(rows, (str, Path, RunFolder))):
        run = week_of(rows, out)
        rows, spoken = run.read_table("backtest"), run.language
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

    def prepare(_: ThresholdState, progress: Progress) -> Ranking:
        return rank(cuts, labels, scores, units, currency, progress)

    with speaking(spoken):
        words = words_of(__name__, "threshold", currency=currency)
        most: dict[str, Any] = {"min": 0.0, "max": 1e9}
        controls = {
            "share": slide(words.word("share"), 0.0, 1.0, STEP, share=True),
            "benefit": control(
                "BoundedFloatText", words.say("benefit"), step=round_step(earns), **most
            ),
            "cost": control("BoundedFloatText", words.say("cost"), step=round_step(costs), **most),
        }
        return Explorer(words.word("title"), state, controls, render, prepare=prepare)


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
    top, n = ranked.rows_at(state.share), ranked.n
    share, found = top / n, int(ranked.found[top])
    best, most = ranked.best(state.benefit, state.cost)
    recall, precision = found / ranked.positives, found / top if top else float("nan")
    rate = Estimate(precision, *ranked.ends_at("rate", share))
    missed, wrong = ranked.positives - found, top - found
    words = words_of(
        __name__,
        "threshold",
        currency=ranked.currency,
        n=n,
        top=top,
        share=share,
        case="some" if top else "nobody",
        score=f"{ranked.score[top - 1]:.3g}",
        capture=Estimate(recall, *ranked.ends_at("capture", share)),
        rate=rate,
        profit=Estimate.of(top * (state.benefit * r - state.cost) for r in rate.ends),
        here=state.benefit * found - state.cost * top,
        case_of_best="some" if best else "none",
        best=best / n,
        most=most,
        best_score=f"{ranked.score[best - 1]:.3g}",
        recall=recall,
        auc=ranked.auc,
        wrong=wrong / (n - ranked.positives),
        average_precision=ranked.average_precision,
        positive_rate=ranked.positives / n,
        lost=(state.benefit - state.cost) * missed,
    )
    sides = _sides(state, found, wrong, missed, n - ranked.positives - wrong)
    curves = [
        _roc(words, ranked),
        _precision(words, ranked, precision),
        _gain(words, ranked),
        _profit(words, ranked, state),
    ]
    brings = [say(words.say("brings"))] if top else []
    return join(
        [
            say(words.say("finding"), css="finding"),
            *brings,
            worded_table(words.words["table"], words, sides),
            beside(curves),
        ]
    )


def _sides(state: ThresholdState, found: int, wrong: int, missed: int, left: int) -> pd.DataFrame:
    """Return the confusion table, in rows and in money."""
    gain, paid = (state.benefit - state.cost) * found, -state.cost * wrong
    rows = pd.DataFrame(
        {
            "responded": [found, missed],
            "responded_money": [gain, 0.0],
            "silent": [wrong, left],
            "silent_money": [paid, 0.0],
        }
    )
    both = pd.concat([rows, rows.sum().to_frame().T], ignore_index=True)
    money = both["responded_money"] + both["silent_money"]
    both = both.assign(all=both["responded"] + both["silent"], all_money=money)
    return both.assign(side=["contacted", "left_out", "all"])


SQUARE: dict[str, Any] = {"shares": "xy", "xlim": (0, 1), "ylim": (0, 1)}


def _random(words: Facts, height: float = 0.0, end: float = 1.0) -> Line:
    return Line([0, 1], [height, end], words.word("random"), "grey", dashed=True)


def _cut(words: Facts, x: float, y: float) -> Dots:
    return Dots([x], [y], label=words.word("cut"))


def _roc(words: Facts, ranked: Ranking) -> Html:
    cut = _cut(words, words["wrong"], words["recall"])
    return drawn(words, "roc", [_random(words), ranked.roc, cut], **SQUARE)


def _precision(words: Facts, ranked: Ranking, precision: float) -> Html:
    level = _random(words, *2 * [words["positive_rate"]])
    marks = [level, ranked.precision, _cut(words, words["recall"], precision)]
    return drawn(words, "precision", marks, **SQUARE)


def _gain(words: Facts, ranked: Ranking) -> Html:
    share, rows = words["share"], ranked.gain
    ends: dict[str, Any] = {"low": rows["capture_low"], "high": rows["capture_high"]}
    line = Line(rows["depth"], rows["capture"], **ends)
    marks = [_random(words), line, Upright(share), _cut(words, share, words["recall"])]
    return drawn(words, "gain", marks, ("gain_xlabel", "roc_ylabel"), **SQUARE)


def _profit(words: Facts, ranked: Ranking, state: ThresholdState) -> Html:
    shares, rows = np.linspace(0, 1, 201), ranked.gain
    tops = ranked.ends[np.searchsorted(ranked.ends, np.round(shares * ranked.n).astype(int))]
    profit = state.benefit * ranked.found[tops] - state.cost * tops
    low, high = (
        tops * (state.benefit * np.interp(shares, rows["depth"], rows[rate]) - state.cost)
        for rate in ("rate_low", "rate_high")
    )
    marks = [
        Line(shares, np.zeros(201), words.word("nobody"), "grey", dashed=True),
        Line(shares, profit, low=low, high=high),
        Upright(words["best"], label=words.word("most_profit"), colour=2),
        _cut(words, words["share"], words["here"]),
    ]
    return drawn(words, "profit", marks, ("gain_xlabel", "profit_ylabel"), shares="x", xlim=(0, 1))
