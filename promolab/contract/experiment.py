"""An experiment: who was assigned what, with which chance, and what came of it."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import along
from promolab.contract.roles import as_whole
from promolab.errors import DataError, InputError, nearest
from promolab.results import words_of
from promolab.wording import arm_words, count, plural

if TYPE_CHECKING:
    import pandas as pd


MOST_ARMS = 50
NEAR = 1e-6
"""By how much the chances of a row may miss 1: they come written with some digits."""


def check_columns(experiment: Experiment) -> None:
    """Raise an error where a column is not there, has two roles, or misses values."""
    frame = experiment.frame
    known = [str(c) for c in frame.columns]
    roles = {
        "arm": (experiment.arm,),
        "customer_id": (experiment.customer_id,),
        "outcomes": experiment.outcomes,
        "placebo": experiment.placebo,
        "early": experiment.early,
        "covariates": experiment.covariates,
        "block": () if experiment.block is None else (experiment.block,),
        "household": () if experiment.household is None else (experiment.household,),
    }
    if not experiment.outcomes:
        raise InputError("outcomes names no column; give at least one")
    if not len(frame):
        raise DataError(f"{experiment.name} has no decisions")
    taken: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name not in known:
                raise InputError(f"{role}: there is no column {name!r}; {nearest(name, known)}")
            # A customer may be the household, and a round may be known before the decision.
            free = role in ("block", "household") and taken.get(name) != "outcomes"
            if name in taken and not free:
                raise InputError(_two_roles(name, taken[name], role))
            taken.setdefault(name, role)
    for name in experiment.assumed:
        if name not in experiment.covariates:
            raise InputError(f"assumed names {name!r}, which is not among the covariates")
    for name in (experiment.arm, experiment.customer_id):
        _complete(frame[name], "take those rows out")
    for name in experiment.outcomes:
        _numeric(frame[name])
        _complete(frame[name], "an outcome must be known for every decision; take those rows out")
    for name in (*experiment.placebo, *experiment.early):
        _numeric(frame[name])
    for name in experiment.early:
        _complete(frame[name], "what is measured early must be known for every decision")


def _two_roles(name: str, one: str, other: str) -> str:
    if one == other:
        return f"{one} names {name!r} twice"
    if other == "covariates" and one in ("outcomes", "placebo", "early"):
        return (
            f"{name!r} is an outcome and cannot be a covariate: it was not known when the decision "
            "was made"
        )
    return f"{name!r} is named as {one} and among {other}; a column has one role"


def _complete(column: pd.Series, advice: str) -> None:
    gone = column.isna().to_numpy()
    if gone.any():
        raise DataError(
            f"the column {column.name!r} has {plural(int(gone.sum()), 'missing value')} of "
            f"{count(len(column))}, first in row {int(gone.argmax()) + 1}; {advice}"
        )


def _numeric(column: pd.Series) -> None:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(
            f"the outcome {column.name!r} holds {str(column.iloc[0])!r}; expected numbers, or true "
            "and false"
        )
    if np.isinf(column.to_numpy(dtype=float, na_value=np.nan)).any():
        raise DataError(f"the outcome {column.name!r} holds infinity; expected finite numbers")


def arms_of(column: pd.Series, control: Any, stated: Sequence[Any]) -> tuple[Any, ...]:
    """Return the arms, the control first.

    Raises
    ------
    InputError
        If the control is none of them, or there is nothing to compare it with.
    DataError
        If a row has an arm that is not among those stated, or there are too many.
    """
    found = sorted(column.unique().tolist(), key=str)
    if stated:
        strange = [arm for arm in found if arm not in stated]
        if strange:
            raise DataError(
                f"the column {column.name!r} holds the arm {strange[0]!r}; "
                f"{nearest(str(strange[0]), map(str, stated))}"
            )
    everything = list(dict.fromkeys(stated)) or found
    if len(everything) > MOST_ARMS:
        raise DataError(
            f"the column {column.name!r} has {plural(len(everything), 'arm')}; expected at most "
            f"{MOST_ARMS}. Is it the right column?"
        )
    if control not in everything:
        raise InputError(
            f"control is {control!r}, which no row of {column.name!r} has; "
            f"{nearest(str(control), map(str, everything))}"
        )
    if len(everything) < 2:
        raise InputError(f"every row has the arm {control!r}: there is nothing to compare")
    return (control, *(arm for arm in everything if arm != control))


def chances_for(given: Any, codes: np.ndarray, arms: Sequence[Any]) -> np.ndarray:
    """Return stated chances as a read-only array of shape (n, K), rows summing to 1.

    Raises
    ------
    DataError
        If they are of another shape, no chances, do not sum to 1, or an arm was given that had
        none.
    """
    if set(getattr(given, "columns", ())) == set(arms):
        given = given[list(arms)]
    chances = np.array(given, dtype=float, order="F")  # by columns: few of them, and long ones
    if chances.shape != (len(codes), len(arms)):
        raise DataError(
            f"propensity has the shape {chances.shape}; expected ({len(codes)}, {len(arms)}): a "
            f"row per decision, a column per arm ({', '.join(map(str, arms))})"
        )
    if not ((chances >= 0) & (chances <= 1 + NEAR)).all():
        raise DataError("propensity holds values that are missing or no chance between 0 and 1")
    total = chances.sum(axis=1)
    off = np.abs(total - 1) > NEAR
    if off.any():
        row = int(off.argmax())
        raise DataError(
            f"the propensities of {plural(int(off.sum()), 'row')} do not sum to 1, first in row "
            f"{row + 1} ({total[row]:.6g}); state the chance of every arm that was possible"
        )
    got = chances[np.arange(len(codes)), codes]
    if (got <= 0).any():
        row = int((got <= 0).argmax())
        raise DataError(
            f"{plural(int((got <= 0).sum()), 'row')} got an arm whose propensity is 0, first row "
            f"{row + 1} ({arms[codes[row]]!r}); the chances are not those it was drawn with"
        )
    chances /= total[:, None]
    chances.flags.writeable = False
    return chances


def shares_in(codes: np.ndarray, k: int, blocks: pd.Series | None) -> np.ndarray:
    """Return the share of each arm, of each block, as chances of shape (n, k)."""
    block = np.zeros(len(codes), dtype=np.int64)
    if blocks is not None:
        block = np.asarray(blocks.factorize(use_na_sentinel=False)[0], dtype=np.int64)
    counts = np.zeros((block.max() + 1, k))
    np.add.at(counts, (block, codes), 1)
    chances: np.ndarray = (counts / counts.sum(axis=1, keepdims=True))[block]
    chances.flags.writeable = False
    return chances


DESIGNS = ("known", "constant", "unknown")
"""How the chances of the arms are known; see `Experiment`."""
CERTAIN = 1 - 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """Decisions, one row each: arm, chances, what was known before and what came after.

    Parameters
    ----------
    frame : DataFrame of n rows
        One row per decision; it gets the index 0 to n - 1.
    arm : str
        Column of the arm that was assigned; floats that are all whole are whole numbers.
    control : object
        The arm that got nothing.
    covariates : sequence of str
        Columns known before the decision. None of the other columns named here can be one.
    outcomes : sequence of str
        Columns measured after it: numbers, known in every row.
    customer_id : str
        Column of the customer, whose rows belong together in every interval.
    propensity : array-like of shape (n, K), optional
        Chance of each arm in each row, in the order of ``arms``.
    design : {"known", "constant", "unknown"}, optional
        ``known``: the chances are stated by who assigned (the default where ``propensity`` is
        given). ``constant``: assigned at random with the same chances for all rows (of a block);
        where none are given they are the shares found. ``unknown`` (the default else): to be
        estimated from the covariates, so that effects are adjusted and not randomised.
    placebo : sequence of str
        Columns measured as the outcomes are, but before the decision; nan where not known.
    early : sequence of str
        Columns measured after the decision, sooner than the outcomes and so with less noise. By the
        first one effects on the first outcome are told apart (`promolab.UpliftModel`).
    block : str, optional
        Column of the round in which a decision was made.
    household : str, optional
        Column of the household or the like.
    arms : sequence, optional
        All arms, the control among them; by default those in the frame. The control becomes the
        first; without ``arms`` the others follow in the order of their text.
    name : str
        What readers call it.
    notes : sequence of str
        Sentences that belong beside every figure made from it.
    assumed : sequence of str
        Those of the covariates that nobody named: that they were known before the decision is
        assumed, said beside every figure, and doubted where it can be.

    Raises
    ------
    InputError
        A column that is not there or has two roles, or an unknown control or design.
    DataError
        Missing arms, customers or outcomes; chances that are none.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": [1, 2, 3, 4], "mail": ["no", "yes", "no", "yes"],
    ...                      "age": [30, 41, 52, 33], "spend": [0.0, 8.0, 2.0, 0.0]})
    >>> trial = Experiment(rows, "mail", "no", ["age"], ["spend"], design="constant")
    >>> trial.arms, trial.codes.tolist(), trial.propensity[0].tolist()
    (('no', 'yes'), [0, 1, 0, 1], [0.5, 0.5])
    >>> trial.describe()["spend"].tolist()
    [1.0, 4.0]
    """

    frame: pd.DataFrame
    arm: str
    control: Any
    covariates: Sequence[str]
    outcomes: Sequence[str]
    customer_id: str = "customer_id"
    propensity: Any = None
    design: str | None = None
    placebo: Sequence[str] = ()
    early: Sequence[str] = field(default=(), kw_only=True)
    block: str | None = None
    household: str | None = None
    arms: Sequence[Any] = ()
    name: str = "Experiment"
    notes: Sequence[str] = ()
    assumed: Sequence[str] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("covariates", "outcomes", "placebo", "early", "notes", "assumed"):
            given = getattr(self, name)
            put(name, (given,) if isinstance(given, str) else tuple(given))
        put("propensity", along(self.frame, self.propensity, "propensity", "frame"))
        put("frame", self.frame.reset_index(drop=True))
        design = self.design or ("unknown" if self.propensity is None else "known")
        if design not in DESIGNS:
            raise InputError(f"design is {design!r}; {nearest(str(design), DESIGNS)}")
        put("design", design)
        check_columns(self)
        put("frame", self.frame.assign(**{self.arm: as_whole(self.frame[self.arm])}))
        put("arms", arms_of(self.frame[self.arm], self.control, self.arms))
        if self.propensity is not None:
            if design == "unknown":
                raise InputError('design is "unknown" although the propensity is given')
            put("propensity", chances_for(self.propensity, self.codes, self.arms))
        elif design == "known":
            raise InputError('design is "known" but no propensity is given; state it')
        elif design == "constant":
            blocks = None if self.block is None else self.frame[self.block]
            put("propensity", shares_in(self.codes, len(self.arms), blocks))

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, n={self.n}, arms={self.arms})"

    @property
    def n(self) -> int:
        """Decisions."""
        return len(self.frame)

    @property
    def K(self) -> int:  # noqa: N802
        """Arms, the control included."""
        return len(self.arms)

    @property
    def treatments(self) -> tuple[Any, ...]:
        """The arms but the control."""
        return tuple(self.arms[1:])

    @property
    def randomised(self) -> bool:
        """Whether chance alone, with chances that are known, said who got what."""
        return self.design != "unknown"

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """Place of each row's arm in ``arms``, shape (n,); 0 is the control."""
        each, names = self.frame[self.arm].factorize()
        places = {arm: place for place, arm in enumerate(self.arms)}
        return np.asarray(np.array([places[name] for name in names], dtype=np.int64)[each])

    @functools.cached_property
    def cluster(self) -> np.ndarray:
        """Number of each row's customer, shape (n,)."""
        return np.asarray(self.frame[self.customer_id].factorize()[0], dtype=np.int64)

    @property
    def customers(self) -> int:
        """Different customers."""
        return int(self.cluster.max()) + 1 if self.n else 0

    @property
    def X(self) -> pd.DataFrame:  # noqa: N802
        """The covariates, shape (n, p)."""
        return self.frame[list(self.covariates)]

    def y(self, outcome: str | None = None) -> np.ndarray:
        """Return an outcome, an early or a placebo one, shape (n,); by default the first outcome.

        Raises
        ------
        InputError
            There is no such outcome.
        """
        known = (*self.outcomes, *self.placebo, *self.early)
        outcome = known[0] if outcome is None else outcome
        if outcome not in known:
            raise InputError(f"there is no outcome {outcome!r}; {nearest(str(outcome), known)}")
        return self.frame[outcome].to_numpy(dtype=float, na_value=np.nan)

    def take(self, rows: Any) -> Experiment:
        """Return the experiment of some rows: a mask, or positions. Arms and chances stay.

        Parameters
        ----------
        rows : array-like of bool or int
            Which rows.
        """
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        chances = None if self.propensity is None else self.propensity[rows]
        return replace(self, frame=self.frame.iloc[rows], propensity=chances)

    def subset(self, arms: Any) -> Experiment:
        """Return the experiment of some arms against the control, chances renormalised.

        Rows that could have got only one of them say nothing about a difference and are left out.

        Parameters
        ----------
        arms : object or sequence
            Arms to keep; the control is kept in any case.

        Raises
        ------
        InputError
            There is no such arm.

        Examples
        --------
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"customer_id": range(6), "spend": 1.0})
        >>> rows["mail"] = ["none", "none", "a", "b", "a", "b"]
        >>> trial = Experiment(rows, "mail", "none", [], ["spend"], propensity=[[1/3] * 3] * 6)
        >>> trial.subset("a").propensity[0].tolist(), trial.subset("a").n
        ([0.5, 0.5], 4)
        """
        wanted = [arms] if isinstance(arms, str) or not np.iterable(arms) else list(arms)
        for arm in wanted:
            if arm not in self.arms:
                options = nearest(str(arm), map(str, self.arms))
                raise InputError(f"there is no arm {arm!r}; {options}")
        places = [p for p, arm in enumerate(self.arms) if p == 0 or arm in wanted]
        if len(places) < 2:
            raise InputError(f"name an arm beside the control {self.control!r}")
        mine = np.isin(self.codes, places)
        chances, notes = None, self.notes
        if self.propensity is not None:
            chances = self.propensity[:, places]
            chances = chances / np.where(mine, chances.sum(axis=1), 1)[:, None]
            certain = mine & (chances.max(axis=1) > CERTAIN)
            mine, chances = mine & ~certain, chances[mine & ~certain]
            if certain.any():
                what = plural(int(certain.sum()), "decision")
                said = f"{what} with only one possible arm of those compared: left out."
                notes = (*notes, said)
        kept = tuple(self.arms[p] for p in places)
        return replace(self, frame=self.frame[mine], arms=kept, propensity=chances, notes=notes)

    def describe(self) -> pd.DataFrame:
        """Return one row per arm: decisions, customers, share, mean chance, outcomes' means.

        The means are those of the rows as they are: where chances vary, they differ between arms
        for other reasons than the arms.
        """
        import pandas as pd

        codes, arms = self.codes, range(self.K)
        of_customers = pd.Series(self.cluster).groupby(codes).nunique().reindex(arms, fill_value=0)
        size = np.bincount(codes, minlength=self.K)
        table = {
            "arm": list(self.arms),
            "n": size,
            "customers": of_customers.to_numpy(),
            "share": size / max(self.n, 1),
        }
        if self.propensity is not None:
            table["propensity"] = self.propensity.mean(axis=0)
        for name in self.outcomes:
            table[name] = pd.Series(self.y(name)).groupby(codes).mean().reindex(arms).to_numpy()
        return pd.DataFrame(table)

    def summary(self) -> str:
        """Return who was assigned what, and how, in two sentences."""
        sizes = np.bincount(self.codes, minlength=self.K)
        arms = [{"arm": arm_words(arm), "size": n} for arm, n in zip(self.arms, sizes, strict=True)]
        told = {name: getattr(self, name) for name in ("name", "n", "customers", "outcomes")}
        told |= {name: getattr(self, name) for name in ("covariates", "assumed", "design")}
        words = words_of(__name__, "Experiment", **told, arms=arms, control=arm_words(self.control))
        return words.say("told")

    def _repr_html_(self) -> str:
        table = self.describe().to_html(
            escape=True, border=0, index=False, float_format="{:,.4g}".format
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<p>{html.escape(self.summary())}</p>{table}{notes}"
