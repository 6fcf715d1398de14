"""Which segments a week uses: its own of an earlier run, the last good week's, or new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.results import Result, words_of
from promolab.segmentation import Migration, Segmenter, segment_migration
from promolab.weeks import Week

if TYPE_CHECKING:
    import pandas as pd


MODEL_FILE = "segments_model.json"


@dataclass(frozen=True)
class SegmentsModel(Result):
    """The segments that a week uses.

    Parameters
    ----------
    segmenter : Segmenter
        The week's customers in them.
    made_in : str
        The week whose customers they were made from.
    why : str
        What a reader must know about where they come from.
    run : RunFolder
        The week's folder.
    """

    segmenter: Segmenter = field(repr=False)
    made_in: str
    why: str
    run: RunFolder = field(repr=False)

    @property
    def is_carried(self) -> bool:
        """Whether the segments were made in an earlier week."""
        return self.made_in != str(self.run.week)

    def to_frame(self) -> pd.DataFrame:
        """Return the segment of each customer."""
        return self.segmenter.assignments()

    def facts(self) -> dict[str, Any]:
        """Return what the segmenter notes, and whether segments of an earlier week still fit."""
        drift = self.segmenter.drift().summary() if self.is_carried else ""
        return {"noted": " ".join(filter(None, [self.why, self.segmenter.note_, drift]))}

    @cached_property
    def migration(self) -> Migration | None:
        """Where the customers of the last good week's segments are now; None without such a week.

        Raises
        ------
        InputError
            If that week's table of segments lacks its columns.
        """
        for week in _earlier(self.run):
            folder = _folder_of(self.run, week)
            if (folder / "tables" / "segments.parquet").is_file():
                before, now = self.run.reports.run(week).read_table("segments"), self.segmenter
                own = before.get("own_segment", before["segment"])
                return segment_migration(
                    before.assign(segment=now.shown(own)),
                    now.assignments(),
                    since=str(week),
                    same_fit=self._is_same(folder / MODEL_FILE),
                    order=now.names_,
                    least=now.least,
                )
        return None

    def _is_same(self, other: Path) -> bool:
        # Segments that are used again are written again, byte for byte.
        ours = _digest(self.run.path / MODEL_FILE)
        return ours is not None and ours == _digest(other)

    def moves(self) -> pd.DataFrame:
        """Return the migration as a table; without rows where there is no earlier week."""
        import pandas as pd

        if self.migration is not None:
            return self.migration.to_frame()
        numbers = ("customers", "customers_before", "share", "share_low", "share_high")
        kinds = dict.fromkeys(("before", "now"), object) | dict.fromkeys(numbers, float)
        kinds |= dict.fromkeys(numbers[:2], int)
        return pd.DataFrame(columns=list(kinds)).astype(kinds)

    def record(self) -> None:
        """Note in ``metrics.json`` which segments were used, and how far customers moved."""
        found: dict[str, Any] = {"made_in": self.made_in, "names": self.segmenter.names_}
        found["model"] = _digest(self.run.path / MODEL_FILE)
        if self.is_carried:
            found["far"] = self.segmenter.drift().far
        moved = self.migration
        if moved is not None:
            found["migration"] = moved.to_dict()
        self.run.record("segments", found)


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def reuse_segments(
    run: RunFolder,
    segmenter: Segmenter,
    features: Any,
    customers: Iterable[Any] | None = None,
    *,
    refit: bool = False,
    least: int = 1,
) -> SegmentsModel:
    """Put the week's customers into segments whose names mean the same as last week.

    Parameters
    ----------
    run : RunFolder
        The week's folder; `MODEL_FILE` in it will hold the segments.
    segmenter : Segmenter
        What is fitted where there are no segments to carry on. Its method is what the segments
        there must be made by; so are its ``k`` and ``columns`` where it is given any.
    features, customers
        As for `Segmenter.fit`.
    refit : bool
        Make the segments anew in any case.
    least : int
        Customers that a segment holds at least; what is kept for next week knows the smaller ones.

    Returns
    -------
    SegmentsModel
        Of the segments that this week's published report records; else of those of the latest
        earlier week in the reports folder whose report is good; else made from ``features``.
        Segments without centres are always made anew.
    """
    ids = None if customers is None else list(customers)
    missed: list[str] = []
    for week in () if refit else (run.week, *_earlier(run)):
        path = _folder_of(run, week) / MODEL_FILE
        if not path.is_file():
            continue
        try:
            model = Segmenter.load(path)
            placed = model.assign(features, ids, now=str(run.week))
        except InputError as error:
            told = str(error).replace(str(path), MODEL_FILE)
            missed.append(_missed(week, "unusable", error=told))
            continue
        if _other_than_asked(model, segmenter):
            missed.append(_missed(week, "other"))
            break
        if (model.k or 0) > 1:  # a single one says nothing of anybody
            run.wrote(placed.save(run.path / MODEL_FILE))
            return SegmentsModel(placed.pooled(least), placed.made_in, " ".join(missed), run)
    fitted = segmenter.fit(features, ids)
    if fitted.has_centres:
        run.wrote(fitted.save(run.path / MODEL_FILE, made_in=str(run.week)))
    return SegmentsModel(fitted.pooled(least), str(run.week), " ".join(missed), run)


def _missed(week: Week, case: str, **facts: Any) -> str:
    """Say why the segments of a week are not carried on."""
    return words_of(__name__, "SegmentsModel", week=str(week), **facts).say(case)


def _other_than_asked(there: Segmenter, asked: Segmenter) -> bool:
    """Tell whether segments are others than those asked for."""
    if there.method != asked.method or (asked.k and there.k != asked.k):
        return True
    return asked.columns is not None and list(asked.columns) != list(there.columns or ())


def _folder_of(run: RunFolder, week: Week) -> Path:
    # The week's folder and its staging folder both lie in the reports folder.
    return run.path.resolve().parent / str(week)


def _earlier(run: RunFolder) -> list[Week]:
    """Return the good weeks before the run's, the latest first."""
    return [week for week in reversed(run.reports.weeks()) if week < run.week]
