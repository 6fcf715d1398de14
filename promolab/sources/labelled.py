"""A plain labelled table: one row per contact, with an id, an outcome and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.checks import choices_of, columns_there, text
from promolab.contract import known_beforehand, with_kinds
from promolab.errors import DataError, InputError
from promolab.metrics import warn_of_leakage
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd


YES = {"1": 1.0, "1.0": 1.0, "true": 1.0, "yes": 1.0, "y": 1.0, "t": 1.0}
NO = {"0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0, "n": 0.0, "f": 0.0}
MOST_PERIODS = 36  # finer ones would each hold too few responses to say anything
PERIODS = ("D", "W-SUN", "M", "Q", "Y")


def load_labelled(
    path: str | Path | pd.DataFrame,
    *,
    id: str,
    label: str | Sequence[str],
    time: str | None = None,
    promotion: str | None = None,
    kinds: Mapping[str, str] | None = None,
    known: Mapping[str, bool] | bool | None = None,
) -> pd.DataFrame:
    """Read a labelled table as the frame that models, backtests and comparisons take.

    Parameters
    ----------
    path : str, Path or DataFrame
        A csv, Excel or parquet file, or a frame.
    id : str
        Column of the customer; it may repeat.
    label : str or sequence of str
        Outcome columns: 0 and 1, true and false, or yes and no. Where there are several, a row may
        lack some of them; a single one must be known in every row.
    time : str, optional
        Column of the moment as of which the features hold: a date or ISO 8601 time, UTC where no
        zone is written. With it, later rows can be predicted from earlier ones.
    promotion : str, optional
        Column of the promotion. Without it, but with ``time``, the rows of a period (the finest of
        day, week, month, quarter, year with at most 36 of them) stand for a promotion.
    kinds : mapping of str to {"number", "category"}, optional
        What features are that would be read otherwise by their names, such as
        ``{"campaign": "number"}``: models that are given the frame know it.
    known : mapping of str to bool, or True, optional
        Whether a feature was known before the outcome, such as ``{"duration": False}``: that takes
        it out; True says that it was, for models and comparisons that are given the frame, too.

    Returns
    -------
    DataFrame of n rows
        In the order of the file: customer_id; with ``time`` or ``promotion`` promotion_id; with
        ``time`` also starts_at and ends_at (of the promotion or period, UTC without a zone) and
        label_complete, as `promolab.build_pairs` has them; the outcomes as 0.0, 1.0 and nan under
        their own names; every other column as a feature: numbers where all its values are, else
        text. Codes with leading zeros stay text. ``attrs["outcomes"]`` names the outcomes, so that
        none of them is taken for a feature of another (`promolab.compare.pair_features`), and rows
        that lack one are left out only where it is the one asked for.

    Raises
    ------
    InputError
        There is no such file, or no such column; the nearest is named.
    DataError
        Ids, times or labels that are missing or no such thing; says how many, and which first.

    Warns
    -----
    UserWarning
        A feature ranks an outcome too well by itself (an AUC above 0.90; or on later rows better
        than all others together): it came later, as a rule. It is named.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"member": [7, 7, 9], "age": [31, 31, 50], "click": ["yes", "no", "no"],
    ...                      "sent": ["2024-03-01", "2024-04-02", "2024-04-02"]})
    >>> frame = load_labelled(rows, id="member", label="click", time="sent")
    >>> frame[["customer_id", "promotion_id", "click", "age"]].values.tolist()
    [[7, '2024-03-01', 1.0, 31], [7, '2024-04-02', 0.0, 31], [9, '2024-04-02', 0.0, 50]]
    """
    import pandas as pd

    labels: list[Any] = list(label) if isinstance(label, (list, tuple)) else [label]
    for what, name in (("id", id), *(("label", each) for each in labels)):
        text(what, name)
    for what, name in (("time", time), ("promotion", promotion)):
        if name is not None:
            text(what, name)
    choices_of("label", labels)
    raw = read_table(path)
    named = choices_of("columns", [c for c in (id, *labels, time, promotion) if c is not None])
    columns_there(raw, named)
    out: dict[str, Any] = {"customer_id": _ids(raw[id])}
    if promotion is not None:
        out["promotion_id"] = _ids(raw[promotion])
    moments = None if time is None else _times(raw[time])
    if moments is not None:
        out |= _when(moments, out.get("promotion_id"))
        out["label_complete"] = raw[labels].notna().all(axis=1).to_numpy()
    out |= {name: _outcome(raw[name], several=len(labels) > 1) for name in labels}
    features = [str(c) for c in raw.columns if c not in named]
    clash = sorted(set(features) & set(out))
    if clash:
        raise DataError(
            f"the column {clash[0]!r} has a name that promolab fills from id, time or promotion; "
            "rename it, or name it there"
        )
    frame = pd.DataFrame({**out, **{name: as_numbers(raw[name]) for name in features}})
    frame = known_beforehand(with_kinds(frame, kinds), known)
    frame.attrs["outcomes"] = labels
    features = [name for name in features if name in frame]
    for name in labels:
        warn_of_leakage(frame, features, frame[name].to_numpy(), moments, name)
    return frame


def read_table(given: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Return the table in a file, or a frame, with columns that are texts, each of them once.

    Raises
    ------
    InputError
        There is no such file.
    DataError
        It has no rows, or two columns of one name.
    """
    import pandas as pd

    from promolab.engines import connect
    from promolab.sources.files import read_files

    if not isinstance(given, (str, Path, pd.DataFrame)):
        raise InputError(
            f"the table is a {type(given).__name__}; give the path of a file, or a DataFrame"
        )
    if isinstance(given, pd.DataFrame):
        called, frame = "the table", given.set_axis([str(name) for name in given.columns], axis=1)
        if twice := sorted(frame.columns[frame.columns.duplicated()]):
            raise DataError(f"the table has two columns called {twice[0]!r}; rename one")
    else:
        what = "is a folder" if Path(given).is_dir() else ""
        if what or not Path(given).exists():
            said = f"{given} {what}" if what else f"there is no file {given}"
            raise InputError(f"{said}; give a csv, Excel or parquet file")
        called = Path(given).name
        frame = read_files(connect(), called, [Path(given)]).table.execute()
    if frame.empty:
        raise DataError(f"{called} has no rows")
    return frame


