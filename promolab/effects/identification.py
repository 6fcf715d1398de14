"""What was checked before an effect is shown, and what the checks say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from promolab.display import Html, table
from promolab.errors import InputError
from promolab.results import Result, plain
from promolab.wording import arm_words, count, decimals_for, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Identification:
    """By what right a difference between arms is called an effect.

    Parameters
    ----------
    name : {"randomised", "adjusted", "not identified"}
        ``randomised``: chance alone said who got what, and the checks found nothing against it.
        ``adjusted``: the covariates are taken to tell all by which arms and outcomes hang together.
        ``not identified``: neither holds, and the difference must not be called an effect.
    because : str
        Why, in a sentence.

    Examples
    --------
    >>> str(Identification("randomised", "the chances are known"))
    'randomised'
    """

    name: str
    because: str

    def __str__(self) -> str:
        return self.name

    @property
    def causal(self) -> bool:
        """Whether the word effect may be used."""
        return self.name != "not identified"

    def qualified(self, sentence: str) -> str:
        """Return a sentence with what has to be said beside it."""
        if self.name == "randomised":
            return sentence
        if self.name == "adjusted":
            return f"{sentence} Adjusted, not randomised: {self.because}."
        return f"{sentence} This is not an effect: {self.because}."


def figure(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write an effect with its interval: what the interval allows, and two digits at least.

    Examples
    --------
    >>> figure(0.0454, 0.0392, 0.0517), figure(12.31, 9.2, 15.4), figure(0.0057)
    ('0.045 [0.039, 0.052]', '12 [9, 15]', '0.0057')
    """
    if not math.isfinite(value):
        return number(value)
    two = 1 - math.floor(math.log10(abs(value))) if value else 0
    decimals = max(two, 0)
    if low is not None and high is not None and math.isfinite(high - low):
        allowed = decimals_for(low, high)
        decimals = max(allowed, min(two, allowed + 1))
    return number(value, low, high, decimals=decimals)


def p_words(value: float) -> str:
    """Write a p value.

    Examples
    --------
    >>> p_words(0.2345), p_words(0.004), p_words(1e-9)
    ('p = 0.23', 'p = 0.004', 'p < 0.001')
    """
    if not math.isfinite(value):
        return "p unknown"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.2f}" if value >= 0.01 else f"p = {value:.3f}"


def signed(value: float, decimals: int = 2) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed(0.123), signed(-0.1234, 3)
    ('+0.12', '−0.123')
    """
    return f"{value:+.{decimals}f}".replace("-", "−")


def spoken(name: object) -> str:
    """Write the name of an arm or a column as one says it.

    Examples
    --------
    >>> spoken("limited_time_discount")
    'limited time discount'
    """
    return str(name).replace("_", " ")


def lines(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a small table, their columns as attributes.

    Examples
    --------
    >>> import pandas as pd
    >>> [row.arm for row in lines(pd.DataFrame({"arm": ["mail", "coupon"]}))]
    ['mail', 'coupon']
    """
    yield from table.itertuples()


def written(frame: pd.DataFrame, *names: str) -> list[str]:
    """Return values with their intervals as texts, from three columns."""
    return [figure(*row) for row in frame[list(names)].to_numpy(dtype=float).tolist()]


def of_arms(frame: pd.DataFrame, *estimates: str, **shown: Any) -> pd.DataFrame:
    """Return a table by arm as it is shown: arms as one says them, estimates with their intervals.

    Parameters
    ----------
    frame : DataFrame
        With the column arm.
    *estimates : str
        Columns that stand beside ``_low`` and ``_high`` of theirs; ``effect`` beside ``ci_low`` and
        ``ci_high``.
    **shown
        More columns.
    """
    ends = {name: (f"{name}_low", f"{name}_high") for name in estimates}
    ends |= {"effect": ("ci_low", "ci_high")} if "effect" in estimates else {}
    texts = {name: written(frame, name, *ends[name]) for name in estimates}
    return frame.assign(arm=frame["arm"].map(spoken), **texts, **shown)


NOTABLE = 0.1
"""Difference of arms in standard deviations from which on it is told (Stuart 2010)."""
ASSUMED = "covariates"
"""The check whose sentence is said although it passed: it names what rests on nobody's word."""
VERDICTS = ("passed", "warning", "refused", "not possible")


