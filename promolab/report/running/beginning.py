"""A run folder's beginning, outside of a report: 01_data makes it, and says what it is of."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.errors import InputError
from promolab.folder import STEP_VARIABLE, RunFolder, RunRecord, open_run, write_json
from promolab.report.running.call import located, written
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


def begin_run(
    folder: str | Path, *, source: str | Path, week: str | Week, shop: Shop, lead_days: int = 0
) -> RunFolder:
    """Make a run folder, or begin the one that is there anew.

    Under `promolab report` the folder is there and says what it is of. In JupyterLab its manifest
    is written here; numbers of another week or source that lie in it go, and its tables are refused
    until their notebooks have run again.

    Parameters
    ----------
    folder : str or Path
        The folder.
    source : str or Path
        Where the shop came from.
    week : str or Week
        The week that the run is for.
    shop : Shop
        The shop as it was loaded.
    lead_days : int
        Days before the week at which the plan is made.

    Returns
    -------
    RunFolder

    Raises
    ------
    InputError
        If the folder cannot be made, or is a week of a reports folder.

    Examples
    --------
    >>> import tempfile
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> lab = Path(tempfile.mkdtemp()) / "lab"
    >>> begin_run(lab, source="complete_journey", week="2017-W44", shop=shop).as_of
    datetime.datetime(2017, 10, 30, 4, 0)
    >>> open_run(lab, week="2019-W10")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: the tables in ... are of 2017-W44, not of 2019-W10: run 01_data ...
    """
    path, asked = Path(folder), week if isinstance(week, Week) else Week.parse(week)
    if os.environ.get(STEP_VARIABLE):
        return open_run(path, week=asked, lead_days=lead_days)
    run = RunFolder(path, asked)
    if run.manifest.get("status") == "good":
        raise InputError(
            f"{path} is the report of a week, which promolab report makes; give another folder, "
            'such as "../reports/lab"'
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be used as a run folder: {error.strerror}") from error
    told = {"source": written(located(source, None)[0]), "week": str(asked)}
    record = RunRecord(asked, as_of=asked.start(shop.zone, lead_days), lead_days=lead_days)
    manifest = record.manifest(told, shop.settings.name, shop.fingerprints) | {"status": "lab"}
    before = RunRecord.of(path)
    write_json(path / "manifest.json", manifest)
    stale = before.stale if before else ()
    if before is None or replace(before, stale=()) != RunRecord.of(path):
        for name in ("metrics.json", "spoken.json"):
            (path / name).unlink(missing_ok=True)
        stale = tuple(sorted(table.stem for table in path.glob("tables/*.parquet")))
    if stale:
        write_json(path / "manifest.json", manifest | {"stale": list(stale)})
    return run
