"""Files of a simulated shop: a parquet part per table and chunk, soiled where that is asked for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.sources.simulated.dirt import STAINS, Stain, soil
from promolab.sources.simulated.world import World

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Writer", "holds", "read_soiled"]

WORLD, SOILED = "simulated.json", "soiled.parquet"


class Writer:
    """Writes the parts of each table, and keeps the list of what it soiled.

    Parameters
    ----------
    world : World
        Says how much is soiled.
    folder : Path
        Where to write; made if it is not there.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.rows: dict[str, int] = {}
        self.done: list[tuple[int, Stain]] = []
        folder.mkdir(parents=True, exist_ok=True)
        # Written first: what was not finished is known for this world's, and made again.
        (folder / WORLD).write_text(_described(world), "utf-8")

    def write(self, table: str, part: int, columns: Mapping[str, Any]) -> None:
        """Write a part of a table; its parts must come in order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pa.table(dict(columns))
        before = self.rows.get(table, 0)
        if self.world.dirt and any(stain.table == table for stain in STAINS):
            rng = np.random.default_rng([self.world.seed, 8, part, *table.encode()])
            rows, done = soil(rng, table, rows, self.world.dirt)
            self.done += [(before + row, stain) for row, stain in done]
        self.rows[table] = before + rows.num_rows
        path = self.folder / table
        path.mkdir(exist_ok=True)
        pq.write_table(rows, path / f"part-{part:05d}.parquet")

    def close(self, settings: str) -> None:
        """Write the list of what was soiled, and the shop's shop.toml."""
        if self.world.dirt:
            frame = _as_frame(self.done)
            frame.to_parquet(self.folder / SOILED, index=False)
        # Written last: a folder without it is not finished.
        (self.folder / "shop.toml").write_text(settings, "utf-8")


def _as_frame(done: list[tuple[int, Stain]]) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "table": [stain.table for _, stain in done],
        "row": np.array([row for row, _ in done], dtype=np.int64),
        "column": [stain.column for _, stain in done],
        "what": [stain.what for _, stain in done],
        "rule": [stain.rule for _, stain in done],
    }
    return pd.DataFrame(columns).sort_values(["table", "row"], ignore_index=True)


def _described(world: World) -> str:
    return json.dumps(dataclasses.asdict(world), indent=1)


def holds(folder: Path, world: World) -> bool:
    """Tell whether a folder holds this world's shop, whole.

    Raises
    ------
    InputError
        It holds something else.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; a simulated shop is written to a folder")
    made = folder / WORLD
    if made.exists() and made.read_text("utf-8") == _described(world):
        return (folder / "shop.toml").exists()
    if any(folder.iterdir()):
        raise InputError(
            f"{folder} holds something other than this simulated shop; give an empty folder, or "
            "none at all"
        )
    return False


def read_soiled(folder: Path) -> pd.DataFrame | None:
    """Return what was soiled: table, row (from 0, in the order of the parts), column, what, rule.

    None for a shop made without dirt.
    """
    import pandas as pd

    path = folder / SOILED
    return pd.read_parquet(path) if path.exists() else None