class Refused(InputError):  # noqa: N818
    """The experiment fails a check, so its differences must not be shown as effects."""


@dataclass(frozen=True)
class Withheld(Result):
    """In place of a figure: why there is none. It is false, as nothing is."""

    why: str

    def __bool__(self) -> bool:
        return False

    def to_frame(self) -> pd.DataFrame:
        """Return a table without rows."""
        import pandas as pd

        return pd.DataFrame()

    def summary(self) -> str:
        """Return why."""
        return self.why

    def table(self) -> Html:
        """Return nothing: there are no rows."""
        return Html("")


NOT_SHOWN = "Not shown: the checks above do not allow an effect."
NOTHING = "Not shown: there is nothing to compare."
Method = TypeVar("Method", bound=Callable[..., Any])


def of_effects(tell: Method) -> Method:
    """Let a method of a model that a check refuses say so in place of a figure."""

    @wraps(tell)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "why_", None) is not None:
            return Withheld(NOT_SHOWN if self.why_ else NOTHING)
        return tell(self, *args, **kwargs)

    return cast("Method", told)


@dataclass(frozen=True)
class ByArm(Result):
    """Figures by arm on an outcome, against the control.

    Parameters
    ----------
    rows : DataFrame
        One row per arm (or more).
    outcome : str
        What is measured, per customer and decision, in its own unit.
    control : object
        The arm that got nothing.
    level : float
        Of the intervals, which are clustered by customer.
    identification : Identification
    """

    rows: pd.DataFrame
    outcome: str
    control: Any
    level: float
    identification: Identification

    @property
    def level_words(self) -> str:
        """The confidence level in percent."""
        return percent(self.level, decimals=0)

    def to_frame(self) -> pd.DataFrame:
        """Return the rows, and by what right they are called effects."""
        return self.rows.assign(identification=str(self.identification))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm."""
        arms = plain(self.rows.set_index("arm").to_dict("index"))
        told = {"outcome": self.outcome, "identification": str(self.identification)}
        return told | {"level": self.level, "arms": arms}

    def drawn_on(self, ax: Axes, title: str, subtitle: str) -> Axes:
        """Say what a figure of effects shows: by what right, on what, and how sure."""
        from promolab import plots

        measure = {"randomised": "Effect", "adjusted": "Adjusted effect"}.get(
            self.identification.name, "Difference, not an effect,"
        )
        told = f"{measure} on {self.outcome} per decision against {arm_words(self.control)}"
        return plots.finish(ax, title=title, subtitle=f"{told}, {subtitle}", xlabel=self.outcome)


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name : str
    verdict : {"passed", "warning", "refused", "not possible"}
    sentence : str
        What was found, and what to do about it.
    value : float
        The figure behind it; nan where there is none.
    p_value : float
        Of the figure where nothing is wrong; nan where there is none.
    """

    name: str
    verdict: str
    sentence: str
    value: float = float("nan")
    p_value: float = float("nan")


