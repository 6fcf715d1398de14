"""The run folder: tables, headline numbers and pseudonyms of one week, as the notebooks use it.

Its manifest says what it is of: source, week and as of when.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promolab
from promolab.display import Html
from promolab.errors import InputError, StepError, nearest
from promolab.folder.files import alone, keep_private, read_json, whole, write_json
from promolab.folder.forgotten import forgotten_rows, remaining, told_again
from promolab.folder.pseudonyms import codes, key_of
from promolab.language import ENGLISH, recording, show_in
from promolab.results import Result, plain
from promolab.weeks import Week

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from promolab.folder.reports_folder import ReportsFolder


_STEPS, _LOCK = ".steps", ".metrics.lock"
_METRICS, _SPOKEN = "metrics.json", "spoken.json"
STEP_VARIABLE = "PROMOLAB_STEP"  # run.py tells a kernel which step it is
_ROW_GROUP = 131_072
_WRITES = {
    "01_data": ("quarantine",),
    "02_customers": ("features", "profiles"),
    "03_segments": ("segments", "segment_advice", "segment_profile"),
    "04_response": ("pairs", "scores"),
    "06_offers": ("offers",),
    "07_policy": ("allocation", "frontier"),
    "08_plan": ("economics", "funnel", "list_sizes", "planned", "steps"),
}
"""Notebook → tables that others read."""


@dataclass(frozen=True)
class RunRecord:
    """What a run folder is of.

    Parameters
    ----------
    week : Week
        The week.
    source : str
        Where the shop's tables came from, as the manifest writes it.
    as_of : datetime, optional
        Nothing at or after it is known to the run (UTC without a zone); None where an earlier
        version did not note it.
    lead_days : int
        Days from then to the week's start.
    inputs : str
        A digest of the input files; empty where the source has none.

    Examples
    --------
    >>> record = RunRecord(Week(2017, 44), "complete_journey", datetime(2017, 10, 30, 4))
    >>> record.check(Week(2019, 10), "reports/lab")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: the tables in reports/lab are of 2017-W44, not of 2019-W10: run ...
    """

    week: Week
    source: str = ""
    as_of: datetime | None = None
    lead_days: int = 0
    inputs: str = ""

    @classmethod
    def of(cls, folder: Path) -> RunRecord | None:
        """Return what a run folder is of; None where no manifest in it says so."""
        manifest = read_json(folder / "manifest.json")
        told = manifest.get("parameters") if isinstance(manifest, dict) else None
        if not isinstance(told, dict) or "week" not in told:
            return None
        as_of = manifest.get("as_of")
        return cls(
            Week.parse(str(told["week"])),
            str(told.get("source", "")),
            datetime.fromisoformat(as_of) if as_of else None,
            int(manifest.get("lead_days") or 0),
            _digest(manifest.get("inputs") or {}),
        )

    def manifest(
        self, parameters: Mapping[str, Any], shop: str, inputs: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return what a manifest says before the steps have run.

        Parameters
        ----------
        parameters : mapping of str to object
            What the run was asked for.
        shop : str
            What readers call the shop.
        inputs : mapping of str to str
            SHA-256 of each input file.
        """
        versions = {"python": platform.python_version(), "promolab": promolab.__version__}
        with suppress(metadata.PackageNotFoundError):  # of a checkout that is on the path alone
            for one in metadata.requires("promolab") or ():
                if "extra ==" not in one:
                    name = re.split(r"[^\w.-]", one)[0]
                    versions[name] = metadata.version(name)
        return {
            "parameters": dict(parameters),
            "shop": shop,
            "versions": versions,
            "inputs": dict(inputs),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "lead_days": self.lead_days,
        }

    def check(self, week: Week, folder: str | Path, lead_days: int | None = None) -> None:
        """Refuse another week than this, or another morning.

        Parameters
        ----------
        week : Week
            The week that is asked for.
        folder : str or Path
            The run folder, for the message.
        lead_days : int, optional
            The days before the week that are asked for; None asks for none in particular.

        Raises
        ------
        InputError
            It says what the tables are of, and what to do.
        """
        again = f'run 01_data and 02_customers again with week = "{week}"'
        if week != self.week:
            raise InputError(
                f"the tables in {folder} are of {self.week}, not of {week}: {again}, or set "
                f'week = "{self.week}" here'
            )
        if lead_days is not None and self.as_of is not None and lead_days != self.lead_days:
            raise InputError(
                f"the tables in {folder} are of {week} as known {self.lead_days} days before it "
                f"(lead_days = {self.lead_days}), not lead_days = {lead_days}: {again} and "
                f"lead_days = {lead_days}, or set lead_days = {self.lead_days} here"
            )


