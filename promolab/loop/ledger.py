"""The ledger of a shop: a week is written once, what happened is added, nothing is rewritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.errors import InputError, nearest
from promolab.folder import STATES, remaining
from promolab.loop.ledger_file import (
    FILE,
    KEYS,
    LEDGER_TABLES,
    OF_A_WEEK,
    OUTCOME_STATES,
    SERVED,
    WAIT,
    check_writable,
    empty,
    fitted,
    make,
    read_through,
    reading,
    replace_rows,
    same,
    unreadable,
    writing,
)
from promolab.weeks import Week

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from promolab.folder import RunFolder


@dataclass(frozen=True)
class Ledger:
    """What each week decided and said, and what happened then; `Ledger.open` opens it.

    The file is opened for each call alone, so that others can read and write between them.

    Parameters
    ----------
    path : Path
        The DuckDB file; one that is not there reads as an empty ledger.
    shop : str
        What readers call the shop.
    week : Week, optional
        Only what weeks before it wrote is seen; None sees all.
    known : datetime, optional
        Only outcomes that were known before it (UTC without a zone) are seen; None sees all.
    wait : float
        Seconds to wait for whoever holds the file.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Ledger.open(Path(tempfile.mkdtemp()) / "ledger.duckdb", shop="Ours", create=True)
    >>> said = pd.DataFrame({"measure": ["response_rate"], "value": [0.1], "n": [100]})
    >>> ledger.record_week("2017-W44", datetime(2017, 10, 30), state="draft", predictions=said)
    True
    >>> ledger.predictions()[["week", "measure", "value", "n"]].to_dict("records")
    [{'week': '2017-W44', 'measure': 'response_rate', 'value': 0.1, 'n': 100}]
    """

    path: Path
    shop: str
    week: Week | None = None
    known: datetime | None = None
    wait: float = WAIT

    @classmethod
    def open(cls, path: str | Path, *, shop: str, create: bool = False) -> Ledger:
        """Open a shop's ledger, after a look at whether it can be relied on.

        Parameters
        ----------
        path : str or Path
            The DuckDB file.
        shop : str
            What readers call the shop: another shop's ledger is refused.
        create : bool
            Make it where there is none.

        Returns
        -------
        Ledger

        Raises
        ------
        InputError
            If there is none, it is damaged, newer than this promolab, another shop's, or cannot be
            made; it is left as it is.
        StepError
            If another program holds it all the while.
        """
        place = Path(path).expanduser().resolve()  # one file has one lock and one log beside it
        if create:
            make(place, shop)
        with reading(place, shop):
            return cls(place, shop)

    @classmethod
    def prepared(cls, path: Path, *, shop: str) -> Ledger:
        """Open a ledger that will be written, or see that it can be made; nothing is made yet.

        Parameters
        ----------
        path, shop
            As for `open`. All of the file is read, so that damage shows before anything is done
            that takes long.

        Raises
        ------
        InputError, StepError
            As `open`.
        """
        path = path.resolve()
        if path.exists():
            with reading(path, shop) as con:
                read_through(con, path)
        check_writable(path)
        return cls(path, shop)

    def record_week(
        self,
        week: str | Week,
        as_of: datetime,
        *,
        state: str,
        run_key: str = "",
        **tables: pd.DataFrame | None,
    ) -> bool:
        """Write a week: a draft is replaced in one transaction, a released one never changes.

        Parameters
        ----------
        week : str or Week
            ISO week.
        as_of : datetime
            Nothing at or after it was known (UTC without a zone).
        state : str
            ``draft``, ``released``, ``sent`` or ``closed``.
        run_key : str
            What tells one run of the week from another.
        **tables : DataFrame
            ``decisions``, ``decision_propensities``, ``predictions``, ``models``, ``overrides`` and
            ``releases``, without one no rows; their columns:
            `promolab.loop.ledger_file.LEDGER_TABLES`.

        Returns
        -------
        bool
            Whether anything was written: the same again writes nothing.

        Raises
        ------
        InputError
            If the week was released and this is not what was released.
        """
        name = str(_week(week))
        _known("state", state, STATES)
        for table in tables:
            _known("table", table, OF_A_WEEK)
        ids = getattr(tables.get("decisions"), "customer_id", None)
        whole = ids is not None and ids.dtype.kind in "iu"
        head = {"as_of": as_of, "state": state, "run_key": run_key}
        head["ids"] = "integer" if whole else "text"
        weeks = fitted("weeks", pd.DataFrame([head]), week=name)
        rows = {table: fitted(table, tables.get(table), week=name) for table in OF_A_WEEK}
        with writing(self.path, self.shop, self.wait) as con:
            before = self._state(con, name)
            if before in (None, "draft"):
                return self._replaced(con, {"weeks": weeks, **rows}, name, new=before is None)
            if all(same(con, table, made, name) for table, made in rows.items()):
                return self._advanced(con, name, before, state)
            raise InputError(
                f"{name} is {before} in the ledger {self.path}, and never changes; what was to be "
                "written differs from it. Give another --ledger, or put the released week back"
            )

    def advance(self, week: str | Week, state: str) -> bool:
        """Note that a week's plan came to a later state; all else of it stays.

        Parameters
        ----------
        week : str or Week
            ISO week.
        state : str
            ``released``, ``sent`` or ``closed``.

        Returns
        -------
        bool
            Whether it was not there already, or past it.
        """
        name = str(_week(week))
        _known("state", state, STATES)
        with writing(self.path, self.shop, self.wait) as con:
            before = self._state(con, name)
            if before is None:
                raise InputError(f"{name} is not in the ledger {self.path}; write it first")
            return self._advanced(con, name, before, state)

    def _replaced(
        self,
        con: DuckDBPyConnection,
        rows: Mapping[str, pd.DataFrame],
        week: str,
        new: bool = False,
    ) -> bool:
        """Put rows in the place of a week's, and tell whether any differed: of a new week all."""
        rows = {k: made for k, made in rows.items() if new or not same(con, k, made, week)}
        for table, made in rows.items():
            replace_rows(con, table, made, week)
        return bool(rows)

    def _state(self, con: DuckDBPyConnection, week: str) -> str | None:
        found = con.execute("SELECT state FROM weeks WHERE week = ?", [week]).fetchone()
        return None if found is None else str(found[0])

    def _advanced(self, con: DuckDBPyConnection, week: str, before: str, to: str) -> bool:
        if STATES.index(to) <= STATES.index(before):
            return False
        con.execute("UPDATE weeks SET state = ? WHERE week = ?", [to, week])
        return True

    def record_outcomes(
        self,
        week: str | Week,
        outcomes: pd.DataFrame,
        *,
        state: str,
        known_at: datetime | None = None,
    ) -> bool:
        """Write what happened: provisional figures replace earlier ones, settled ones stand.

        Once a promotion of a week is settled, nothing more is written of it.

        Parameters
        ----------
        week : str or Week
            ISO week that they are about.
        outcomes : DataFrame
            Columns: `promolab.loop.ledger_file.LEDGER_TABLES`.
        state : str
            ``provisional`` or ``settled``.
        known_at : datetime, optional
            As of when the data were that said it (UTC without a zone); by default the column.

        Returns
        -------
        bool
            Whether anything was written.
        """
        name = str(_week(week))
        _known("state", state, OUTCOME_STATES)
        given: dict[str, Any] = {"week": name, "state": state}
        if known_at is not None:
            given["known_at"] = known_at
        rows = fitted("outcomes", outcomes, **given)
        if rows.empty:
            return False
        with writing(self.path, self.shop, self.wait) as con:
            old = fitted(
                "outcomes", con.execute("SELECT * FROM outcomes WHERE week = ?", [name]).df()
            )
            settled = set(old.loc[old["state"] == "settled", "promotion_id"])
            rows = rows[~rows["promotion_id"].isin(settled)]
            of = ["promotion_id", "known_at"]
            said = pd.MultiIndex.from_frame(rows[of])
            new = pd.concat([old[~pd.MultiIndex.from_frame(old[of]).isin(said)], rows])
            return self._replaced(con, {"outcomes": fitted("outcomes", new)}, name)

    def record_served(
        self, week: str | Week, decisions: pd.DataFrame, decision_propensities: pd.DataFrame
    ) -> bool:
        """Write what a week's service has decided so far, in place of what was written before.

        Parameters
        ----------
        week : str or Week
            ISO week.
        decisions, decision_propensities : DataFrame
            `promolab.loop.served_tables`.

        Returns
        -------
        bool
            Whether anything was written: the same again writes nothing.
        """
        name = str(_week(week))
        given = zip(SERVED, (decisions, decision_propensities), strict=True)
        rows = {table: fitted(table, frame, week=name) for table, frame in given}
        with writing(self.path, self.shop, self.wait) as con:
            for table, made in rows.items():  # of who was forgotten the log knows nothing any more
                there = f"FROM {table} WHERE week = ? AND starts_with(decision_id, 'forgotten-')"
                coded = fitted(table, con.execute(there, [name]).df())
                rows[table] = pd.concat([made, coded]) if len(coded) else made
            return self._replaced(con, rows, name)

    def weeks(self) -> pd.DataFrame:
        """Return the weeks: week, as_of, state, run_key, ids (kind of customer ids)."""
        return self.rows("weeks")

    def decisions(self, week: str | Week) -> pd.DataFrame:
        """Return what a week decided, and the chance of it, a row per eligible customer."""
        rows = remaining(self.rows("decisions", week))
        kinds = self.rows("weeks", week)["ids"]
        whole = len(rows) and (kinds == "integer").all()
        return rows.astype({"customer_id": "int64"}) if whole else rows

    def predictions(self) -> pd.DataFrame:
        """Return what the weeks said."""
        return self.rows("predictions")

    def outcomes(self) -> pd.DataFrame:
        """Return what happened, as it was known last."""
        return self.rows("outcomes")

    def rows(self, table: str, week: str | Week | None = None) -> pd.DataFrame:
        """Return the rows of a table; ids of customers as text.

        Parameters
        ----------
        table : str
            ``decision_propensities`` (the chances of all actions that were possible), ``models``,
            ``overrides`` (what was changed by hand at a release), ``releases`` (what private models
            spent), ``served`` and ``served_propensities`` (what a week's service decided), or one
            that has a method.
        week : str or Week, optional
            Only this one.
        """
        import duckdb

        _known("table", table, tuple(KEYS))
        if not self.path.exists():
            return empty(table)
        bounds: dict[str, Any] = {"week = ?": week and str(_week(week))}
        bounds["week < ?"] = self.week and str(self.week)
        bounds["known_at < ?"] = self.known if table == "outcomes" else None
        held = {bound: value for bound, value in bounds.items() if value is not None}
        last = "QUALIFY known_at = max(known_at) OVER (PARTITION BY week, promotion_id)"
        query = (
            f"SELECT {', '.join(LEDGER_TABLES[table])} FROM {table} "
            f"WHERE {' AND '.join(['TRUE', *held])} {last if table == 'outcomes' else ''} "
            f"ORDER BY {', '.join(KEYS[table])}"
        )
        with reading(self.path, self.shop, self.wait) as con:
            try:
                return fitted(table, con.execute(query, [*held.values()]).df())
            except duckdb.Error as error:
                raise unreadable(self.path, error) from error


def _week(week: str | Week) -> Week:
    return week if isinstance(week, Week) else Week.parse(week)


def _known(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise InputError(f"{what}={given!r} is unknown; {nearest(given, known)}")


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
