"""Arms for customers whom one machine does not hold: drawn on the engine, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.abtest.assignment import assign
from promolab.abtest.layers import Layer, StandingHoldout
from promolab.engines import write_batches
from promolab.errors import InputError
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


def assign_table(
    customers: ir.Table,
    name: str,
    shares: Mapping[str, float],
    seed: int,
    out: str | Path,
    *,
    layer: Layer | None = None,
    holdout: StandingHoldout | None = None,
) -> ir.Table:
    """Give each customer of an Ibis table the arm that `assign` gives; on Spark no id leaves it.

    An arm depends on nobody but the customer, so which of them come together does not matter. Where
    it depends on others, as in strata, use `assign`.

    Parameters
    ----------
    customers : ibis Table
        With ``customer_id``, each once; ``cluster_id``, where it is there, is drawn as one.
    name, shares, seed, layer, holdout
        As `assign` takes them.
    out : str or Path
        What to write, which must not be there: a folder of parquet for Spark, in any file system
        that it knows, else a file.

    Returns
    -------
    ibis Table
        What was written: customer_id, arm, propensity.

    Raises
    ------
    InputError
        As `assign`: ids that are missing or repeated, shares that are none; or ``out`` is there.

    Examples
    --------
    >>> import ibis, tempfile
    >>> rows = ibis.memtable({"customer_id": range(1000)})
    >>> out = Path(tempfile.mkdtemp()) / "arms.parquet"
    >>> arms = assign_table(rows, "spring", {"holdout": 0.1, "send": 0.9}, 0, out)
    >>> int((arms.arm == "holdout").sum().execute())
    89
    """
    rows = customers.select("customer_id", *{"cluster_id"} & set(customers.columns))
    ids = rows.customer_id
    told = rows.aggregate(n=rows.count(), known=ids.count(), each=ids.nunique()).execute().iloc[0]
    if told["n"] != told["known"] or told["n"] != told["each"]:
        raise InputError(
            f"customers has {plural(int(told['n'] - told['each']), 'row')} whose id is missing or "
            "stands there twice; give each customer once"
        )

    def drawn(some: pd.DataFrame) -> pd.DataFrame:
        cluster = some.get("cluster_id")
        found = assign(
            some["customer_id"], name, shares, seed, cluster, layer=layer, holdout=holdout
        )
        return found.frame.astype({"arm": str})

    columns = {"customer_id": str(ids.type()), "arm": "string", "propensity": "float64"}
    return write_batches(rows, drawn, columns, out)
