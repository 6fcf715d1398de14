"""What page 04 shows of response models: which are compared, which is used, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.campaign.outlook import Launch
from promolab.compare import BOARD_METRICS as METRICS
from promolab.display import Html, absent, join, picture, say, table
from promolab.errors import InputError
from promolab.glossary import describe, label
from promolab.report.pages.response_choice import ModelChoice
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare import Leaderboard

__all__ = [
    "curves",
    "dependence",
    "history",
    "importance",
    "leaderboard",
    "preparation",
    "searched",
    "segment_quality",
    "selection",
    "words",
]

MOST_DEPENDENCES = 2  # features whose dependence is drawn
_WRITTEN: dict[str, Callable[..., str]] = {
    "auc": partial(number, decimals=2),
    "auc_within": partial(number, decimals=2),
    "average_precision": partial(number, decimals=2),
    "log_loss": partial(number, decimals=3),
    "ece": partial(percent, decimals=1),
}
_WORDS = (
    *("AUC", "AUC within promotions", "ROC curve", "precision and recall", "average precision"),
    *("log-loss", "calibration", "calibration error", "gain chart", "lift", "interval"),
    *("clustered by customer", "out of time", "backtest", "prediction interval"),
    *("permutation importance", "partial dependence", "stability selection", "log odds"),
)


def leaderboard(choice: ModelChoice) -> Html:
    """Return the comparison of methods: what it says, the differences, all figures."""
    if not choice.features.columns:
        return absent("There are no past contacts on which methods could be compared.")
    if choice.board is None:
        return _used(choice)
    board = choice.board
    frame, simplest = board.frame, board.models[0]
    rows = frame.assign(
        **{name: _with_interval(frame, name) for name in _WRITTEN if name in frame},
        difference=_differences(board),
    )
    shown = {"model": "method", "auc": "AUC", "difference": f"AUC less that of {simplest}"}
    shown |= {name: METRICS[name] for name in _WRITTEN if name != "auc" and name in frame}
    figures = dict.fromkeys([name for name in shown if name != "model"], str)
    return join(
        [
            say(board.summary()),
            picture(board.plot(), "How much better each method is than the simplest one."),
            table(
                rows,
                shown,
                figures,
                caption="All on the same contacts, none of which a method had seen; the simplest "
                "first; 95 % intervals by customer. Log-loss and calibration error (without what "
                "chance adds to it): less is better.",
            ),
            _used(choice),
        ]
    )


def _used(choice: ModelChoice) -> Html:
    return say(f"{choice.why} What it is given: {choice.features.why}")


def _with_interval(frame: pd.DataFrame, name: str) -> list[str]:
    columns = zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
    return [_WRITTEN[name](value, low, high) for value, low, high in columns]


def _differences(board: Leaderboard) -> list[str]:
    part = board.differences
    part = part[part["metric"] == board.metric].set_index("model").loc[list(board.models)]
    return [
        "–"
        if row.difference != row.difference or name == board.models[0]
        else number(row.difference, row.difference_low, row.difference_high, decimals=3)
        for name, row in part.iterrows()
    ]


def curves(choice: ModelChoice) -> Html:
    """Return ROC and precision–recall curves of all methods over one another, and reliability."""
    board = choice.board
    if board is None:
        return absent("No curves: no methods were compared.")
    return join(
        [
            picture(board.plot_roc(), "ROC curves of the methods compared."),
            picture(board.plot_precision_recall(), "Precision–recall curves of the methods."),
            picture(board.plot_reliability()[0], "Predicted against observed, a panel per method."),
        ]
    )


def importance(launch: Launch, choice: ModelChoice) -> Html:
    """Return what the AUC on later promotions loses when a feature is shuffled.

    After it, how the predicted chance moves with the features that matter most.
    """
    from promolab.compare import importance_out_of_time

    return _or_why(
        lambda: importance_out_of_time(
            launch.pairs, columns=choice.features.columns, model=choice.make
        ),
        lambda found: join(
            [
                picture(
                    found.plot(labels=_labels(launch)), "Loss of AUC when each feature is shuffled."
                ),
                dependence(launch, found.frame["feature"].head(MOST_DEPENDENCES).tolist()),
            ]
        ),
    )


def dependence(launch: Launch, features: Sequence[str]) -> Html:
    """Return how the predicted chance moves with each of these features."""
    from promolab.explain import partial_dependence

    model = launch.model
    if model is None:
        return absent(launch.why)
    known = launch.pairs[launch.pairs["label_complete"]]
    pictures = []
    for feature in features:
        found = partial_dependence(model, known, str(feature), cluster=known["customer_id"])
        found = replace(found, outcome=launch.backtest.outcome)
        axes = found.plot(label=label(str(feature)))
        pictures.append(picture(axes, f"Predicted chance against {label(str(feature))}."))
    return join(pictures)


def selection(launch: Launch, choice: ModelChoice) -> Html:
    """Return which features would be kept, and what leaving out the others costs in AUC."""
    from promolab.compare import select_features

    return _or_why(
        lambda: select_features(launch.pairs, model=choice.make),
        lambda found: join(
            [
                say(
                    f"The list uses the {plural(len(choice.features.columns), 'feature')} told "
                    "above. Had the past chosen among all, with no say of those few: "
                    + found.summary()
                ),
                picture(found.plot(labels=_labels(launch)), "How often each feature is chosen."),
            ]
        ),
    )


def history(launch: Launch, choice: ModelChoice) -> Html:
    """Return how the figures grow with the number of past promotions learned from."""
    from promolab.compare import history_curve

    return _or_why(
        lambda: replace(
            history_curve(launch.pairs, choice.make, columns=choice.features.columns),
            outcome=launch.backtest.outcome,
        ),
        lambda found: join(
            [
                say(found.summary()),
                picture(found.plot(), "AUC by the number of past promotions learned from."),
            ]
        ),
    )


def searched(choice: ModelChoice) -> Html:
    """Return what a search for the method's options found, where one was asked for."""
    if not choice.features.columns:
        return absent("There is nothing to search options on either.")
    if choice.no_search:
        return say(choice.no_search)
    if choice.search is None:
        return say(
            f"The options of {choice.kind} are the usual ones; -p search_trials=30 searches for "
            "better ones on past promotions.",
            css="muted",
        )
    told = say(choice.search.summary())
    return told + _or_why(
        choice.search.plot, lambda axes: picture(axes, "The log-loss of each trial.")
    )


