"""The plan of a week as its folder holds it, released or not, and what its service decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.contract import NONE, Settings, read_operations, read_settings
from promolab.engines import keep
from promolab.errors import InputError
from promolab.folder import ReportsFolder, RunFolder, append_lines, read_lines, remaining, sha256_of
from promolab.loop.reconcile import Reconciliation
from promolab.results import words_of
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


SERVED = "served"
"""Folder of a week; no release freezes it."""
FILE = "decisions.jsonl"
_COLUMNS = (
    *("decision_id", "customer_id", "ts", "action", "propensity", "planned_action", "holdout"),
    "planned",
)


def append_served(folder: Path, rows: Sequence[Mapping[str, Any]], *, on_disk: bool = True) -> None:
    """Write decisions behind those that are there.

    Parameters
    ----------
    folder : Path
        The week's folder.
    rows : sequence of mapping
        The contract's columns of ``decisions``, with ``planned`` (whether the released plan has a
        decision for the customer) and ``chances`` (action → chance).
    on_disk : bool
        Whether they must survive a power cut when it returns; not where they lie elsewhere too.
    """
    append_lines(folder / SERVED / FILE, rows, on_disk=on_disk)


def read_served(folder: Path) -> list[dict[str, Any]]:
    """Return what a week's service decided, each decision once; a torn line is left out.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Raises
    ------
    InputError
        A line is no decision.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> append_served(folder, [{"decision_id": "d1", "action": "none"}])
    >>> append_served(folder, [{"decision_id": "d1", "action": "none"}])
    >>> read_served(folder)
    [{'decision_id': 'd1', 'action': 'none'}]
    """
    path = folder / SERVED / FILE
    found: dict[str, dict[str, Any]] = {}
    for row in read_lines(path):
        if not isinstance(row.get("decision_id"), str):
            raise InputError(f"{path} has a line without decision_id; put the file back as it was")
        found.setdefault(row["decision_id"], row)
    return list(found.values())


def served_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what a week's service decided as ``decisions`` and ``decision_propensities``.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Returns
    -------
    DataFrame, DataFrame
        ``decisions`` has the column ``planned`` too; both are without a row where nothing was
        served.
    """
    rows = read_served(folder)
    decisions = pd.DataFrame(rows, columns=[*_COLUMNS, "chances"])
    moments = pd.to_datetime(decisions["ts"], utc=True, format="ISO8601")
    decisions["ts"] = moments.dt.tz_localize(None).dt.as_unit("us")
    chances = [
        (row["decision_id"], action, chance)
        for row in rows
        for action, chance in row["chances"].items()
    ]
    columns = ["decision_id", "action", "propensity"]
    return decisions.drop(columns="chances"), pd.DataFrame(chances, columns=columns)


SEND = "send"
DECISIONS = "decisions"
PLANNED = "planned"
DROPPED = "dropped"
"""Table of those taken out of a plan at its release."""
OVERRIDES = "overrides"
"""Table of what was changed of a plan by hand at its release."""
SHOP_SETTINGS = "shop/shop.toml"
SENT = "tables/sent.parquet"
"""What was really sent, once that is read back."""
_NAMING = ["customer_id", "decision_id", "reason"]
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
    return hashes(folder, *sorted([*(folder / SEND).rglob("*"), *tables]))


def hashes(folder: Path, *files: Path) -> dict[str, str]:
    """Return the SHA-256 of the files that are there, by their path in a folder."""
    return {f.relative_to(folder).as_posix(): sha256_of(f) for f in files if f.is_file()}


