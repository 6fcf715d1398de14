"""Score a file of any size, or a table where it lies, with a saved model, a batch at a time."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.engines import write_batches
from promolab.errors import DataError, InputError
from promolab.model import ResponseModel
from promolab.model.inputs import check_present
from promolab.results import Result

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


BATCH = 100_000
SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class Scored(Result):
    """What was scored, and where it lies.

    Parameters
    ----------
    out : Path
        The file written: the ids of the rows, or their number where they have none, and ``p_`` and
        the name of each outcome.
    n : int
        Rows, as many as the data have.
    expected : dict of str to float
        For each outcome the sum of the chances.
    """

    out: Path
    n: int
    expected: dict[str, float]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per outcome: outcome, n, expected, rate."""
        return pd.DataFrame(
            [
                {"outcome": name, "n": self.n, "expected": e, "rate": e / self.n}
                for name, e in self.expected.items()
            ]
        )

    def facts(self) -> dict[str, Any]:
        """Return the sum of the chances of each outcome."""
        return {"sums": self.to_frame()}


def score_file(
    model: ResponseModel | str | Path,
    data: str | Path,
    out: str | Path,
    *,
    batch: int = BATCH,
) -> Scored:
    """Score every row of a csv, Excel or parquet file; memory is bounded by the batch.

    Parameters
    ----------
    model : ResponseModel, str or Path
        Fitted, or the file that `ResponseModel.save` wrote.
    data : str or Path
        A file with the model's features. Columns whose names end in ``_id`` are ids and are copied
        into the output; other columns that the model does not know are left out of it.
    out : str or Path
        File to write, ``.parquet`` or ``.csv``; a reader sees the old one or the whole new one.
    batch : int
        Rows at a time.

    Returns
    -------
    Scored

    Raises
    ------
    InputError
        No such file, a suffix that is neither, a feature that the data lack.
    DataError
        A value that is no number where the model learned numbers; says which row.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> X = pd.DataFrame({"orders": range(40)})
    >>> model = ResponseModel().fit(X, [0, 1] * 10 + [1] * 20)
    >>> X.assign(customer_id=range(40)).to_csv(folder / "rows.csv", index=False)
    >>> score_file(model, folder / "rows.csv", folder / "scores.csv").n
    40
    >>> pd.read_csv(folder / "scores.csv").columns.tolist()
    ['customer_id', 'p_response']
    """
    data, out = Path(data), Path(out)
    _check_call(data, out, batch)
    if not isinstance(model, ResponseModel):
        if out.exists() and Path(model).exists() and out.samefile(model):
            raise InputError(f"{out} is the model itself; write the scores elsewhere")
        model = ResponseModel.load(model)
    model._require_fit()
    kinds = kinds_of(model)
    source, text = _source(data)
    ids = _ids(kinds, source, data)
    numeric = [name for name, what in kinds.items() if text and what == "number"]
    expected = dict.fromkeys(model.outcomes_, 0.0)
    done = 0
    with _writer(out) as write:
        for rows in _batches(source, sorted({*ids, *kinds}), batch, data.name):
            frame = _as_learned(rows, numeric, done)
            p = np.asarray(model.probability(frame)).reshape(len(frame), -1)
            # As they are in the file: in pandas a missing id would make floats of the others.
            kept = {name: rows.column(name) for name in ids}
            kept = kept or {"row": np.arange(done + 1, done + len(p) + 1)}
            write({**kept, **{f"p_{name}": p[:, k] for k, name in enumerate(expected)}})
            done += len(p)
            for k, name in enumerate(expected):
                expected[name] += float(p[:, k].sum())
    return Scored(out, done, expected)


def _check_call(data: Path, out: Path, batch: int) -> None:
    if not data.is_file():
        raise InputError(f"there is no file {data}; give a csv, Excel or parquet file")
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {out} ends in neither .parquet nor .csv; name one of the two")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: its folder must exist, and it be no folder")
    if out.exists() and out.samefile(data):
        raise InputError(f"{out} is the data itself; write the scores elsewhere")
    whole_number("batch", batch, 1, hint=": the rows scored together")


def _source(data: Path) -> tuple[Path, bool]:
    """Return a parquet file with the rows of ``data``, and whether its columns are all text."""
    from promolab.engines import connect
    from promolab.sources.files import kind_of, new_file, read_files

    if kind_of(data) == "parquet":
        read_files(connect(), data.name, [data])  # says what is wrong with it
        return data, False
    raw = read_files(connect(), data.name, [data])
    copy = new_file("scoring")
    raw.table.to_parquet(copy)
    return copy, raw.columns_as_text


