"""What an experiment is read from, as arrays: who is in which arm, what belongs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Experiment
from promolab.effects import arm_name
from promolab.engines import connect
from promolab.errors import InputError, nearest
from promolab.stats import units_of
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis

USUAL_CONTROLS = ("control", "holdout", "none")
ROW = "experiment_row"
"""Number of a decision, where one row is one."""


@dataclass(frozen=True)
class Opened:
    """A table, the connection that reads it, and which column is what.

    Parameters
    ----------
    table : ibis.Table
    con : ibis backend
    arm, customer : str
    cluster : str or None
    chances : str, dict of arm to column, or None
        Chance of the arm that a row got, or of each arm.
    stated : bool
        Whether the chances are stated, rather than the shares found.
    once : bool
        Whether each row is known to be a unit that was drawn.
    control : object
        The control that the data name.
    notes : tuple of str
        What has to be said beside the figures.
    """

    table: ibis.Table
    con: Any
    arm: str
    customer: str
    cluster: str | None
    chances: str | Mapping[Any, str] | None
    stated: bool = True
    once: bool = False
    control: Any = None
    notes: tuple[str, ...] = ()


def opened(
    data: Any,
    arm: str,
    customer: str,
    cluster: str | None,
    propensity: str | Mapping[Any, str] | None,
    outcomes: list[str],
) -> Opened:
    """Open what was given.

    Parameters
    ----------
    data, arm, customer, cluster, propensity
        As `promolab.analyze_experiment` takes them.
    outcomes : list of str
        Columns that the metrics read.

    Raises
    ------
    InputError
        A file or a column that is not there.
    """
    if isinstance(data, Experiment):
        return _of_experiment(data)
    con = data.get_backend() if hasattr(data, "get_backend") else connect()
    found = Opened(table_of(data, con, "data"), con, arm, customer, cluster, propensity)
    chances = propensity.values() if isinstance(propensity, Mapping) else [propensity]
    there(found.table, [arm, customer, *outcomes, *filter(None, [cluster, *chances])], "data")
    return found


def there(table: ibis.Table, names: list[str], what: str) -> None:
    """Refuse a table that lacks a column."""
    for name in names:
        if name not in table.columns:
            raise InputError(
                f"there is no column {name!r} in {what}; {nearest(str(name), table.columns)}"
            )


def table_of(data: Any, con: Any, what: str) -> ibis.Table:
    """Return a table of the engine: of a frame, a table, or a path to parquet or csv files.

    Raises
    ------
    InputError
        If it is none of these, or no such file is there.
    """
    import ibis
    import pandas as pd

    if isinstance(data, ibis.Table):
        return data
    if isinstance(data, pd.DataFrame):
        if not len(data):
            raise InputError(f"{what} has no rows; give a row per customer who was assigned")
        try:
            return ibis.memtable(data.reset_index(drop=True).rename(columns=str))
        except Exception as error:  # whatever Arrow says of columns that hold several kinds
            raise InputError(f"{what} cannot be read as a table: {error}") from None
    if isinstance(data, (str, Path)):
        return _of_files(str(data), con, what)
    raise InputError(
        f"{what} is a {type(data).__name__}; expected a DataFrame, an Ibis table, a path to "
        "parquet or csv, or an Experiment"
    )


def _of_files(path: str, con: Any, what: str) -> ibis.Table:
    if Path(path).is_dir():
        path = str(Path(path) / "*.parquet")
    files = sorted(glob(path))
    if not files:
        raise InputError(f"there is no file {path}; give {what} as a path to parquet or csv")
    kinds = {Path(file).name.removesuffix(".gz").rpartition(".")[2].lower() for file in files}
    reader = {"parquet": con.read_parquet, "csv": con.read_csv, "tsv": con.read_csv}
    if len(kinds) > 1 or not kinds <= set(reader):
        raise InputError(
            f"{what} = {path!r} is {', '.join(sorted(kinds))}; expected parquet or csv"
        )
    try:
        return reader[kinds.pop()](files)
    except Exception as error:  # each engine has its own errors for a file that is none
        first = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as a table: {first}") from None


def _of_experiment(data: Experiment) -> Opened:
    import ibis

    if not data.randomised:
        raise InputError(
            f"{data.name} does not say with which chances arms were drawn; where they were not "
            "drawn, compare with promolab.UpliftModel, else state the propensity"
        )
    frame = data.frame.assign(**{ROW: np.arange(data.n)})
    chances = {arm: f"experiment_chance_{place}" for place, arm in enumerate(data.arms)}
    frame = frame.assign(**dict(zip(chances.values(), np.asarray(data.propensity).T, strict=True)))
    table = ibis.memtable(frame.rename(columns=str))
    return Opened(
        table, connect(), data.arm, ROW, data.customer_id, chances,
        stated=data.design == "known", once=True, control=data.control, notes=tuple(data.notes),
    )  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The rows of an experiment.

    Parameters
    ----------
    names : tuple of str
        The arms, the control first.
    code : ndarray of int of shape (n,)
        Arm of each row, in rising order.
    columns : dict of str to ndarray of shape (n,)
        Numbers by column, nan where one is missing.
    unit : ndarray of int of shape (n,), optional
        Codes 0, 1, … of the customers or clusters; without, each row is a unit.
    weight : ndarray of shape (n,), optional
        1 ÷ the chance of the arm that each row got, where chances differ.
    segment : ndarray of int of shape (n,)
        Place in ``segments``, −1 where a row is in none.
    segments : tuple of str
        In order.
    """

    names: tuple[str, ...]
    code: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    unit: np.ndarray | None = None
    weight: np.ndarray | None = None
    segment: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    segments: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """Units in all arms."""
        return len(self.code) if self.unit is None else int(self.unit.max(initial=-1)) + 1

    @cached_property
    def crossing(self) -> bool:
        """Whether units have rows in several arms."""
        return self.unit is not None and _torn(self.unit, self.code) > 0

    def counted(self, mine: np.ndarray) -> tuple[int, int]:
        """Return how many rows and units some rows are."""
        rows = int(np.count_nonzero(mine))
        return rows, rows if self.unit is None else len(np.unique(self.unit[mine]))

    def by_arm(self, mine: np.ndarray | bool = True) -> dict[str, int]:
        """Return rows by arm: all, or some of them."""
        return {name: int((mine & (self.code == k)).sum()) for k, name in enumerate(self.names)}

    def units_by_arm(self) -> dict[str, int]:
        """Return units by arm."""
        return {name: self.counted(self.code == k)[1] for k, name in enumerate(self.names)}

    @cached_property
    def missing(self) -> dict[str, dict[str, int]]:
        """Rows without a value, by column and arm."""
        return {name: self.by_arm(np.isnan(values)) for name, values in self.columns.items()}

    def by_segment(self) -> list[tuple[str, np.ndarray]]:
        """Return the places of each segment's rows."""
        order = np.argsort(self.segment, kind="stable")
        ends = np.cumsum(np.bincount(self.segment + 1, minlength=len(self.segments) + 1))
        return list(zip(self.segments, np.split(order, ends[:-1])[1:], strict=True))

    def only(self, mine: np.ndarray) -> Rows:
        """Return some of the rows, without their columns."""
        unit = None if self.unit is None else np.unique(self.unit[mine], return_inverse=True)[1]
        weight = None if self.weight is None else self.weight[mine]
        return replace(self, code=self.code[mine], columns={}, unit=unit, weight=weight)


