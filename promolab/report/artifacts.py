"""The run folder: tables, headline numbers and pseudonyms of one week, as the notebooks use it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError, StepError, nearest
from promolab.results import plain
from promolab.weeks import Week

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["KEY_FILE", "RunFolder", "ensure_key", "open_run", "read_json", "write_json"]

KEY_FILE = ".key"
STEPS_FOLDER = ".steps"
METRICS_LOCK = ".metrics.lock"
STEP_VARIABLE = "PROMOLAB_STEP"  # run.py tells a kernel which step it is
_ROW_GROUP = 131_072
_CODE_LENGTH = 10  # 50 bits: a million customers collide once in some two thousand shops
_WRITTEN_BY = {
    "quarantine": "01_data",
    "features": "02_customers",
    "profiles": "02_customers",
    "segments": "03_segments",
    "pairs": "04_response",
    "scores": "04_response",
    "segment_advice": "03_segments",
    "segment_profile": "03_segments",
    "economics": "06_plan",
    "funnel": "06_plan",
    "list_sizes": "06_plan",
    "planned": "06_plan",
    "steps": "06_plan",
}


def open_run(folder: str | Path = ".", *, week: str | Week) -> RunFolder:
    """Open a run folder, made if it is not there yet.

    Parameters
    ----------
    folder : str or Path
        The week's folder; under `promolab report` the notebooks run inside it.
    week : str or Week
        The week that the run is for.

    Returns
    -------
    RunFolder

    Examples
    --------
    >>> import tempfile
    >>> run = open_run(tempfile.mkdtemp(), week="2017-W44")
    >>> run.record("segments", {"k": 5})
    >>> run.metrics
    {'segments': {'k': 5}}
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be used as a run folder: {error.strerror}") from error
    return RunFolder(path, week if isinstance(week, Week) else Week.parse(week))


class RunFolder:
    """One week's folder. `open_run` makes it.

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

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, week={str(self.week)!r})"

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
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [by] if isinstance(by, str) else list(by)
        for column in columns:
            if column not in frame.columns:
                known = nearest(column, map(str, frame.columns))
                raise StepError(f"tables/{name}: by={column!r} is no column of it; {known}")
        ordered = frame.sort_values(columns, kind="stable", ignore_index=True)
        repeated = int(ordered.duplicated(columns).sum())
        if repeated:
            raise StepError(
                f"tables/{name}: {repeated} rows repeat another's {', '.join(columns)}; "
                "give columns in by= that tell all rows apart"
            )
        table = pa.Table.from_pandas(ordered, preserve_index=False).replace_schema_metadata(None)
        path = self.table_path(name)
        path.parent.mkdir(exist_ok=True)
        with _whole(path) as part:
            pq.write_table(table, part, compression="zstd", row_group_size=_ROW_GROUP)
        return path

    def read_table(self, name: str) -> pd.DataFrame:
        """Read ``tables/<name>.parquet``.

        Parameters
        ----------
        name : str
            Name of the table.

        Returns
        -------
        DataFrame

        Raises
        ------
        InputError
            If it is not there; the message names the step that writes it.
        """
        import pandas as pd

        path = self.table_path(name)
        if not path.exists():
            step = _WRITTEN_BY.get(name)
            writer = f"the notebook {step} writes it" if step else "an earlier notebook writes it"
            raise InputError(f"tables/{name}.parquet is not in {self.path}; {writer}, run it first")
        return pd.read_parquet(path)

    def table_path(self, name: str) -> Path:
        """Return where a table lies or will lie."""
        return self.path / "tables" / f"{name}.parquet"

    @property
    def metrics(self) -> dict[str, Any]:
        """What `record` has gathered so far in ``metrics.json``."""
        return read_json(self.path / "metrics.json") or {}

    def metrics_of(self, week: Week) -> dict[str, Any] | None:
        """Return another week's metrics from the same reports folder, None where there are none."""
        return read_json(self.path.resolve().parent / str(week) / "metrics.json")

    def record(self, section: str, values: Any) -> None:
        """Merge headline numbers into ``metrics.json``.

        Parameters
        ----------
        section : str
            First level of the file, such as ``response``.
        values : dict, list or scalar
            What to put there; dicts are merged with what is there, all else replaces it.
            Results' estimates become dicts, nan becomes null.
        """
        with _alone(self.path / METRICS_LOCK):  # another step may record at the same time
            metrics = self.metrics
            metrics[section] = _merged(metrics.get(section), plain(values))
            write_json(self.path / "metrics.json", metrics)

    def pseudonym(self, ids: ArrayLike) -> NDArray[np.object_]:
        """Return the codes that stand for customers in HTML and pictures.

        A code is a keyed hash (HMAC-SHA-256, RFC 2104) of the id in base 32: the same customer has
        the same code in all weeks of a reports folder, and without its ``.key`` nothing leads back.

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

        codes, unique = pd.factorize(np.asarray(ids))
        key = self._key()
        digests = [
            base64.b32encode(hmac.digest(key, str(i).encode(), "sha256")).decode()
            for i in unique.tolist()
        ]
        length = _CODE_LENGTH
        while len({digest[:length] for digest in digests}) < len(digests):
            length += 1  # a collision: one character more for all of this call
        names = np.array([f"C-{digest[:length]}" for digest in digests] + [""], dtype=object)
        return names[codes]  # a missing id has the code -1: the empty text at the end

    def finish(self) -> None:
        """Note this step's peak memory for the manifest; a notebook's last cell calls it."""
        step = os.environ.get(STEP_VARIABLE)
        if step is None:
            return  # in JupyterLab there is no manifest to write
        (self.path / STEPS_FOLDER).mkdir(exist_ok=True)
        note = {"peak_memory_mb": round(peak_memory_mb(), 1)}
        write_json(self.path / STEPS_FOLDER / f"{step}.json", note)

    def _key(self) -> bytes:
        # The week's folder and its staging folder both lie in the reports folder, beside the key.
        beside = self.path.resolve().parent / KEY_FILE
        own = self.path / KEY_FILE
        if not beside.exists() and not own.exists():
            # An analyst's scratch folder: a key of its own, which nobody else can compute.
            _write_key(own, secrets.token_bytes(32))
        return (beside if beside.exists() else own).read_bytes()


def ensure_key(out: Path, fingerprints: Mapping[str, str]) -> None:
    """Make the reports folder's ``.key`` if it has none.

    The key is computed from the fingerprints of the first run's input, so that two fresh folders
    given equal input hold equal pages. Whoever could compute it holds all the data already.

    Parameters
    ----------
    out : Path
        The reports folder.
    fingerprints : mapping of str to str
        SHA-256 of each input file.
    """
    path = out / KEY_FILE
    if path.exists():
        return
    if not fingerprints:  # then anyone could compute it
        return _write_key(path, secrets.token_bytes(32))
    lines = ["promolab pseudonym key", *(f"{k} {v}" for k, v in sorted(fingerprints.items()))]
    _write_key(path, hashlib.sha256("\n".join(lines).encode()).digest())


def _write_key(path: Path, key: bytes) -> None:
    with _whole(path) as part:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where there is none or it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file whole or not at all, keys sorted, floats in full precision."""
    text = json.dumps(plain(values), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with _whole(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written replaces the file, or goes away if it failed."""
    part = path.with_name(f".{path.name.removeprefix('.')}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # not on Windows: there one step runs at a time
        yield
        return
    with lock.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