def _ids(kinds: dict[str, str], source: Path, data: Path) -> list[str]:
    """Return the columns that are ids, after checking that the features are there."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source)
    names = file.schema_arrow.names
    if file.metadata.num_rows == 0:
        raise DataError(f"{data.name} has no rows")
    check_present(pd.DataFrame(columns=names), sorted(kinds))
    return [name for name in names if name.endswith("_id")]


def kinds_of(model: ResponseModel) -> dict[str, str]:
    """Return what each source column was when the model learned: number or category."""
    prepared = [model.preparation(name).columns for name in model.outcomes_]
    return {column.column: column.what for columns in prepared for column in columns}


def _batches(source: Path, columns: list[str], batch: int, name: str) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq
    from tqdm import tqdm

    file = pq.ParquetFile(source)
    with tqdm(total=file.metadata.num_rows, desc=name, unit=" rows", disable=None) as bar:
        for rows in file.iter_batches(batch_size=batch, columns=columns):
            yield rows
            bar.update(rows.num_rows)


def _as_learned(rows: pa.RecordBatch, numeric: list[str], before: int) -> pd.DataFrame:
    """Turn texts of a csv into numbers where the model learned numbers."""
    frame: pd.DataFrame = rows.to_pandas()
    for name in numeric:
        given = frame[name]
        numbers = pd.to_numeric(_without_words(given), errors="coerce")
        wrong = (numbers.isna() & given.notna()).to_numpy()
        if wrong.any():
            first = int(wrong.argmax())
            raise DataError(
                f"the column {name!r} holds {given.iloc[first]!r} in row {before + first + 1}, and "
                "the model learned numbers; write a number, or leave it empty"
            )
        frame[name] = numbers.astype("float64")
    return frame


def _without_words(given: pd.Series) -> pd.Series:
    """Return true and false as 1 and 0 where a column holds nothing else."""
    words = given.str.strip().str.lower()
    if given.isna().all() or not (words.isin(("true", "false")) | given.isna()).all():
        return given
    return words.map({"true": 1.0, "false": 0.0})


@contextlib.contextmanager
def _writer(out: Path) -> Iterator[Any]:
    """Append columns to a hidden file beside ``out``, which takes its place when all are there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    hidden = out.with_name(f".{out.name}.{os.getpid()}")
    parquet: list[pq.ParquetWriter] = []
    started: list[bool] = []

    def whole(kind: pa.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(kind) if pa.types.is_integer(kind) else None

    def write(columns: dict[str, Any]) -> None:
        table = pa.table(columns)
        if out.suffix.lower() == ".csv":
            frame = table.to_pandas(types_mapper=whole)
            frame.to_csv(hidden, mode="a", header=not started, index=False)
            started.append(True)
            return
        if not parquet:
            parquet.append(pq.ParquetWriter(hidden, table.schema))
        parquet[0].write_table(table)

    try:
        yield write
        for writer in parquet:
            writer.close()
        hidden.replace(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)


def score_table(model: ResponseModel | str | Path, rows: ir.Table, out: str | Path) -> Scored:
    """Score every row of an Ibis table; on Spark the rows never leave it.

    Parameters
    ----------
    model : ResponseModel, str or Path
        Fitted, or the file that `ResponseModel.save` wrote.
    rows : ibis Table
        The model's features, such as `promolab.build_features` or `build_candidates` returns them.
        Columns whose names end in ``_id`` are ids and are copied.
    out : str or Path
        What to write, which must not be there: a folder of parquet for Spark, in any file system
        that it knows, else a file.

    Returns
    -------
    Scored
        How many rows, and for each outcome the sum of the chances, both added up by the engine.

    Raises
    ------
    InputError
        A feature that the table lacks, or ``out`` is there already.

    Examples
    --------
    >>> import ibis
    >>> X = pd.DataFrame({"customer_id": range(40), "orders": range(40)})
    >>> model = ResponseModel().fit(X[["orders"]], [0, 1] * 10 + [1] * 20)
    >>> out = Path(tempfile.mkdtemp()) / "scores.parquet"
    >>> score_table(model, ibis.memtable(X), out).n
    40
    >>> pd.read_parquet(out).columns.tolist()
    ['customer_id', 'p_response']
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(model) if not isinstance(model, ResponseModel) else model.save(f"{folder}/m")
        saved = path.read_bytes()
    learned = _loaded(saved)
    features = sorted(kinds_of(learned))
    check_present(pd.DataFrame(columns=list(rows.columns)), features)
    ids = [name for name in rows.columns if name.endswith("_id")]
    chances = [f"p_{name}" for name in learned.outcomes_]

    def scored(some: pd.DataFrame) -> pd.DataFrame:
        # On an executor the model is read from these bytes once: numbers and JSON, no code.
        found = np.asarray(_loaded(saved).probability(some[features])).reshape(len(some), -1)
        return some[ids].assign(**{name: found[:, k] for k, name in enumerate(chances)})

    kinds = {name: str(rows[name].type()) for name in ids} | dict.fromkeys(chances, "float64")
    written = write_batches(rows.select(*ids, *features), scored, kinds, out)
    sums = {name: written[name].sum() for name in chances}
    told = written.aggregate(n=written.count(), **sums).execute().iloc[0]
    expected = {name: float(told[f"p_{name}"]) for name in learned.outcomes_}
    return Scored(Path(out), int(told["n"]), expected)


@functools.lru_cache(maxsize=2)
def _loaded(saved: bytes) -> ResponseModel:
    with tempfile.NamedTemporaryFile() as file:
        file.write(saved)
        file.flush()
        return ResponseModel.load(file.name)
