"""What was checked before an effect is shown, and what the checks say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from promolab.display import Html
from promolab.errors import InputError
from promolab.glossary import label
from promolab.results import Result, words_of
from promolab.wording import arm_words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Identification:
    """By what right a difference between arms is called an effect.

    Parameters
    ----------
    name : {"randomised", "adjusted", "not identified"}
        ``randomised``: chance alone said who got what, and the checks found nothing against it.
        ``adjusted``: the covariates are taken to explain all that drove both arms and outcomes.
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


def spoken(name: object) -> str:
    """Write the name of an arm or a column as one says it.

    Examples
    --------
    >>> spoken("limited_time_discount")
    'limited time discount'
    """
    return str(name).replace("_", " ")


def arm_code(arm: object) -> str:
    """Return what an arm is called where words are put in: a number alone is no name.

    Examples
    --------
    >>> arm_code("limited_time_discount"), arm_code(1)
    ('limited_time_discount', 'arm 1')
    """
    told = arm_words(arm)
    return told if told.startswith("arm ") else str(arm)


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table by arm with the names that words are put into."""
    return frame.assign(arm=frame["arm"].map(arm_code))


def stated(
    name: str, case: str, value: float = math.nan, p_value: float = math.nan, **given: Any
) -> Check:
    """Return a check whose sentence stands in the room's words, under its name.

    Parameters
    ----------
    name : str
    case : str
        Its verdict, and with a dot which of several sentences.
    value, p_value : float
        As `Check` has them.
    **given
        Facts of the sentence.
    """
    facts = words_of(__name__, "checks", case=case, p=p_value, value=value, **given)
    return Check(name, case.partition(".")[0], facts.say(name), value, p_value)


NOTABLE = 0.1
"""Difference of arms in standard deviations from which on it is told (Stuart 2010)."""
ASSUMED = "covariates"
"""The check whose sentence is said although it passed: it names what rests on nobody's word."""


class Refused(InputError):  # noqa: N818
    """The experiment fails a check, so its differences must not be shown as effects."""


@dataclass(frozen=True)
class Withheld(Result):
    """In place of a figure: why there is none. It is false, as nothing is.

    Parameters
    ----------
    why : str
        A code of its words.
    said : str
        What was found in place of a figure, where the code is ``found``.
    """

    why: str
    said: str = ""

    def __bool__(self) -> bool:
        return False

    def to_frame(self) -> pd.DataFrame:
        """Return a table without rows."""
        import pandas as pd

        return pd.DataFrame()

    def table(self) -> Html:
        """Return nothing: there are no rows."""
        return Html("")


REFUSED, NOTHING = "refused", "nothing"
"""Why a figure is withheld: a check refuses it, or there is nothing to compare."""
Method = TypeVar("Method", bound=Callable[..., Any])


def of_effects(tell: Method) -> Method:
    """Let a method of a model that a check refuses say so in place of a figure."""

    @wraps(tell)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "why_", None) is not None:
            return Withheld(REFUSED if self.why_ else NOTHING)
        return tell(self, *args, **kwargs)

    return cast("Method", told)


class OfEffects(Result):
    """A result that says by what right it speaks of effects."""

    identification: Identification

    @property
    def right(self) -> str:
        """The name of its identification."""
        return self.identification.name

    @property
    def causal(self) -> bool:
        """Whether differences may be called effects."""
        return self.identification.causal

    @property
    def adjusted(self) -> bool:
        """Whether they hold only where covariates explain who got what."""
        return self.right == "adjusted"

    @property
    def because(self) -> str:
        """Why it has it."""
        return self.identification.because


@dataclass(frozen=True)
class ByArm(OfEffects):
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

    def to_frame(self) -> pd.DataFrame:
        """Return the rows, and by what right they are called effects."""
        return self.rows.assign(identification=self.right)

    @property
    def by_arm(self) -> dict[Any, Any]:
        """The rows by arm."""
        found: dict[Any, Any] = self.rows.set_index("arm").to_dict("index")
        return found


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
        return tuple(check.name for check in self.of("refused"))

    @property
    def identification(self) -> Identification:
        """By what right a difference between the arms would be called an effect."""
        if failed := self.of("refused"):
            said = failed[0].sentence
            return Identification("not identified", said[:1].lower() + said[1:].rstrip("."))
        if self.randomised:
            return Identification("randomised", "chance alone assigned the arms")
        return Identification(
            "adjusted",
            "the chances of the arms are not stated (propensity=), so it holds only if the "
            "covariates explain everything that drove both who was contacted and what they bought",
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
        left = [check for check in self.of("refused") if check.name not in despite]
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

    def of(self, verdict: str) -> list[Check]:
        """Return the checks with a verdict."""
        return [check for check in self.checks if check.verdict == verdict]

    def facts(self) -> dict[str, Any]:
        """Return the checks by verdict, and the largest differences of covariates."""
        assumed = [c for c in self.of("passed") if c.name == ASSUMED]
        found = [*self.of("refused"), *self.of("warning"), *assumed]
        return {
            "right": str(self.identification),
            "judged": self.to_frame().replace({"verdict": {"not possible": "–"}}),
            "passed": len(self.of("passed")),
            "impossible": [c.name for c in self.of("not possible")],
            "sentences": " ".join(c.sentence for c in found),
            "by_name": self.to_frame().set_index("name").to_dict("index"),
            "largest": self._largest,
            "worst": float(self.balance["weighted"].abs().max()) if len(self.balance) else 0.0,
            "reach": self._reach,
        }

    def _largest(self) -> pd.DataFrame:
        rows = self.balance.assign(size=self.balance[["raw", "weighted"]].abs().max(axis=1))
        rows = rows.sort_values(["size", "arm", "column"], ascending=[False, True, True]).head(12)
        columns = rows["column"].map(label)
        return named(rows).assign(column=columns, low=rows["weighted"], high=rows["weighted"])

    def _reach(self) -> list[float]:
        # However small the largest difference is, it is seen beside one that would matter.
        reach = max(1.2 * NOTABLE, 1.1 * float(self._largest()["weighted"].abs().max() or 0))
        return [-reach, reach]
