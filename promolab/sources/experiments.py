"""Where an experiment comes from: Hillstrom's e-mails, or anyone's table of decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.checks import columns_there, is_number
from promolab.contract import (
    TIME_NAMES,
    Experiment,
    as_whole,
    counts_up,
    names_a_thing,
    names_an_id,
    with_kinds,
)
from promolab.contract import role_of as kind_of
from promolab.errors import InputError, nearest
from promolab.sources.labelled import as_numbers, check_chances, read_table
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd


MANY = 50
"""Different values from which a text that hardly repeats is taken for a key."""


def left_over(table: pd.DataFrame, taken: set[str], customer_id: str) -> tuple[list[str], str]:
    """Return the columns that may be covariates, and a sentence on those that are left out.

    Times, keys and ids are no covariates: an id tells a model nothing but which row it is.

    Parameters
    ----------
    table : DataFrame
    taken : set of str
        Columns that have another role.
    customer_id : str
        Column of the customer.
    """
    rest = [name for name in table.columns if name not in taken]
    out = [name for name in rest if _says_which(table, name, table[customer_id])]
    if not out:
        return rest, ""
    said = f"No covariates, being times, keys or ids: {', '.join(out)}."
    return [name for name in rest if name not in out], said


def _says_which(table: pd.DataFrame, name: str, customer: pd.Series) -> bool:
    import pandas as pd

    column = table[name]
    if name in TIME_NAMES or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    if kind_of(table, name) is not None:
        return False
    if names_an_id(name):
        return True
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return bool(column.nunique() > max(MANY, len(table) / 2))
    if pd.api.types.is_bool_dtype(column.dtype):
        return False
    values = column.to_numpy(dtype=float, na_value=float("nan"))
    return (names_a_thing(name) and counts_up(values)) or _tells_units_apart(column, customer)


FEWEST = 20
"""Values from which on numbers that are all different say something about what they are."""


def _tells_units_apart(column: pd.Series, unit: pd.Series) -> bool:
    """Whether whole numbers differ from row to row, or are one per unit, as ids are."""
    import numpy as np
    import pandas as pd

    found = pd.DataFrame({"value": column, "unit": unit}).dropna(subset="value")
    values = found["value"].to_numpy(dtype=float)
    if len(values) < FEWEST or not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    different = found["value"].nunique()
    if different == len(found):
        return True
    return FEWEST <= different == found["unit"].nunique() == len(found.drop_duplicates())


def no_copies(table: pd.DataFrame, covariates: Sequence[str], outcomes: Sequence[str]) -> None:
    """Refuse a covariate that is an outcome under another name."""
    import numpy as np
    import pandas as pd

    def numbers(name: str) -> np.ndarray | None:
        is_number = pd.api.types.is_numeric_dtype(table[name].dtype)
        return table[name].to_numpy(dtype=float, na_value=np.nan) if is_number else None

    known = {name: values for name in covariates if (values := numbers(name)) is not None}
    for outcome in outcomes:
        values = numbers(outcome)
        if values is None or len(values) < FEWEST or len(np.unique(values)) < 2:
            continue
        for name, same in known.items():
            if name != outcome and np.array_equal(same, values):
                raise InputError(
                    f"the covariate {name!r} equals the outcome {outcome!r} in all "
                    f"{count(len(values))} rows; it cannot have been known when the decision was "
                    "made: name the covariates without it"
                )


HILLSTROM = "hillstrom"
CONTROL_WORDS = ("control", "none", "no", "nothing", "holdout", "false", "0")
"""What a control may be called without being named."""
ROW = "row"
"""The column that stands for the customer where none is named."""


def load_experiment(
    source: str | Path | pd.DataFrame,
    *,
    path: str | Path | None = None,
    arm: str | None = None,
    outcomes: str | Sequence[str] = (),
    control: Any = None,
    propensity: Any = None,
    covariates: Sequence[str] | None = None,
    customer_id: str | None = None,
    placebo: str | Sequence[str] = (),
    household: str | None = None,
    block: str | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Experiment:
    """Open an experiment: one row per decision.

    Parameters
    ----------
    source : str, Path or DataFrame
        ``"hillstrom"``, a real randomised e-mail promotion that brings its own columns; or a csv,
        Excel or parquet file, or a frame.
    path : str or Path, optional
        Of ``"hillstrom"`` alone: its file; else it is looked for in the folder that
        ``PROMOLAB_DATA`` names, then in the cache, then downloaded there.
    arm : str
        Column of what was assigned.
    outcomes : str or sequence of str
        Columns measured after the decision: numbers, or true and false.
    control : object, optional
        The arm that got nothing; known by itself where it is 0, false, ``none`` or ``control``.
    propensity : optional
        Chances of the arms. A number: of the one arm beside the control. A mapping of arm to
        number or to column: one arm may lack, it gets the rest. A column: the chance of *the arm
        that the row got*, which says all where there are two arms. ``"constant"``: at random, the
        same for all (of a block), counted in the data. Without it they are to be estimated, and
        effects are adjusted, not randomised.
    covariates : sequence of str, optional
        Columns known before the decision. By default all others but times, keys and ids (numbers
        that differ from row to row, or are one per customer): that they were known before is then
        an assumption, which `promolab.UpliftModel` names in its ``checks_``, and it refuses one
        that looks as if it was measured afterwards.
    customer_id : str, optional
        Column of the customer, whose rows belong together; without it each row is a customer.
    placebo : str or sequence of str
        Columns like the outcomes, measured before the decision.
    household, block : str, optional
        Columns of the household, and of the round of decisions.
    kinds : mapping of str to {"number", "category"}, optional
        What columns are that would be read otherwise, such as ``{"campaign": "number"}``.

    Returns
    -------
    Experiment
        Arms as text where they are not numbers; whole numbers where they are (1.0 is 1).

    Raises
    ------
    InputError
        A column or file that is not there, an outcome among the covariates, no known control.
    DataError
        Values that cannot be used; says how many, and which first.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"member": [1, 2, 3, 4], "mail": ["no", "yes", "no", "yes"],
    ...                      "age": [30, 41, 52, 33], "spend": [0.0, 8.0, 2.0, 0.0]})
    >>> trial = load_experiment(
    ...     rows, arm="mail", outcomes="spend", propensity=0.5, customer_id="member"
    ... )
    >>> trial.treatments, trial.covariates, trial.randomised
    (('yes',), ('age',), True)
    """
    import pandas as pd

    from promolab.sources.hillstrom import hillstrom

    outcomes, placebo = _listed(outcomes), _listed(placebo)
    if not isinstance(source, pd.DataFrame) and str(source) == HILLSTROM:
        stated = (arm, control, propensity, covariates, customer_id, household, block, kinds)
        if any(value is not None for value in stated) or outcomes or placebo:
            raise InputError(
                f"{HILLSTROM!r} brings its own columns and chances: give its file by path= alone, "
                "or any file as the source with columns of your own"
            )
        return hillstrom(path)
    if path is not None:
        raise InputError(f"path is for {HILLSTROM!r} alone; give the file as the source")
    if arm is None or not outcomes:
        raise InputError(
            "say which columns are the arm and the outcomes: arm=…, outcomes=… (only "
            f"{HILLSTROM!r} brings its own)"
        )
    given = read_table(source)
    table = with_kinds(pd.DataFrame({c: _values(given[c]) for c in given.columns}), kinds)
    others = [c for c in (customer_id, household, block) if c is not None]
    columns_there(table, [arm, *outcomes, *placebo, *others, *_listed(covariates)])
    table[outcomes + placebo] = table[outcomes + placebo].apply(_outcome)
    arms = sorted(as_whole(table[arm].dropna()).unique().tolist(), key=str)
    table[arm] = as_whole(table[arm])
    control = _control(control, arms, arm)
    notes: list[str] = []
    if customer_id is None:
        customer_id = ROW
        while customer_id in table:
            customer_id += "_"
        table[customer_id] = range(1, len(table) + 1)
        notes.append("No column of the customer is named: every row counts as one of its own.")
    chances, design, used = _propensity(propensity, table, arm, arms, control)
    assumed: list[str] = []
    if covariates is None:
        taken = {arm, *outcomes, *placebo, customer_id, *others, *used}
        assumed, left = left_over(table, taken, customer_id)
        notes += [left] if left else []
    before = assumed or _listed(covariates)
    no_copies(table, before, outcomes)
    return Experiment(
        table,
        arm,
        control,
        before,
        outcomes,
        customer_id=customer_id,
        propensity=chances,
        design=design,
        placebo=placebo,
        block=block,
        household=household,
        arms=[control, *(a for a in arms if a != control)] if chances is not None else (),
        name="Experiment" if isinstance(source, pd.DataFrame) else Path(source).name,
        notes=notes,
        assumed=assumed,
    )


def _listed(names: str | Sequence[str] | None) -> list[str]:
    """Return one name, several or none as a list."""
    return [names] if isinstance(names, str) else list(() if names is None else names)


def _values(column: pd.Series) -> Any:
    """Return numbers where all values are, true and false as they are, else text."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return as_numbers(column)