def _digest(fingerprints: Mapping[str, str]) -> str:
    """Return a short digest of a shop's input files; a file of an experiment is none of them."""
    own = sorted((k, v) for k, v in fingerprints.items() if not k.startswith("experiment/"))
    return hashlib.sha256(json.dumps(own).encode()).hexdigest()[:16] if own else ""


def open_run(
    folder: str | Path = ".", *, week: str | Week, lead_days: int | None = None
) -> RunFolder:
    """Open a run folder that is there.

    Parameters
    ----------
    folder : str or Path
        The week's folder; under `promolab report` the notebooks run inside it.
    week : str or Week
        The week that the run is for.
    lead_days : int, optional
        Days before the week at which the plan is made, where they matter.

    Returns
    -------
    RunFolder

    Raises
    ------
    InputError
        If there is no such folder, or what lies in it is of another week or another morning.

    Examples
    --------
    >>> import tempfile
    >>> run = open_run(tempfile.mkdtemp(), week="2017-W44")
    >>> run.record("segments", {"k": 5})
    >>> run.metrics
    {'segments': {'k': 5}}
    """
    path, asked = Path(folder), week if isinstance(week, Week) else Week.parse(week)
    if not path.is_dir():
        raise InputError(f"there is no run folder {path}; run 01_data.ipynb first, it makes one")
    if (path / "tables").is_dir() and not (path / "manifest.json").exists():
        raise InputError(
            f"{path} does not say of which week its tables are; remove them, or give another folder"
        )
    run = RunFolder(path, asked)
    run.check(lead_days)
    return run


