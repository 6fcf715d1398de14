"""Score a table where it lies, a batch at a time: a row per customer may be too many here."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.engines import write_batches
from promolab.model import ResponseModel
from promolab.model.inputs import check_present
from promolab.scoring.files import Scored, kinds_of

if TYPE_CHECKING:
    import ibis.expr.types as ir


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