def segment_quality(launch: Launch) -> Html:
    """Return how well responses were predicted in each RFM segment as of the promotions' starts."""
    from promolab.compare import quality_by_segment

    backtest = launch.backtest
    if not len(backtest.rows):
        return absent(backtest.summary())
    names = _names_before(launch.pairs)
    return _or_why(
        lambda: quality_by_segment(backtest, names),
        lambda found: join(
            [
                say(found.summary()),
                picture(found.plot(), "AUC in each segment with its interval."),
                picture(found.plot(by="ratio"), "Observed against expected in each segment."),
            ]
        ),
    )


def _names_before(pairs: pd.DataFrame) -> pd.DataFrame:
    """Put each contact into the RFM grid by what was known at the promotion's start."""
    from promolab.segmentation import rfm_names

    return pairs[["customer_id", "promotion_id"]].assign(segment=rfm_names(pairs))


def preparation(launch: Launch) -> Html:
    """Return what becomes of the columns that are not simply used as numbers."""
    if launch.model is None:
        return absent(launch.why)
    found = launch.model.preparation()
    named = tuple(replace(c, column=label(c.column)) for c in found.columns)
    found = replace(found, columns=named)
    frame = found.to_frame()
    odd = frame[(frame["used"] != "yes") | (frame["missing"] > 0) | (frame["what"] == "category")]
    # First what is left out, then categories, then what is missing most.
    order = ["used", "what", "missing", "column"]
    odd = odd.sort_values(order, ascending=[True, True, False, True], kind="stable")
    # A heading without anything under it is left out.
    rows = odd.assign(unseen_becomes=odd["unseen_becomes"].where(odd["unseen_becomes"] != ""))
    shown = {
        "column": "column",
        "what": "what it is",
        "used": "used",
        "missing": "without a value",
        "missing_becomes": "which becomes",
        "unseen_becomes": "a level never seen becomes",
    }
    formats = {
        "missing": lambda share: "–" if share != share else percent(share, decimals=0),
        "unseen_becomes": lambda words: words if isinstance(words, str) else "",
    }
    caption = (
        "Columns with missing values, categories, and those left out; all others are numbers. An "
        "indicator is a column of its own: 1 where the value was missing."
    )
    return say(found.summary()) + table(rows, shown, formats, caption=caption, most=12)


def words() -> Html:
    """Return the words of the page and what they mean."""
    frame = describe(list(_WORDS))
    return table(frame, {"label": "word", "meaning": "meaning"}, most=len(_WORDS))


def _labels(launch: Launch) -> dict[str, str]:
    return {str(column): label(str(column)) for column in launch.pairs.columns}


def _or_why(make: Callable[[], Any], show: Callable[[Any], Html]) -> Html:
    """Show a result, or say why there is none: too little history is no error here."""
    try:
        return show(make())
    except InputError as error:
        return absent(f"Not shown: {error}.")