@dataclass(frozen=True)
class UpliftChecks(Result):
    """All checks of an experiment.

    Parameters
    ----------
    checks : tuple of Check
    overlap : DataFrame
        One row per arm: arm, n, customers, lowest and median propensity among those who could get
        it, kept (share of its rows with overlap), effective_n (Kish's, of these rows weighted),
        effective_share of them, and even_n (rows of an even experiment of arm and control that
        would tell as much: 4 / the mean of 1/e_k + 1/e_0, times n).
    balance : DataFrame
        One row per arm and covariate column: arm, column, source (its covariate), raw and weighted
        (differences to the control in standard deviations, before and after weighting by the
        chances), p_value (of the weighted one).
    randomised : bool
        Whether the experiment says that chance alone assigned the arms.
    """

    checks: tuple[Check, ...]
    overlap: pd.DataFrame
    balance: pd.DataFrame
    randomised: bool

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the checks that refuse."""
        return tuple(check.name for check in self.checks if check.verdict == "refused")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of the checks that warn."""
        return tuple(check.name for check in self.checks if check.verdict == "warning")

    @property
    def identification(self) -> Identification:
        """By what right a difference between the arms would be called an effect."""
        failed = [check.sentence for check in self.checks if check.verdict == "refused"]
        if failed:
            return Identification("not identified", _clause(failed[0]))
        if self.randomised:
            return Identification("randomised", "chance alone assigned the arms")
        return Identification(
            "adjusted",
            "by which chance each row got its arm is not stated (propensity=), so it holds only if "
            "the covariates tell all by which assignment and outcome hang together",
        )

    def require(self, despite: tuple[str, ...] = ()) -> None:
        """Raise an error if a check refuses that is not among those named.

        Parameters
        ----------
        despite : tuple of str
            Checks to go on in spite of; the result is then not identified.

        Raises
        ------
        Refused
            With the sentence of each such check.
        """
        left = [c for c in self.checks if c.verdict == "refused" and c.name not in despite]
        if left:
            names = ", ".join(repr(check.name) for check in left)
            raise Refused(
                " ".join(check.sentence for check in left)
                + f" To see the differences all the same, as not identified: despite=[{names}]"
            )

    def with_others(self, others: Sequence[Check]) -> UpliftChecks:
        """Return these checks and what was checked elsewhere."""
        return replace(self, checks=(*self.checks, *others))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per check."""
        import pandas as pd

        return pd.DataFrame([vars(check) for check in self.checks])

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, figure and sentence of every check."""
        shown = self.to_frame().set_index("name").to_dict("index")
        return {"identification": str(self.identification), "checks": plain(shown)}

    def summary(self) -> str:
        """Return what the checks that did not pass say, what is assumed, or that all passed."""
        words = {v: [c for c in self.checks if c.verdict == v] for v in VERDICTS}
        assumed = [c for c in words["passed"] if c.name == ASSUMED]
        found = [c.sentence for c in (*words["refused"], *words["warning"], *assumed)]
        passed = f"{plural(len(words['passed']), 'check')} passed"
        if words["not possible"]:
            names = ", ".join(c.name for c in words["not possible"])
            passed += f", {len(words['not possible'])} not possible ({names})"
        return " ".join([f"Identification: {self.identification}; {passed}.", *found])

    def answer(self) -> str:
        """Say whether a difference may be called an effect."""
        if self.refused:
            return f"Refused: {', '.join(self.refused)}. No effect is shown."
        return f"No check refuses: effects are shown, and are {self.identification}."

    def table(self) -> Html:
        """Return what each check found, and the overlap of the arms."""
        frame = self.to_frame()
        frame = frame.assign(verdict=frame["verdict"].replace("not possible", "–"))
        shown = {"name": "check", "verdict": "verdict", "sentence": "what was found"}
        caption = f"{self.answer()} What each check found; any of them may refuse."
        columns = {
            "arm": "arm",
            "n": "decisions",
            "lowest": "lowest chance",
            "median": "median chance",
            "kept": "with overlap",
            "effective_n": "worth, weighted",
        }
        formats: dict[str, Any] = {"n": count, "effective_n": count}
        formats |= dict.fromkeys(["lowest", "median", "kept"], percent)
        overlap = (
            "Chances of the arms among those who could get them; how many equally weighted "
            "decisions each arm is worth."
        )
        return table(frame, shown, caption=caption, most=len(frame)) + table(
            of_arms(self.overlap), columns, formats, caption=overlap, most=20
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the largest differences between arms and control, before and after weighting."""
        from promolab import plots

        if not len(self.balance):
            raise InputError("no covariate varies")
        rows = self.balance.assign(size=self.balance[["raw", "weighted"]].abs().max(axis=1))
        rows = rows.sort_values(["size", "arm", "column"], ascending=[False, True, True]).head(12)
        several = len(self.balance["arm"].unique()) > 1
        names = [spoken(f"{r.column} ({r.arm})" if several else r.column) for r in lines(rows)]
        text = [f"raw {signed(r.raw)}" for r in lines(rows)]
        ax = plots.intervals(
            names, rows["weighted"], rows["weighted"], rows["weighted"], reference=0.0,
            text=text, ax=ax,
        )  # fmt: skip
        # However small the largest difference is, it is seen beside one that would matter.
        reach = max(1.2 * NOTABLE, 1.1 * float(rows["weighted"].abs().max() or 0))
        ax.set_xlim(-reach, reach)
        worst = float(self.balance["weighted"].abs().max()) if len(self.balance) else 0.0
        return plots.finish(
            ax,
            title=f"Arms and control differ by at most {worst:.2f} standard deviations",
            subtitle="Difference of each covariate to the control after weighting by the chances "
            "of the arms; right: before it",
            xlabel="standard deviations",
        )


def _clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