class RunFolder:
    """One week's folder; `open_run` opens it, `begin_run` makes it.

    Parameters
    ----------
    path : Path
        The folder.
    week : Week
        The week that it is for.
    """

    def __init__(self, path: Path, week: Week) -> None:
        self.path = path
        self.week = week
        self._files: list[Path] = []
        self._sections: dict[str, None] = {}  # in the order in which they were recorded

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, week={str(self.week)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``manifest.json`` says; empty where there is none."""
        told = read_json(self.path / "manifest.json")
        return told if isinstance(told, dict) else {}

    @property
    def language(self) -> str:
        """What the campaign report speaks, and what steps write down for it; ``en`` by default."""
        return str((self.manifest.get("parameters") or {}).get("lang") or ENGLISH)

    @property
    def reports(self) -> ReportsFolder:
        """The reports folder that it lies in, staged or not."""
        from promolab.folder.reports_folder import ReportsFolder

        return ReportsFolder(self.path.resolve().parent)

    @property
    def source(self) -> str:
        """What the run was asked to read, such as the folder of the shop's tables."""
        return str((self.manifest.get("parameters") or {}).get("source", ""))

    @property
    def as_of(self) -> datetime:
        """Nothing at or after it is known to the run: UTC, without a zone."""
        record = RunRecord.of(self.path)
        if record is None or record.as_of is None:
            raise InputError(f"{self.path} does not say as of when it is; run 01_data.ipynb first")
        return record.as_of

    def check(self, lead_days: int | None = None) -> None:
        """Refuse a folder that is of another week by now.

        Parameters
        ----------
        lead_days : int, optional
            Days before the week at which the plan is made, where they matter.

        Raises
        ------
        InputError
            It says what the folder is of, and what to do.
        """
        record = RunRecord.of(self.path)
        if record is not None:
            record.check(self.week, self.path, lead_days)

    def _claim(self) -> None:
        """See that the folder is of this week; one that belongs to no week yet is of it now."""
        self.check()
        if not (self.path / "manifest.json").exists():
            told = {"parameters": {"week": str(self.week)}, "status": "lab"}
            write_json(self.path / "manifest.json", told)

    def write_table(self, name: str, frame: pd.DataFrame, *, by: str | Sequence[str]) -> Path:
        """Write ``tables/<name>.parquet``: equal bytes for equal rows, in whatever order they come.

        Parameters
        ----------
        name : str
            Name of the table.
        frame : DataFrame
            Its rows; the index is not written.
        by : str or sequence of str
            Columns that give the rows their total order; no two rows may agree in all of them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        StepError
            If a column of ``by`` is missing, or does not tell all rows apart.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [by] if isinstance(by, str) else list(by)
        for column in columns:
            if column not in frame.columns:
                known = nearest(column, map(str, frame.columns))
                raise StepError(f"tables/{name}: by={column!r} is no column of it; {known}")
        keys = pd.MultiIndex.from_frame(frame[columns])
        if not keys.is_monotonic_increasing:  # a copy, and most tables come in order
            frame = frame.sort_values(columns, kind="stable", ignore_index=True)
        repeated = int(keys.duplicated().sum())
        if repeated:
            raise StepError(
                f"tables/{name}: {repeated} rows repeat another's {', '.join(columns)}; "
                "give columns in by= that tell all rows apart"
            )
        self._claim()
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
        path = self.table_path(name)
        path.parent.mkdir(exist_ok=True)
        with whole(path) as part:
            pq.write_table(table, part, compression="zstd", row_group_size=_ROW_GROUP)
        keep_private(self.path, "tables")
        self.wrote(path)
        return path

    def read_table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Read ``tables/<name>.parquet``, without rows of those who were forgotten.

        Parameters
        ----------
        name : str
            Name of the table.
        columns : list of str, optional
            Those of its columns that are wanted; all by default.

        Returns
        -------
        DataFrame

        Raises
        ------
        InputError
            If it is not there, or of another week or other data than the folder; the message names
            the step that writes it.
        """
        import pandas as pd

        self.check()
        path = self.table_path(name)
        if not path.exists():
            step = next((step for step, tables in _WRITES.items() if name in tables), None)
            writer = f"the notebook {step} writes it" if step else "an earlier notebook writes it"
            raise InputError(f"tables/{name}.parquet is not in {self.path}; {writer}, run it first")
        return remaining(pd.read_parquet(path, columns=columns))

    @cached_property
    def _forgotten(self) -> set[str]:
        return {row["digest"] for row in forgotten_rows(self.reports.path)}

    def forgotten(self, customers: Iterable[Any]) -> list[Any]:
        """Return those of some customers who are to be forgotten, whatever a source holds.

        Parameters
        ----------
        customers : iterable of ids
            Not gone through where nobody is to be forgotten.
        """
        return [*told_again(self.reports.path, self._forgotten, customers)]

    def table_path(self, name: str) -> Path:
        """Return where a table lies or will lie."""
        return self.path / "tables" / f"{name}.parquet"

    def speak(self) -> None:
        """Show in the language of the week's report from now on; what is computed stays English."""
        show_in(self.language)

    @property
    def metrics(self) -> dict[str, Any]:
        """What `record` has gathered so far in ``metrics.json``."""
        return read_json(self.path / _METRICS) or {}

    @property
    def spoken(self) -> dict[str, Any]:
        """The same as `metrics`, with sentences in the language of the campaign report."""
        said = read_json(self.path / _SPOKEN) or {}
        said = {section: part for section, part in said.items() if part is not None}
        told: dict[str, Any] = _merged(self.metrics, said)
        return told

    def metrics_of(self, week: Week) -> dict[str, Any] | None:
        """Return another week's metrics from the same reports folder, None where there are none."""
        metrics: dict[str, Any] | None = read_json(self.reports.path / str(week) / _METRICS)
        return metrics

    def record(self, section: str, values: Any | Callable[..., Any], *given: Any) -> None:
        """Merge headline numbers into ``metrics.json``, which is English whatever a report speaks.

        Parameters
        ----------
        section : str
            First level of the file, such as ``response``.
        values : dict, list, scalar, callable, or dict of callables
            What to put there; dicts are merged with what is there, all else replaces it.
            Results' estimates become dicts, nan becomes null. Sentences that the first page shows
            come from callables: they are asked once more for `spoken` where the report speaks
            another language. None takes a section out of both.
        *given
            What a callable is asked with.
        """
        self._claim()
        with recording(ENGLISH):
            self._merge(_METRICS, section, _told(values, *given))
        if self.language != ENGLISH and (values is None or _speaks(values)):
            with recording(self.language):
                self._merge(_SPOKEN, section, _told(values, *given))
        self._sections[section] = None

    def _merge(self, name: str, section: str, values: Any) -> None:
        path = self.path / name
        with alone(self.path / _LOCK):  # another step may record at the same time
            told = read_json(path) or {}
            told[section] = _merged(told.get(section), plain(values))
            write_json(path, told)

    def wrote(self, path: str | Path | None) -> None:
        """Note a file or folder that others than `write_table` wrote, for `finish` to list.

        Parameters
        ----------
        path : str, Path or None
            Where it lies in the run folder; None where nothing was written.
        """
        if path is not None:
            self._files.append(Path(path).resolve())

    def pseudonym(self, ids: ArrayLike) -> NDArray[np.object_]:
        """Return the codes that stand for customers in HTML and pictures.

        The same customer has the same code in all weeks of a reports folder, and without its
        ``.key`` nothing leads back.

        Parameters
        ----------
        ids : array-like, shape (n,)
            Customer ids.

        Returns
        -------
        ndarray of str, shape (n,)
            Codes such as ``C-7F3K2Q9XAB``; empty where the id is missing.
        """
        import numpy as np
        import pandas as pd

        places, unique = pd.factorize(np.asarray(ids))
        names = np.array([*codes(key_of(self.path), unique.tolist()), ""], dtype=object)
        return names[places]  # a missing id has the place -1: the empty text at the end

    def finish(self) -> Written:
        """Close what holds ids to others, and say what this step wrote.

        A notebook's last cell calls it. Under `promolab report` it notes the step's peak memory for
        the manifest as well.

        Returns
        -------
        Written
            The files, those in folders one by one, and the sections.
        """
        import pandas as pd

        keep_private(self.path)
        step = os.environ.get(STEP_VARIABLE)
        if step is not None:  # in JupyterLab there is no manifest to write
            (self.path / _STEPS).mkdir(exist_ok=True)
            note = {"peak_memory_mb": round(peak_memory_mb(), 1)}
            write_json(self.path / _STEPS / f"{step}.json", note)
        every = [[*path.rglob("*")] if path.is_dir() else [path] for path in self._files]
        files = dict.fromkeys(file for some in every for file in sorted(some) if file.is_file())
        here = self.path.resolve()
        rows = [(file.relative_to(here).as_posix(), False) for file in files]
        rows += [(name, True) for name in self._sections]
        return Written(pd.DataFrame(rows, columns=["what", "section"]).astype({"section": bool}))

    def take_notes(self) -> dict[str, Any]:
        """Return what each step noted for the manifest as it finished, and clear it away."""
        notes = {path.stem: read_json(path) for path in (self.path / _STEPS).glob("*.json")}
        shutil.rmtree(self.path / _STEPS, ignore_errors=True)
        (self.path / _LOCK).unlink(missing_ok=True)
        return notes


def peak_memory_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB."""
    try:
        # ru_maxrss starts from the parent's size at the fork, so ask the kernel for our own.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration, ValueError):
        import resource
        import sys

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}


def _speaks(values: Any) -> bool:
    return callable(values) or (isinstance(values, dict) and any(map(callable, values.values())))


def _told(values: Any, *given: Any) -> Any:
    if isinstance(values, dict):
        return {name: _told(value) if callable(value) else value for name, value in values.items()}
    return values(*given) if callable(values) else values


@dataclass(frozen=True)
class Written(Result):
    """The files and the sections of ``metrics.json`` that a step wrote; by `RunFolder.finish`.

    Parameters
    ----------
    frame : DataFrame
        A row each: what (its path in the run folder, or the name of the section), section (whether
        it is one).
    """

    frame: pd.DataFrame = field(repr=False)

    def facts(self) -> Mapping[str, Any]:
        """Return how many files and sections there are, and where each is found."""
        sections = int(self.frame["section"].sum())
        files = len(self.frame) - sections
        found: Any = [
            Html(f"{_link('metrics.json')}: {escape(name)}" if section else _link(name))
            for name, section in zip(self.frame["what"], self.frame["section"], strict=True)
        ]
        case = "both" if files and sections else "files" if files else "sections"
        told = {"files": files, "sections": sections, "rows": self.frame.assign(found=found)}
        return told | {"case": case if len(self.frame) else "none", "any": len(self.frame) > 0}


def _link(name: str) -> str:
    return f'<a href="{escape(name)}">{escape(name)}</a>'