def number_of(table: ibis.Table, column: str) -> ibis.Value:
    """Return a column as a float, null where it is missing or not a number.

    Raises
    ------
    InputError
        If it holds texts or times.
    """
    values = table[column]
    kind = values.type()
    if kind.is_boolean():
        values = values.cast("int8")
    elif not (kind.is_numeric() or kind.is_null()):
        raise InputError(f"the column {column!r} holds {kind}; expected numbers, or true and false")
    return values.cast("float64")


def read_rows(
    opened: Opened, columns: Sequence[str], control: Any, segments: str | None = None
) -> Rows:
    """Read the rows of an experiment.

    Parameters
    ----------
    opened : Opened
    columns : sequence of str
        Those that hold numbers.
    control : object
        As asked for.
    segments : str, optional
        Column of texts.

    Raises
    ------
    InputError
        Missing arms or customers, infinite values, no control, a single arm, a customer in several.
    """
    import pandas as pd

    table, con = opened.table, opened.con
    customer = table[opened.customer]
    sizes = con.execute(
        table.group_by(arm=table[opened.arm]).agg(rows=table.count(), gone=customer.isnull().sum())
    )
    if not len(sizes):
        raise InputError("data has no rows; give a row per customer who was assigned")
    if (unknown := sizes["arm"].isna()).any():
        raise InputError(
            f"the column {opened.arm!r} has {plural(int(sizes['rows'][unknown].sum()), 'row')} "
            "without an arm; every customer was assigned"
        )
    if gone := int(sizes["gone"].sum()):
        raise InputError(
            f"the column {opened.customer!r} has {plural(gone, 'row')} without a customer"
        )
    raw = {arm: arm_name(arm) for arm in sizes["arm"].tolist()}
    names = sorted(raw.values())
    first = control_of(names, opened.control if control is None else control)
    if len(names) < 2:
        raise InputError(f"every row has the arm {first!r}: there is nothing to compare")
    names = [first, *(name for name in names if name != first)]
    asked = {"arm": table[opened.arm].cases(*((r, names.index(n)) for r, n in raw.items()))}
    # Ids are read only where they repeat: texts of millions are slow to move.
    if not opened.once and int(con.execute(customer.nunique())) < int(sizes["rows"].sum()):
        asked["customer"] = customer
    asked |= {} if opened.cluster is None else {"cluster": table[opened.cluster]}
    asked |= {} if segments is None else {"segment": table[segments].cast("string")}
    asked |= {f"c{i}": number_of(table, column) for i, column in enumerate(columns)}
    read = con.to_pyarrow(table.select(**asked))
    # Arm by arm, so that sums over one need no copy of its rows.
    order = np.argsort(read["arm"].to_numpy(), kind="stable")
    code = read["arm"].to_numpy()[order]
    values = {column: read[f"c{i}"].to_numpy()[order] for i, column in enumerate(columns)}
    for column, numbers in values.items():
        if np.isinf(numbers).any():
            raise InputError(f"the column {column!r} holds infinity; expected finite numbers")
    ids = {
        name: read[name].to_pandas().iloc[order]
        for name in ("customer", "cluster")
        if name in asked
    }
    found = Rows(tuple(names), code, values, _units(code, **ids))
    if segments is None:
        return found
    segment, parts = pd.factorize(read["segment"].to_pandas().iloc[order], sort=True)
    return replace(found, segment=segment, segments=tuple(map(str, parts)))


