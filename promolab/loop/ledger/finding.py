"""Where the ledger of a run lies, and what its pages may read of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.errors import InputError
from promolab.loop.ledger.books import Ledger
from promolab.loop.ledger.contents import FILE

if TYPE_CHECKING:
    from promolab.folder import RunFolder


def ledger_of(run: RunFolder) -> Ledger:
    """Open the ledger for the pages of a week: what earlier weeks wrote, and nothing later.

    So the page is the same however often, and however late, it is made again.

    Parameters
    ----------
    run : RunFolder
        The week's folder.

    Returns
    -------
    Ledger
        Of the weeks before it, and outcomes that were known before its own moment. An empty one
        where there is none yet.

    Raises
    ------
    InputError
        If the ledger is damaged, newer than this promolab or another shop's.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.folder import open_run
    >>> ledger_of(open_run(tempfile.mkdtemp(), week="2017-W44")).predictions().empty
    True
    """
    manifest = run.manifest
    path = run_ledger_path(run)
    shop = str(manifest.get("shop") or run.reports.shop)
    ledger = Ledger.open(path, shop=shop) if path.exists() else Ledger(path, shop)
    try:
        known = run.as_of
    except InputError:  # a folder that does not say as of when it is has no outcomes to read
        known = run.week.start("UTC")
    return replace(ledger, week=run.week, known=known)


def run_ledger_path(run: RunFolder) -> Path:
    """Return where the ledger lies that a week's manifest names."""
    return run.reports.path / str(run.manifest.get("ledger") or FILE)  # or an absolute path, alone


def ledger_path(out: Path, given: str | Path | None = None) -> Path:
    """Return where a ledger lies: where it is said, else in the reports folder.

    Parameters
    ----------
    out : Path
        The reports folder.
    given : str or Path, optional
        As it was given.

    Examples
    --------
    >>> ledger_path(Path("/srv/reports"))
    PosixPath('/srv/reports/ledger.duckdb')
    """
    return out / FILE if given is None else Path(given).expanduser().absolute()


def told_path(path: Path, out: Path) -> str:
    """Return how a manifest names a ledger: by its place in the reports folder, where it can.

    Examples
    --------
    >>> told_path(Path("/srv/reports/ledger.duckdb"), Path("/srv/reports"))
    'ledger.duckdb'
    """
    whole = out.resolve()
    return str(path.relative_to(whole)) if path.is_relative_to(whole) else str(path)
