"""The ledger of a shop: a week is written once, what happened is added, nothing is rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.errors import InputError, nearest
from promolab.loop.ledger.contents import (
    KEYS,
    LEDGER_TABLES,
    OF_A_WEEK,
    OUTCOME_STATES,
    STATES,
    empty,
    fitted,
)
from promolab.loop.ledger.holding import WAIT, make, reading, unreadable, writing
from promolab.weeks import Week

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
    def open(
        cls, path: str | Path, *, shop: str, create: bool = False, wait: float = WAIT
    ) -> Ledger:
        """Open a shop's ledger, after a look at whether it can be relied on.

        Parameters
        ----------
        path : str or Path
            The DuckDB file.
        shop : str
            What readers call the shop: another shop's ledger is refused.
        create : bool
            Make it where there is none.
        wait : float
            Seconds to wait for whoever holds the file.

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
        place = Path(path).expanduser().absolute()
        if create:
            make(place, shop, wait)
        with reading(place, shop, wait):
            return cls(place, shop, wait=wait)

    def record_week(
        self,
        week: str | Week,
        as_of: datetime,
        *,
        state: str,
        run_key: str = "",
        decisions: pd.DataFrame | None = None,
        decision_propensities: pd.DataFrame | None = None,
        predictions: pd.DataFrame | None = None,
        models: pd.DataFrame | None = None,
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
        decisions, decision_propensities : DataFrame, optional
            The contract's tables.
        predictions, models : DataFrame, optional
            Their columns: `promolab.loop.ledger.LEDGER_TABLES`.

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
        ids = "integer" if _whole_ids(decisions) else "text"
        head = {"as_of": as_of, "state": state, "run_key": run_key, "ids": ids}
        frames = {
            "decisions": decisions,
            "decision_propensities": decision_propensities,
            "predictions": predictions,
            "models": models,
        }
        rows = {table: fitted(table, frames[table], week=name) for table in OF_A_WEEK}
        with writing(self.path, self.shop, self.wait) as con:
            there = con.execute("SELECT * FROM weeks WHERE week = ?", [name]).df()
            same = len(there) > 0 and all(_same(con, t, rows[t], name) for t in OF_A_WEEK)
            if len(there) and there["state"].iloc[0] != "draft":
                before = str(there["state"].iloc[0])
                if not same:
                    raise InputError(
                        f"{name} is {before} in the ledger {self.path}, and never changes; what "
                        "was to be written differs from it. Give another --ledger, or put the "
                        "released week back"
                    )
                if STATES.index(state) <= STATES.index(before):
                    return False
                con.execute("UPDATE weeks SET state = ? WHERE week = ?", [state, name])
                return True
            written = fitted("weeks", pd.DataFrame([head]), week=name)
            if same and _same(con, "weeks", written, name):
                return False
            if not same:
                for table in OF_A_WEEK:
                    _replace(con, table, rows[table], name)
            _replace(con, "weeks", written, name)
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
            Columns: `promolab.loop.ledger.LEDGER_TABLES`.
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
            old = con.execute("SELECT * FROM outcomes WHERE week = ?", [name]).df()
            settled = set(old.loc[old["state"] == "settled", "promotion_id"])
            rows = rows[~rows["promotion_id"].isin(settled)]
            replaced = old["known_at"].isin(rows["known_at"]) & old["promotion_id"].isin(
                rows["promotion_id"]
            )
            new = pd.concat([fitted("outcomes", old[~replaced]), rows])
            if rows.empty or _same(con, "outcomes", new, name):
                return False
            _replace(con, "outcomes", new, name)
            return True

    def weeks(self) -> pd.DataFrame:
        """Return the weeks: week, as_of, state, run_key, ids (kind of customer ids)."""
        return self._read("weeks")

    def decisions(self, week: str | Week) -> pd.DataFrame:
        """Return what a week decided, and the chance of it, a row per eligible customer."""
        name = str(_week(week))
        rows = self._read("decisions", "week = ?", [name])
        if rows.empty:
            return rows
        kinds = self._read("weeks", "week = ?", [name])["ids"]
        whole = (kinds == "integer").all()
        return rows.astype({"customer_id": "int64"}) if whole else rows

    def decision_propensities(self, week: str | Week) -> pd.DataFrame:
        """Return the chances of all actions that were possible in a week."""
        return self._read("decision_propensities", "week = ?", [str(_week(week))])

    def predictions(self, before: str | Week | None = None) -> pd.DataFrame:
        """Return what the weeks said, those before a week or all."""
        return self._read("predictions", *_before(before))

    def outcomes(self, before: str | Week | None = None) -> pd.DataFrame:
        """Return what happened, as it was known last, of the weeks before a week or of all."""
        return self._read("outcomes", *_before(before))

    def models(self) -> pd.DataFrame:
        """Return each week's models, their fingerprints, and what was decided about them."""
        return self._read("models")

    def _read(
        self, table: str, where: str = "TRUE", values: list[Any] | None = None
    ) -> pd.DataFrame:
        import duckdb

        if not self.path.exists():
            return empty(table)
        given = list(values or ())
        if self.week is not None:
            where, given = f"({where}) AND week < ?", [*given, str(self.week)]
        if table == "outcomes" and self.known is not None:
            where, given = f"({where}) AND known_at < ?", [*given, self.known]
        last = "QUALIFY known_at = max(known_at) OVER (PARTITION BY week, promotion_id)"
        order = ", ".join(KEYS[table])
        query = (
            f"SELECT {', '.join(LEDGER_TABLES[table])} FROM {table} WHERE {where} "
            f"{last if table == 'outcomes' else ''} ORDER BY {order}"
        )
        with reading(self.path, self.shop, self.wait) as con:
            try:
                return fitted(table, con.execute(query, given).df())
            except duckdb.Error as error:
                raise unreadable(self.path, error) from error


def _before(week: str | Week | None) -> tuple[str, list[Any]]:
    return ("TRUE", []) if week is None else ("week < ?", [str(_week(week))])


def _week(week: str | Week) -> Week:
    return week if isinstance(week, Week) else Week.parse(week)


def _known(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise InputError(f"{what}={given!r} is unknown; {nearest(given, known)}")


def _whole_ids(decisions: pd.DataFrame | None) -> bool:
    return (
        decisions is not None
        and "customer_id" in decisions
        and decisions["customer_id"].dtype.kind in "iu"
    )


def _same(con: DuckDBPyConnection, table: str, rows: pd.DataFrame, week: str) -> bool:
    """Tell whether a week's rows in a table are these."""
    con.register("given", rows)
    columns = ", ".join(LEDGER_TABLES[table])
    new, old = f"SELECT {columns} FROM given", f"SELECT {columns} FROM {table} WHERE week = ?"
    differ = f"(({new}) EXCEPT ALL ({old})) UNION ALL (({old}) EXCEPT ALL ({new}))"
    found = con.execute(f"SELECT count(*) FROM ({differ})", [week, week]).fetchone()
    con.unregister("given")
    return found is not None and found[0] == 0


def _replace(con: DuckDBPyConnection, table: str, rows: pd.DataFrame, week: str) -> None:
    con.execute(f"DELETE FROM {table} WHERE week = ?", [week])
    con.register("given", rows)
    con.execute(f"INSERT INTO {table} SELECT {', '.join(LEDGER_TABLES[table])} FROM given")
    con.unregister("given")