def check_unchanged(files: Mapping[str, str], now: Mapping[str, str], since: str) -> None:
    """Refuse to go on with files of a plan that are not what they were.

    Parameters
    ----------
    files, now : mapping of str to str
        SHA-256 by path, as noted and as found.
    since : str
        When they were noted, in words: ``the plan was made``.

    Raises
    ------
    InputError
        It names the first that changed, is missing or is new.

    Examples
    --------
    >>> check_unchanged({"send/a.csv": "1"}, {"send/a.csv": "2"}, "the plan was made")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: send/a.csv was changed since the plan was made; put the file back...
    """
    for path in sorted({*files, *now}):
        if path not in now:
            raise InputError(f"{path} went away since {since}; put the file back")
        if path not in files:
            raise InputError(f"{path} was added since {since}; take the file away")
        if files[path] != now[path]:
            raise InputError(
                f"{path} was changed since {since}; put the file back as it was (of a draft: make "
                "the report again)"
            )


def frozen_windows(promotions: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the windows of promotions as a release holds them.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at (UTC without a zone).

    Examples
    --------
    >>> day = pd.Timestamp("2017-10-30 04:00")
    >>> frozen_windows(pd.DataFrame({"promotion_id": [18], "starts_at": day, "ends_at": day}))
    {'18': {'starts_at': '2017-10-30T04:00:00', 'ends_at': '2017-10-30T04:00:00'}}
    """
    return {
        str(row["promotion_id"]): {
            key: pd.Timestamp(row[key]).isoformat() for key in ("starts_at", "ends_at")
        }
        for row in promotions.to_dict("records")
    }


def moved_windows(
    frozen: Mapping[str, Mapping[str, str]],
    promotions: pd.DataFrame,
    done: str = "released",
) -> tuple[str, ...]:
    """Say which promotions no longer run when a plan says they do.

    Parameters
    ----------
    frozen : mapping
        By `frozen_windows`, at the release.
    promotions : DataFrame
        promotion_id, starts_at, ends_at as the shop states them now.
    done : str
        What was done with the plan: ``released`` or ``planned``.

    Returns
    -------
    tuple of str
        A sentence for each.

    Examples
    --------
    >>> day = pd.Timestamp("2017-10-30")
    >>> now = pd.DataFrame({"promotion_id": [18], "starts_at": day, "ends_at": day})
    >>> moved_windows({"18": {"starts_at": "2017-10-30", "ends_at": "2017-11-30"}}, now)
    ('promotion 18 was released with the end 2017-11-30 00:00 and now has 2017-10-30 00:00',)
    """
    now = frozen_windows(promotions)
    said = []
    for promotion, window in frozen.items():
        told = words_of(__name__, "windows", promotion=promotion, done=done)
        if promotion not in now:
            said.append(told.say("gone"))
            continue
        for key in ("starts_at", "ends_at"):
            then, today = (pd.Timestamp(each[key]) for each in (window, now[promotion]))
            if then != today:
                moved = {"end": key, "then": _minute(then), "now": _minute(today)}
                told = words_of(__name__, "windows", promotion=promotion, done=done, **moved)
                said.append(told.say("moved"))
    return tuple(said)


def _minute(moment: Any) -> str:
    return "–" if pd.isna(moment) else f"{moment:%Y-%m-%d %H:%M}"


def windows_of(shop: Shop) -> pd.DataFrame:
    """Return the shop's promotions and their windows, as they are now."""
    table = shop["promotions"]
    frame: pd.DataFrame = table.select("promotion_id", "starts_at", "ends_at").to_pandas()
    return frame


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
        If there is no ``send/``, or no table of decisions or of the plan.
    """
    needed = [SEND, *(f"tables/{name}.parquet" for name in (DECISIONS, PLANNED))]
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        raise InputError(
            f"{week} has no plan: {missing[0]} is not in {folder}; make the report again"
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
        customer_id, promotion_id, holdout, channel, action: a row per planned customer and
        promotion.
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
            Holds ``tables/decisions.parquet``, ``tables/planned.parquet`` and ``shop/``.

        Returns
        -------
        Planned

        Raises
        ------
        InputError
            If a planned promotion is not in ``shop/promotions.parquet``.
        """
        tables, shop = folder / "tables", folder / "shop"
        settings = settings_of(folder)
        decisions = remaining(pd.read_parquet(tables / f"{DECISIONS}.parquet"))
        table = remaining(pd.read_parquet(tables / f"{PLANNED}.parquet"))
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
        parts = [decisions["customer_id"], table["customer_id"]]
        for file in (tables / "features.parquet", shop / "customers.parquet"):
            if file.is_file():
                ids = pd.read_parquet(file, columns=["customer_id"])
                parts.append(remaining(ids)["customer_id"])
        customers = pd.concat(parts).drop_duplicates()
        return cls(table, windows, customers, known["promotion_id"], settings)

    @property
    def zone(self) -> str:
        """IANA zone of the shop's weeks."""
        return self.settings.zone or "UTC"

    def only(self) -> str | None:
        """Return the promotion, as text, where the plan has a single one."""
        ids = self.table["promotion_id"].drop_duplicates()
        return str(ids.iloc[0]) if len(ids) == 1 else None


@dataclass(frozen=True)
class ReleasedPlan:
    """A plan that was released, and is as it was released; `released_plans` finds them.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    manifest : mapping
        What its manifest says.
    """

    run: RunFolder
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def week(self) -> Week:
        """Its week."""
        return self.run.week

    @property
    def release(self) -> Mapping[str, Any]:
        """What the release froze."""
        frozen: Mapping[str, Any] = self.manifest["release"]
        return frozen

    def contacts(self) -> pd.DataFrame:
        """Return whom it contacts: as planned until what was sent is read back, then as sent.

        Returns
        -------
        DataFrame
            customer_id, promotion_id (missing where nobody knows it), channel (missing where it is
            not known), ts. Whoever was sent it twice has two rows. Those held out for the long run
            are in it with what they were planned for, and ``standing`` is true: so they leave later
            lists by the limit that those contacted leave by, and the two stay comparable.
        """
        planned = Planned.of(self.run.path)
        table, columns = planned.table, ["customer_id", "promotion_id", "channel"]
        standing = table.loc[table["holdout"] == "standing", columns].assign(standing=True)
        if self.manifest.get("sent"):
            sent = self.run.read_table("sent")
            sent = sent[(sent["rows"] > 0) & sent["customer_id"].notna()]
            sent = sent.loc[sent.index.repeat(sent["rows"])]
            ids = planned.promotions
            whole = "Int64" if ids.dtype.kind in "iu" else ids.dtype  # with gaps, never as floats
            known = pd.Series(ids.to_numpy(), index=ids.astype("str"), dtype=whole)
            sent = sent.assign(
                customer_id=sent["customer_id"].astype(table["customer_id"].dtype),
                promotion_id=sent["promotion_id"].map(known),
            )
            real = sent[columns]
        else:
            real = table.loc[table["holdout"] == NONE, columns]
        rows = pd.concat([real.assign(standing=False), standing], ignore_index=True)
        rows["channel"] = rows["channel"].where(~rows["channel"].isin(["", "unknown"]))
        return rows.assign(ts=pd.Timestamp(self.release["sends_at"]).as_unit("us"))

    def served(self) -> pd.DataFrame:
        """Return whom its service contacted beside the plan: customer_id, promotion_id, ts."""
        planned = Planned.of(self.run.path)
        bundles = read_operations(planned.settings).contact.bundles
        rows, _ = served_tables(self.run.path)
        rows = rows[(rows["action"] != NONE) & ~rows["planned"].astype(bool)]
        named = [bundles.get(action, (action,)) for action in rows["action"]]
        rows = rows.assign(promotion_id=pd.Series(named, rows.index, dtype=object))
        rows = rows.explode("promotion_id")[["customer_id", "promotion_id", "ts"]]
        ids = planned.promotions
        known = pd.Series(ids.to_numpy(), index=ids.astype("str"))
        rows = rows.assign(promotion_id=rows["promotion_id"].map(known))
        return rows.astype({"customer_id": planned.table["customer_id"].dtype})


def released_plans(reports: ReportsFolder) -> list[ReleasedPlan]:
    """Return the plans that a reports folder released, in order of time.

    Raises
    ------
    InputError
        If a file of one is not what was released, or read back as sent: it names the first. Such a
        plan is neither used nor passed over, for limits and results would silently differ.
    """
    found = []
    for week in reports.weeks():
        run = reports.run(week)
        manifest = run.manifest
        if reports.state(week) == "draft":
            continue
        try:
            check_unchanged(manifest["release"]["files"], plan_files(run.path), "the release")
            if sent := (manifest.get("sent") or {}).get("table"):
                there = hashes(run.path, run.path / SENT)
                check_unchanged({SENT: sent}, there, "it was read back")
        except InputError as error:
            raise InputError(
                f"the plan that {week} released cannot be relied on: {error}"
            ) from error
        found.append(ReleasedPlan(run, manifest))
    return found


def plan_record(run: RunFolder) -> dict[str, Any]:
    """Return what a draft's manifest says of its plan: its files, and what it took in.

    Parameters
    ----------
    run : RunFolder
        The week's folder, while it is made too.

    Returns
    -------
    dict
        files (SHA-256 by path), released (a digest of each other week's plan as it was counted),
        settings (SHA-256 of the shop's), promotions (windows of those that start in the week).
    """
    settings, offers = run.path / SHOP_SETTINGS, run.path / "shop" / "promotions.parquet"
    promotions = pd.read_parquet(offers) if offers.is_file() else None
    zone = settings_of(run.path).zone or "UTC"
    return {
        "files": plan_files(run.path),
        "released": released_digests(run),
        "settings": hashes(run.path, settings).get(SHOP_SETTINGS),
        "promotions": {} if promotions is None else starting_windows(promotions, run.week, zone),
    }


def released_digests(run: RunFolder) -> dict[str, str]:
    """Return a digest of the plan that each other week released."""
    found = {}
    for plan in released_plans(run.reports):
        sent = (plan.manifest.get("sent") or {}).get("table")
        told = json.dumps({"files": plan.release["files"], "sent": sent}, sort_keys=True)
        if plan.week != run.week:
            found[str(plan.week)] = hashlib.sha256(told.encode()).hexdigest()
    return found


def nameless_digest(folder: Path) -> str:
    """Return a digest of what a week decided, by which chances, and its figures: of no id.

    Parameters
    ----------
    folder : Path
        The week's folder; it stays the same when a code takes the place of an id.
    """
    paths = [folder / "tables" / f"{name}.parquet" for name in _TABLES]
    tables = {path.stem: pd.read_parquet(path) for path in paths if path.is_file()}
    told = [*hashes(folder, folder / "metrics.json").values()]
    if (chances := tables.pop("decision_propensities", None)) is not None:
        each = chances.sort_values("action").groupby("decision_id")
        every = each.agg({"action": tuple, "propensity": tuple}).add_prefix("every_")
        tables[DECISIONS] = tables[DECISIONS].join(every, on="decision_id")
    for name, frame in sorted(tables.items()):
        rows = frame.drop(columns=_NAMING, errors="ignore").to_csv(index=False)
        told += [name, *sorted(rows.split("\n"))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def starting_windows(promotions: pd.DataFrame, week: Week, zone: str) -> dict[str, dict[str, str]]:
    """Return the windows of the promotions that start in a week."""
    starts = promotions["starts_at"]
    rows = promotions[(starts >= week.start(zone)) & (starts < week.end(zone))]
    return frozen_windows(rows)


def released_contacts(run: RunFolder) -> pd.DataFrame:
    """Return whom the released plans of all other weeks contact, earlier and later ones.

    For `promolab.campaign.plan.plan_week`: the shop's exposures may not hold them yet. Of a week
    whose sending was read back it is those who were sent something. Those held out for the long
    run count as if they had been contacted, so that they stay comparable with those who were.

    Parameters
    ----------
    run : RunFolder
        The week that is planned, whose own plan is left out; the others lie beside it.

    Returns
    -------
    DataFrame
        customer_id, promotion_id, channel, ts (the start of the plan's week, UTC). Beside them
        whom a week's service contacted who was not in its plan, at the moment of it.
    """
    others = [plan for plan in released_plans(run.reports) if plan.week != run.week]
    found = [plan.contacts().drop(columns="standing") for plan in others]
    found += [plan.served().assign(channel=None) for plan in others]
    found = [rows for rows in found if len(rows)]
    if not found:
        nothing: dict[str, Any] = {"customer_id": [], "promotion_id": [], "channel": []}
        return pd.DataFrame(nothing | {"ts": pd.to_datetime([])})
    return pd.concat(found, ignore_index=True)


def with_released_decisions(run: RunFolder, shop: Shop) -> Shop:
    """Return the shop with the decisions of the plans that earlier weeks of its folder released.

    A draft that was never released was never carried out, and is passed over. Where the shop's own
    table has a decision of the same id, it stands.

    Parameters
    ----------
    run : RunFolder
        The week's folder; the others lie beside it.
    shop : Shop
        The cleaned shop.
    """
    import ibis

    frames = [plan.run.read_table("decisions") for plan in _released_before(run)]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return shop
    found = pd.concat(frames, ignore_index=True).drop_duplicates("decision_id", keep="last")
    customer = shop.events.customer_id.type()
    text = [c for c in ("decision_id", "action", "planned_action", "holdout") if c in found]
    made = ibis.memtable(found.astype(dict.fromkeys(text, str)))
    made = made.mutate(customer_id=made.customer_id.cast(customer), ts=made.ts.cast("timestamp"))
    if shop.has("decisions"):
        own = shop.decisions
        shared = [c for c in own.columns if c in made.columns]
        own = own.mutate(**{c: own[c].cast(made[c].type()) for c in shared}).select(shared)
        made = made.filter(made.decision_id.notin(own.decision_id)).select(shared)
        made = own.union(made)
    stored = keep(shop.backend, made, "decisions")
    return shop.with_tables({**shop.tables, "decisions": stored})


def carried_out(run: RunFolder, promotions: Iterable[Any]) -> list[str]:
    """Say of promotions that ended what their plans assigned, and what was sent of it.

    Parameters
    ----------
    run : RunFolder
        The week's folder; the others lie beside it.
    promotions : iterable
        Ids of promotions.
    """
    wanted, said = {str(p) for p in promotions}, []
    for plan in _released_before(run):
        planned = Planned.of(plan.run.path).table
        planned = planned[planned["promotion_id"].astype(str).isin(wanted)]
        if planned.empty:
            continue
        held = int((planned["holdout"] != NONE).sum())
        sent, facts = plan.manifest.get("sent"), {"week": str(plan.week), "held": held}
        facts |= {"names": sorted(planned["promotion_id"].astype(str).unique())}
        facts |= {"assigned": len(planned) - held, "sent": ""}
        if sent:
            told = Reconciliation(plan.run.read_table("sent"), sent["rows"]).summary()
            facts |= {"sent": told}
        said.append(words_of(__name__, "carried_out", **facts).say("told"))
    return said


def _released_before(run: RunFolder) -> list[ReleasedPlan]:
    return [plan for plan in released_plans(run.reports) if plan.week < run.week]


def moved_since_release(run: RunFolder, shop: Shop) -> dict[str, tuple[str, ...]]:
    """Return which promotions of released plans no longer run when the plan says they do.

    Parameters
    ----------
    run : RunFolder
        A week's folder; the released ones lie beside it.
    shop : Shop
        The shop as it is now.

    Returns
    -------
    dict of str to tuple of str
        Sentences by week; weeks of which nothing moved are left out.
    """
    said = {
        str(plan.week): moved_windows_of(plan.release, shop) for plan in released_plans(run.reports)
    }
    return {week: sentences for week, sentences in said.items() if sentences}


def moved_windows_of(frozen: Mapping[str, Any], shop: Shop) -> tuple[str, ...]:
    """Return a sentence for each promotion of a plan that no longer runs when the plan says."""
    return moved_windows(frozen["promotions"], windows_of(shop)) if frozen["promotions"] else ()
