"""What a week's folder holds of its plan, as the later steps of its life need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.contract import NONE, Settings, read_operations, read_settings
from promolab.errors import InputError
from promolab.folder import sha256_of

if TYPE_CHECKING:
    import pandas as pd


SEND = "send"
DECISIONS = "decisions"
PLANNED = "planned"
DROPPED = "dropped"
"""Table of those taken out of a plan at its release."""
OVERRIDES = "overrides"
"""Table of what was changed of a plan by hand at its release."""
SENT = "tables/sent.parquet"
"""What was really sent, once that is read back."""
_TABLES = (DECISIONS, "decision_propensities", PLANNED, DROPPED, OVERRIDES)


def plan_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a plan, by its path in the week's folder.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Returns
    -------
    dict of str to str
        Every file in ``send/`` and the plan's tables; empty where there is no ``send/``.
    """
    if not (folder / SEND).is_dir():
        return {}
    tables = [folder / "tables" / f"{name}.parquet" for name in _TABLES]
    files = sorted(path for path in [*(folder / SEND).rglob("*"), *tables] if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def check_plan(folder: Path, week: str) -> None:
    """Refuse a week without a plan.

    Parameters
    ----------
    folder : Path
        Its folder.
    week : str
        The week, for the message.

    Raises
    ------
    InputError
        If there is no ``send/``, or no table of decisions.
    """
    if not (folder / SEND).is_dir():
        raise InputError(
            f"{week} has no plan: there is no folder {SEND} in {folder}; make the report again"
        )
    if not (folder / "tables" / f"{DECISIONS}.parquet").is_file():
        raise InputError(
            f"{week} has no plan: tables/{DECISIONS}.parquet is not in {folder}; make the report "
            "again"
        )


def settings_of(folder: Path) -> Settings:
    """Return the settings of the shop that a week's folder holds.

    Parameters
    ----------
    folder : Path
        The week's folder.
    """
    toml = folder / "shop" / "shop.toml"
    return read_settings(toml) if toml.is_file() else Settings()


@dataclass(frozen=True)
class Planned:
    """The plan of one week; `Planned.of` reads it.

    Parameters
    ----------
    table : DataFrame
        customer_id, promotion_id, holdout and, where the run wrote it, channel: a row per planned
        customer and promotion.
    windows : DataFrame
        promotion_id, starts_at, ends_at of the planned promotions.
    customers, promotions : Series
        All ids that the shop knew.
    settings : Settings
        The shop's, as they were.
    """

    table: pd.DataFrame = field(repr=False)
    windows: pd.DataFrame = field(repr=False)
    customers: pd.Series[Any] = field(repr=False)
    promotions: pd.Series[Any] = field(repr=False)
    settings: Settings

    @classmethod
    def of(cls, folder: Path) -> Planned:
        """Read the plan of a week's folder.

        Parameters
        ----------
        folder : Path
            Holds ``tables/decisions.parquet``, perhaps ``tables/planned.parquet``, and ``shop/``.

        Returns
        -------
        Planned

        Raises
        ------
        InputError
            If a planned promotion is not in ``shop/promotions.parquet``.
        """
        import pandas as pd

        tables, shop = folder / "tables", folder / "shop"
        settings = settings_of(folder)
        decisions = pd.read_parquet(tables / f"{DECISIONS}.parquet")
        written = tables / f"{PLANNED}.parquet"
        table = pd.read_parquet(written) if written.is_file() else _from(decisions, settings)
        offers = shop / "promotions.parquet"
        columns = ["promotion_id", "starts_at", "ends_at"]
        there = offers.is_file()
        known = pd.read_parquet(offers, columns=columns) if there else pd.DataFrame(columns=columns)
        text = known["promotion_id"].astype("str")
        named = table["promotion_id"].astype("str").drop_duplicates()
        unknown = named[~named.isin(text)]
        if len(unknown):
            raise InputError(
                f"promotion {unknown.iloc[0]} of the plan is not in {offers}; make the report again"
            )
        windows = known[text.isin(named)].sort_values("promotion_id", ignore_index=True)
        customers = pd.concat([decisions["customer_id"], table["customer_id"], *_more(folder)])
        return cls(table, windows, customers.drop_duplicates(), known["promotion_id"], settings)

    @property
    def zone(self) -> str:
        """IANA zone of the shop's weeks."""
        return self.settings.zone or "UTC"

    def only(self) -> tuple[str, str] | None:
        """Return the promotion and its channel, as text, where the plan has a single one."""
        ids = self.table["promotion_id"].drop_duplicates()
        if len(ids) != 1:
            return None
        channel = self.table["channel"].iloc[0] if "channel" in self.table else ""
        return str(ids.iloc[0]), str(channel)


def _from(decisions: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return who is planned for what, of the decisions alone; a bundle is all its promotions."""
    rows = decisions.loc[
        decisions["planned_action"] != NONE, ["customer_id", "planned_action", "holdout"]
    ]
    bundles = read_operations(settings).contact.bundles
    parts = [list(bundles.get(action, (action,))) for action in rows["planned_action"].unique()]
    of_action = dict(zip(rows["planned_action"].unique(), parts, strict=True))
    rows = rows.assign(promotion_id=rows["planned_action"].map(of_action)).explode("promotion_id")
    return rows.drop(columns="planned_action").reset_index(drop=True)


def _more(folder: Path) -> list[pd.Series[Any]]:
    import pandas as pd

    files = folder / "tables" / "features.parquet", folder / "shop" / "customers.parquet"
    return [
        pd.read_parquet(file, columns=["customer_id"])["customer_id"]
        for file in files
        if file.is_file()
    ]
