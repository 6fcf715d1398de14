"""What an explorer is opened on: a week's folder, read in the language of its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promolab.errors import InputError
from promolab.folder import ReportsFolder, RunFolder
from promolab.language import speaking
from promolab.weeks import Week


def week_of(week: str | Path | RunFolder | None, out: str | Path) -> RunFolder:
    """Return a week's folder.

    Parameters
    ----------
    week : str, Path or RunFolder, optional
        An ISO week, the path of its folder, or the folder; by default the newest week.
    out : str or Path
        The folder of all reports, for an ISO week.

    Raises
    ------
    InputError
        There is no such week, or it is not whole.
    """
    if isinstance(week, RunFolder):
        return week
    if week is not None and Path(week).is_dir():
        out, week = Path(week).resolve().parent, Path(week).resolve().name
    reports = ReportsFolder.there(out)
    if week is not None:
        return reports.whole_run(Week.parse(str(week)))
    weeks = reports.weeks()
    if not weeks:
        raise InputError(f"{out} holds no week yet; make one with: promolab report --out {out}")
    return reports.whole_run(weeks[-1])


@contextmanager
def reading(run: RunFolder) -> Iterator[None]:
    """Read a week inside of this, in the language of its report.

    Parameters
    ----------
    run : RunFolder
        The week that is read.

    Raises
    ------
    InputError
        A figure or a column is not there: an earlier promolab did not write it yet.
    """
    try:
        with speaking(run.language):
            yield
    except KeyError as error:
        raise InputError(
            f"{run.week} in {run.reports.path} does not hold {error}: an earlier promolab made it; "
            "make the week again, or explore a later one"
        ) from error