def _units(code: np.ndarray, customer: Any = None, cluster: Any = None) -> np.ndarray | None:
    """Return which rows belong together; None where each stands alone."""
    import pandas as pd

    unit = None
    if customer is not None:
        unit = pd.factorize(customer)[0]
        if torn := _torn(unit, code):
            raise InputError(
                f"{plural(torn, 'customer')} found in more than one arm; each customer has one. "
                "Where customers are drawn anew each time, name the decision as customer= and the "
                "customer as cluster="
            )
    if cluster is not None:
        unit = units_of(cluster, unit)
    return None if unit is None or unit.max() + 1 == len(unit) else unit


def _torn(unit: np.ndarray, code: np.ndarray) -> int:
    """Return how many units are in several arms."""
    arms = int(code.max(initial=0)) + 1
    pairs = np.unique(unit.astype(np.int64) * arms + code)
    return int((np.bincount(pairs // arms) > 1).sum())


def control_of(names: Sequence[str], control: Any) -> str:
    """Return the control among the arms: the one named, else one that is called so.

    Raises
    ------
    InputError
        None is called so, or nobody is in the one named.
    """
    usual = [name for name in USUAL_CONTROLS if name in names]
    if control is None and not usual:
        raise InputError(
            f"which arm is the control? None of {', '.join(names)} is called so; name it as "
            "control="
        )
    first = usual[0] if control is None else arm_name(control)
    if first not in names:
        raise InputError(f"control = {first!r} is an arm with nobody; {nearest(first, names)}")
    return first