def _outcome(column: pd.Series) -> pd.Series:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(float)
    words = column.dropna().astype(str).str.strip().str.lower()
    if len(words) and words.isin(["true", "false"]).all():
        return (words == "true").astype(float).reindex(column.index)
    return column


def _control(control: Any, arms: list[Any], column: str) -> Any:
    if control is not None:
        # 0 in a call may be "0" or 0.0 in a file, and the other way round.
        # One that no row has is refused by the experiment.
        return next((a for a in arms if a == control or str(a) == str(control)), control)
    likely = [arm for arm in arms if str(arm).strip().lower() in CONTROL_WORDS]
    if len(likely) != 1:
        some = ", ".join(map(str, arms[:10]))
        raise InputError(f"say which arm of {column!r} got nothing: control=… (its arms: {some})")
    return likely[0]


def _propensity(
    given: Any, table: pd.DataFrame, column: str, arms: list[Any], control: Any
) -> tuple[Any, str, list[str]]:
    """Return the chances (n, K) with the control first, the design, and the columns used."""
    import pandas as pd

    if given is None:
        return None, "unknown", []
    if isinstance(given, str) and given == "constant":
        return None, "constant", []
    order = [control, *(arm for arm in arms if arm != control)]
    if isinstance(given, str):
        columns_there(table, given)
        return _of_own(table[given], table[column], order), "known", [given]
    if not isinstance(given, Mapping):
        number = is_number(given)
        if len(order) != 2 or not number or not 0 < float(given) < 1:
            shown = given if number else f"a {type(given).__name__}"
            raise InputError(
                f"propensity is {shown} for the arms {', '.join(map(str, order))}; give the "
                "chance of the one arm beside the control, or a mapping of arm to chance or column"
            )
        given = {order[1]: float(given)}
    by_name = {str(arm): value for arm, value in given.items()}
    strange = [name for name in by_name if name not in map(str, order)]
    if strange:
        raise InputError(
            f"propensity names the arm {strange[0]!r}; {nearest(strange[0], map(str, order))}"
        )
    lacking = [arm for arm in order if str(arm) not in by_name]
    if len(lacking) > 1:
        raise InputError(
            f"propensity lacks the arms {', '.join(map(str, lacking))}; one may lack at most"
        )
    used = [value for value in by_name.values() if isinstance(value, str)]
    columns_there(table, used)
    for name, value in by_name.items():
        if not isinstance(value, str) and not is_number(value):
            raise InputError(
                f"propensity of the arm {name!r} is {value!r}; give a number from 0 to 1, or the "
                "name of a column"
            )
    chances = pd.DataFrame(index=table.index)
    for arm in order:
        value = by_name.get(str(arm), 0.0)
        chances[str(arm)] = check_chances(table[value]) if isinstance(value, str) else float(value)
    for arm in lacking:
        chances[str(arm)] = 1 - chances.sum(axis=1)
    return chances.to_numpy(dtype=float), "known", used


def _of_own(chance: pd.Series, arm: pd.Series, order: list[Any]) -> Any:
    """Return the chances of both arms, from the chance of the one that each row got."""
    import numpy as np

    if len(order) != 2:
        raise InputError(
            f"the column {chance.name!r} says the chance of one arm, and there are {len(order)}; "
            "give propensity as a mapping of arm to column"
        )
    own = check_chances(chance).to_numpy(dtype=float)
    treated = (arm == order[1]).to_numpy()
    first = np.where(treated, 1 - own, own)
    return np.column_stack([first, 1 - first])
