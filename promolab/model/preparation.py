"""What becomes of each column before a model sees it: the one place where that is told."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError
from promolab.glossary import label
from promolab.model.inputs.encoding import ColumnCode, Encoder, NativeEncoder
from promolab.results import Result
from promolab.wording import number

if TYPE_CHECKING:
    import pandas as pd

    from promolab.model.response import ResponseModel


@dataclasses.dataclass(frozen=True)
class PreparedColumn:
    """What becomes of one source column.

    Parameters
    ----------
    column, what : str
        Its name, and what it is: ``number`` or ``category``.
    used : str
        ``yes``, ``no: …`` with the reason, or ``yes, but …`` with what to look at.
    missing : float
        Share of training rows without a value.
    missing_becomes : str
        What a missing value is for the model.
    levels : int
        Levels that the model tells apart; 0 for a number.
    in_other : float
        Share of training rows whose level is too rare to stand alone.
    unseen_becomes : str
        What a level that training rows never had is for the model; empty for a number.
    """

    column: str
    what: str
    used: str
    missing: float
    missing_becomes: str
    levels: int
    in_other: float
    unseen_becomes: str


@dataclasses.dataclass(frozen=True)
class Preparation(Result):
    """What becomes of each column of a model's features.

    Parameters
    ----------
    kind : str
        Kind of model.
    columns : tuple of PreparedColumn
        One per source column, sorted by name.
    """

    kind: str
    columns: tuple[PreparedColumn, ...]  # type: ignore[assignment]

    def to_frame(self) -> pd.DataFrame:
        """Return a row per source column, with the fields of `PreparedColumn`."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(PreparedColumn)]
        rows = [dataclasses.astuple(column) for column in self.columns]
        return pd.DataFrame(rows, columns=names)

    def facts(self) -> dict[str, Any]:
        """Return which columns are used, what was done about gaps, and the rows of the table.

        First what is left out, then categories, then what is missing most.
        """
        left = [c for c in self.columns if c.used.startswith("no")]
        gaps = [c for c in self.columns if c.missing > 0 and c not in left]
        texts = [c for c in self.columns if c.what == "category" and c not in left]
        odd = [label(c.column) for c in self.columns if c.used.startswith("yes, but")]
        most = max(gaps, key=lambda c: (c.missing, label(c.column)), default=self.columns[0])
        frame = self.to_frame()
        plain = (frame["used"] == "yes") & ~(frame["missing"] > 0) & (frame["what"] != "category")
        order = ["used", "what", "missing", "column"]
        rows = frame[~plain].sort_values(order, ascending=[True, True, False, True], kind="stable")
        # A heading without anything under it is left out.
        seen = rows["unseen_becomes"].where(rows["unseen_becomes"] != "")
        return {
            "used": len(self.columns) - len(left),
            "left": [f"{label(c.column)} ({c.used.removeprefix('no: ')})" for c in left],
            "gaps": len(gaps),
            "gappiest": most.column,
            "missing": most.missing,
            "becomes": most.missing_becomes,
            "texts": len(texts),
            "levels": sum(c.levels for c in texts),
            "odd": odd,
            "shown": rows.assign(unseen_becomes=seen),
            "rows": [dataclasses.asdict(c) for c in self.columns],
        }


def prepared(model: ResponseModel, outcome: str | None = None) -> Preparation:
    """Return what becomes of each column before a fitted model sees it.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    outcome : str, optional
        Of a model with one learner per outcome: which; the first by default.

    Raises
    ------
    InputError
        No such outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.model.response import ResponseModel
    >>> X = pd.DataFrame({"orders": range(40), "again": range(40), "city": ["a", "b"] * 20})
    >>> model = ResponseModel().fit(X, [0] * 10 + [1, 0] * 15)
    >>> prepared(model).to_frame()[["column", "used"]]
       column                used
    0   again                 yes
    1    city                 yes
    2  orders  no: same as again
    """
    place = 0 if outcome is None else model._place_of(outcome)
    encoder = getattr(model.learners_[min(place, len(model.learners_) - 1)], "encoder", None)
    if isinstance(encoder, Encoder):
        found = [_encoded(code) for code in encoder.codes]
    elif isinstance(encoder, NativeEncoder):
        found = [_native(code) for code in encoder.codes]
    else:
        raise InputError(f"a {model.kind} model does not say how it prepares its columns")
    return Preparation(model.kind, tuple(found))


def _encoded(code: ColumnCode) -> PreparedColumn:
    if code.kind == "categorical":
        gap = "a level of its own" if code.missing_share > 0 else "none of the levels"
        return _prepared(code, gap, "none of the levels")
    median = f"the median, {number(code.median)}"
    flagged = 0 < code.missing_share < 1
    return _prepared(code, f"{median}, and an indicator" if flagged else median, "")


def _native(code: ColumnCode) -> PreparedColumn:
    stays = "it stays missing, and each split sends it to the side where it fits"
    gap = stays if code.missing_share > 0 else "it goes where most training rows went"
    return _prepared(code, gap, gap)


def _prepared(code: ColumnCode, gap: str, unseen: str) -> PreparedColumn:
    """Return a row, given what becomes of a gap, and of a level never seen if no other is rare."""
    numeric = code.kind == "numeric"
    used = f"no: {code.dropped}" if code.dropped else "yes"
    if code.dropped == "constant" and code.pooled > 1 and not code.levels:
        used = f"no: each of its {code.pooled:,} levels is too rare to learn from"
    elif not code.dropped and code.id_like:
        used = "yes, but every row has another whole number, as running ids do"
    unseen = "(other)" if code.other_share > 0 else unseen
    return PreparedColumn(
        code.name,
        "number" if numeric else "category",
        used,
        code.missing_share,
        "–" if code.dropped else gap,
        len(code.levels),
        code.other_share,
        "" if numeric else "–" if code.dropped else unseen,
    )
