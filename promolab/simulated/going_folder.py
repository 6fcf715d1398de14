"""The folder of a shop that goes on: each week's rows appear at once, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.folder import write_whole
from promolab.simulated.tables import described
from promolab.simulated.world import World

if TYPE_CHECKING:
    import pyarrow as pa

WORLD, SETTINGS, WEEKS, KEPT = "going.json", "shop.toml", "weeks", "kept"
TABLES = (
    *("customers", "products", "events", "promotions", "promotion_products", "exposures"),
    *("responses", "decisions", "decision_propensities", "contact_rights", "reviews", "calendar"),
)


class Making:
    """Rows that become known at the start of a week, before they are published.

    Parameters
    ----------
    weeks : Path
        Where the weeks lie.
    week : int
        At whose start they are known.
    """

    def __init__(self, weeks: Path, week: int) -> None:
        self.target = weeks / f"{week:03d}"
        # Beside the weeks: a reader's pattern for their files must not find what is unfinished.
        self.place = weeks.parent / f".making-{week:03d}"
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / KEPT).mkdir(parents=True)

    def write(self, table: str, part: int, rows: pa.Table) -> None:
        """Write a part of a table."""
        import pyarrow.parquet as pq

        folder = self.place / table
        folder.mkdir(exist_ok=True)
        pq.write_table(rows, folder / f"part-{part:05d}.parquet")

    def keep(self, name: str, values: np.ndarray) -> None:
        """Keep what the next week needs and no table says."""
        np.save(self.place / KEPT / f"{name}.npy", values)

    def keep_rows(self, name: str, rows: pa.Table) -> None:
        """Keep rows that no table may hold yet."""
        import pyarrow.parquet as pq

        pq.write_table(rows, self.place / KEPT / f"{name}.parquet")

    def publish(self) -> None:
        """Let the week appear: one renaming, so that a kill leaves all of it or nothing.

        Raises
        ------
        InputError
            Another run wrote it meanwhile.
        """
        try:
            self.place.rename(self.target)
        except OSError as error:
            raise InputError(
                f"{self.target} cannot be written ({error}); does another run go on in this folder?"
            ) from error


class Folder:
    """Where a shop that goes on lies.

    Parameters
    ----------
    path : Path
        A folder that is empty, not there yet, or holds this world's shop.
    world : World
        The world it goes on from.

    Raises
    ------
    InputError
        It holds something else, or cannot be written.
    """

    def __init__(self, path: Path, world: World) -> None:
        self.path, self.weeks = path, path / WEEKS
        own = described(world)
        try:
            path.mkdir(parents=True, exist_ok=True)
            made = path / WORLD
            if not made.exists() and any(path.iterdir()):
                raise InputError(f"{path} holds something else; give an empty or a new folder")
            if made.exists() and made.read_text("utf-8") != own:
                raise InputError(
                    f"{path} holds the shop of another world; give another folder, or the world "
                    f"that {made.name} in it describes"
                )
            if not made.exists():
                write_whole(made, own)
            self.weeks.mkdir(exist_ok=True)
            for left in path.glob(".making-*"):
                shutil.rmtree(left)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error}; give another folder") from error

    @property
    def known(self) -> list[int]:
        """Weeks at whose start rows became known, the log's first."""
        return sorted(int(place.name) for place in self.weeks.glob("[0-9]*"))

    def schema(self, table: str) -> pa.Schema:
        """Return a table's columns, which every part must have alike."""
        import pyarrow.parquet as pq

        return pq.read_schema(self.weeks / f"{self.known[0]:03d}" / table / "part-00000.parquet")

    def kept(self, week: int, name: str) -> np.ndarray:
        """Return what a week kept for the next."""
        return np.asarray(np.load(self.weeks / f"{week:03d}" / KEPT / f"{name}.npy"))

    def kept_rows(self, week: int, name: str) -> pa.Table:
        """Return the rows that a week kept for the next."""
        import pyarrow.parquet as pq

        return pq.read_table(self.weeks / f"{week:03d}" / KEPT / f"{name}.parquet")

    def describe(self, settings: str) -> None:
        """Write ``shop.toml``, which says where each table's parts lie."""
        # Nothing is returned in a simulated shop: there are no return days to wait for.
        returns = "[attribution]\nreturn_days = 0\n"
        parts = [f'[{name}]\nfiles = "{WEEKS}/*/{name}/*.parquet"\n' for name in TABLES]
        write_whole(self.path / SETTINGS, "\n".join([settings, returns, *parts]))


def as_table(columns: Mapping[str, Any], schema: pa.Schema | None = None) -> pa.Table:
    """Return columns as a table, of a schema where one is known."""
    import pyarrow as pa

    found = pa.table(dict(columns))
    if schema is not None:
        return found.select(schema.names).cast(schema)
    # Ids of which none is there are texts all the same.
    for place, field in enumerate(found.schema):
        if pa.types.is_null(field.type) and field.name.endswith("_id"):
            found = found.set_column(place, field.name, found[place].cast(pa.string()))
    return found
