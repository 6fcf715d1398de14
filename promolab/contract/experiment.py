"""An experiment: who was assigned what, with which chance, and what came of it."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract._arms import arms_of, chances_for, check_columns, shares_in
from promolab.contract.roles import as_whole
from promolab.errors import InputError, nearest
from promolab.wording import arm_words, count, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DESIGNS", "Experiment"]

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
    block: str | None = None
    household: str | None = None
    arms: Sequence[Any] = ()
    name: str = "Experiment"
    notes: Sequence[str] = ()
    assumed: Sequence[str] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("covariates", "outcomes", "placebo", "notes", "assumed"):
            given = getattr(self, name)
            put(name, (given,) if isinstance(given, str) else tuple(given))
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
        places = {arm: place for place, arm in enumerate(self.arms)}
        return self.frame[self.arm].map(places).to_numpy(dtype=np.int64)

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
        return self.frame[list(self.covariates)].copy()

    def y(self, outcome: str | None = None) -> np.ndarray:
        """Return an outcome or placebo outcome, shape (n,); by default the first outcome.

        Raises
        ------
        InputError
            There is no such outcome.
        """
        known = (*self.outcomes, *self.placebo)
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
            notes = (*notes, *_left_out(int(certain.sum())))
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
        each = [
            f"{arm_words(arm)} {count(size)}" for arm, size in zip(self.arms, sizes, strict=True)
        ]
        how = {
            "known": "at random, with chances that are stated",
            "constant": "at random, with chances that are the shares found",
            "unknown": "in a way that is not stated: effects can only be adjusted",
        }[self.design or "unknown"]
        assumed = f", named by nobody: {', '.join(self.assumed)}" if self.assumed else ""
        return (
            f"{self.name}: {plural(self.n, 'decision')} on {plural(self.customers, 'customer')} "
            f"({', '.join(each)}; {arm_words(self.control)} is the control), assigned {how}. "
            f"{plural(len(self.outcomes), 'outcome')}: {', '.join(self.outcomes)}; "
            f"{plural(len(self.covariates), 'covariate')}{assumed}."
        )

    def _repr_html_(self) -> str:
        table = self.describe().to_html(
            escape=True, border=0, index=False, float_format="{:,.4g}".format
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<p>{html.escape(self.summary())}</p>{table}{notes}"


def _left_out(certain: int) -> tuple[str, ...]:
    if not certain:
        return ()
    what = plural(certain, "decision")
    return (f"{what} with only one possible arm of those compared: left out.",)
