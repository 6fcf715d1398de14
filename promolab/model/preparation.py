"""What becomes of each column before a model sees it: the one place where that is told."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError
from promolab.glossary import label
from promolab.language import ENGLISH, speaking
from promolab.model.inputs.encoding import ColumnCode, Encoder, NativeEncoder
from promolab.results import Result, words_of

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
        ``yes``, ``no_…`` with the reason, or ``yes_id`` for what may be an id; these and what
        becomes of values are codes, which `Preparation.to_frame` says in words.
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
    median : float
        What a missing number may become.
    same_as : str
        The column that this one repeats; empty where it repeats none.
    pooled : int
        How many levels are too rare to stand alone.
    """

    column: str
    what: str
    used: str
    missing: float
    missing_becomes: str
    levels: int
    in_other: float
    unseen_becomes: str
    median: float = 0.0
    same_as: str = ""
    pooled: int = 0

    def told(self) -> dict[str, Any]:
        """Return the column with its codes in words, in the language that is spoken."""
        said = {
            "used": self.say("use_said"),
            "missing_becomes": self.say("turned", self.missing_becomes),
            "unseen_becomes": self.say("turned", self.unseen_becomes),
        }
        return {name: said.get(name, getattr(self, name)) for name in _TOLD}

    def say(self, line: str, turned: str = "") -> str:
        """Return one line of the words on the column, or on what a value of it turns into."""
        codes = {"use": self.used, "turned": turned}
        facts = {name: getattr(self, name) for name in ("median", "same_as", "pooled")}
        facts["called"] = label(self.column)
        return words_of(__name__, "Preparation", **codes, **facts).say(line)


_TOLD = [field.name for field in dataclasses.fields(PreparedColumn)][:8]


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
        """Return a row per source column: the fields of `PreparedColumn` up to what becomes."""
        with speaking(ENGLISH):  # in tables, whatever the page speaks
            return self._told()

    def _told(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([column.told() for column in self.columns], columns=_TOLD)

    def facts(self) -> dict[str, Any]:
        """Return which columns are used, what was done about gaps, and the rows of the table.

        First what is left out, then categories, then what is missing most.
        """
        import pandas as pd

        left = [c for c in self.columns if c.used.startswith("no")]
        gaps = [c for c in self.columns if c.missing > 0 and c not in left]
        odd = [label(c.column) for c in self.columns if c.used == "yes_id"]
        most = max(gaps, key=lambda c: (c.missing, label(c.column)), default=self.columns[0])
        codes = pd.DataFrame([dataclasses.asdict(c) for c in self.columns])
        plain = (codes["used"] == "yes") & ~(codes["missing"] > 0) & (codes["what"] != "category")
        order = ["used", "same_as", "what", "missing", "column"]
        up = [True, True, True, False, True]
        shown = codes[~plain].sort_values(order, ascending=up, kind="stable")
        rows = self._told().loc[shown.index]
        # A heading without anything under it is left out.
        seen = rows["unseen_becomes"].where(rows["unseen_becomes"] != "")
        return {
            "used": len(self.columns) - len(left),
            "left": [c.say("left_column") for c in left],
            "gaps": len(gaps),
            "gappiest": most.column,
            "missing": most.missing,
            "becomes": most.told()["missing_becomes"],
            "odd": odd,
            "shown": rows.assign(unseen_becomes=seen),
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
        gap = "own_level" if code.missing_share > 0 else "no_level"
        return _prepared(code, gap, "no_level")
    return _prepared(code, "flagged" if 0 < code.missing_share < 1 else "median", "")


def _native(code: ColumnCode) -> PreparedColumn:
    gap = "stays" if code.missing_share > 0 else "as_most"
    return _prepared(code, gap, gap)


def _prepared(code: ColumnCode, gap: str, unseen: str) -> PreparedColumn:
    """Return a row, given what becomes of a gap, and of a level never seen if no other is rare."""
    numeric = code.kind == "numeric"
    same_as = code.dropped.removeprefix("same as ") if code.dropped.startswith("same as ") else ""
    used = "yes_id" if code.id_like else "yes"
    if code.dropped:
        too_rare = code.dropped == "constant" and code.pooled > 1 and not code.levels
        used = "no_same" if same_as else "no_rare" if too_rare else "no_constant"
    unseen = "other" if code.other_share > 0 else unseen
    return PreparedColumn(
        code.name,
        "number" if numeric else "category",
        used,
        code.missing_share,
        "nothing" if code.dropped else gap,
        len(code.levels),
        code.other_share,
        "" if numeric else "nothing" if code.dropped else unseen,
        code.median,
        same_as,
        code.pooled,
    )