def check_chances(column: pd.Series) -> pd.Series:
    """Return a column of chances.

    Raises
    ------
    DataError
        A value is none.
    """
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce")
    _refuse(column, ~values.between(0, 1), "outside 0 to 1", "a chance lies between them")
    return values


def _refuse(column: pd.Series, wrong: Any, what: str, do: str) -> None:
    """Refuse a column with values that are wrong; the first is named by its row."""
    wrong = wrong.to_numpy(dtype=bool)
    if wrong.any():
        row = int(wrong.argmax())
        given = column.iloc[row]
        such = f", such as {str(given)!r}" if given == given and given is not None else ""
        raise DataError(
            f"the column {column.name!r} has {count(wrong.sum())} of "
            f"{plural(len(column), 'value')} {what}{such}, first in row {row + 1}; {do}"
        )


def _missing(column: pd.Series) -> None:
    _refuse(column, column.isna(), "missing", "take those rows out, or name another column")


def _ids(column: pd.Series) -> Any:
    import pandas as pd

    _missing(column)
    if pd.api.types.is_float_dtype(column.dtype):
        _refuse(column, column != column.round(), "with a fraction", "an id is a whole number")
        return column.astype("int64").to_numpy()
    # A csv has nothing but text: what a frame or parquet has as a number must be the same id.
    found = as_numbers(column)
    return found if getattr(found, "dtype", None) == "int64" else column.to_numpy()


def _times(column: pd.Series) -> pd.Series:
    import pandas as pd

    _missing(column)
    numbers = pd.api.types.is_numeric_dtype(column.dtype)
    texts = column.astype(str) if numbers else column
    found = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
    write = "write 2024-03-01 or 2024-03-01T18:30:00+01:00"
    _refuse(column, found.isna() | numbers, "that are no ISO 8601 time", write)
    return found.dt.tz_localize(None)


def _when(times: pd.Series, promotions: Any) -> dict[str, Any]:
    """Give each row the promotion or the period that it belongs to, with its start and end."""
    import pandas as pd

    if promotions is not None:
        grouped = times.groupby(pd.Series(promotions, index=times.index))
        return {
            "starts_at": grouped.transform("min").to_numpy(),
            "ends_at": grouped.transform("max").to_numpy(),
        }
    for code in PERIODS:
        periods = times.dt.to_period(code)
        if periods.nunique() <= MOST_PERIODS:
            break
    starts = periods.dt.start_time
    return {
        # A period that lasts no longer than a day is called by its date alone.
        "promotion_id": periods.astype(str).to_numpy(),
        "starts_at": starts.to_numpy(),
        "ends_at": (periods + 1).dt.start_time.to_numpy(),
    }


def _outcome(column: pd.Series, *, several: bool) -> Any:
    if not several:
        _missing(column)
    words = {**YES, **NO}
    texts = column.map(lambda value: str(value).strip().lower(), na_action="ignore")
    found = texts.map(words, na_action="ignore").astype(float)
    wrong = found.isna() & column.notna()
    _refuse(column, wrong, "other than 0 and 1", "code the outcome as 0 and 1")
    return found.to_numpy()


def as_numbers(column: pd.Series) -> Any:
    """Return a text column as numbers where all its values are; codes with leading zeros stay.

    Any other column comes back as it is.
    """
    import pandas as pd

    if not pd.api.types.is_string_dtype(column.dtype):
        return column.to_numpy() if not isinstance(column.dtype, pd.CategoricalDtype) else column
    given = column.dropna()
    coded = given.str.match(r"^[+-]?0\d").any()
    numbers = pd.to_numeric(given, errors="coerce")
    if coded or given.empty or numbers.isna().any():
        return column.array
    return pd.to_numeric(column).to_numpy()
