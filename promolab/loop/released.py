"""What the weeks of a reports folder released, each verified against its release as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.contract import NONE, read_operations
from promolab.engines import keep
from promolab.errors import InputError
from promolab.folder import ReportsFolder, RunFolder, sha256_of, state_of
from promolab.language import _
from promolab.loop.planned import SENT, Planned, plan_files
from promolab.loop.reconcile import Reconciliation
from promolab.loop.served import served_contacts
from promolab.loop.states import check_unchanged, moved_windows
from promolab.weeks import Week
from promolab.wording import count, listed

if TYPE_CHECKING:
    from promolab.contract import Shop


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
        table = table if "channel" in table else table.assign(channel=None)
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
        rows = served_contacts(self.run.path, bundles)
        if rows.empty:
            return rows
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
        if state_of(manifest) == "draft":
            continue
        try:
            check_unchanged(manifest["release"]["files"], plan_files(run.path), "the release")
            if manifest.get("sent"):
                _check_sent(run.path, manifest["sent"])
        except InputError as error:
            raise InputError(
                f"the plan that {week} released cannot be relied on: {error}"
            ) from error
        found.append(ReleasedPlan(run, manifest))
    return found


def _check_sent(folder: Path, sent: Mapping[str, Any]) -> None:
    told = sent.get("table")
    if told is not None:
        there = {SENT: sha256_of(folder / SENT)} if (folder / SENT).is_file() else {}
        check_unchanged({SENT: told}, there, "it was read back")


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
        names = listed(sorted(planned["promotion_id"].astype(str).unique()))
        sent = plan.manifest.get("sent")
        read_back = sent and Reconciliation(plan.run.read_table("sent"), sent["rows"]).summary()
        said.append(
            _(
                "Plan of {week} (promotion {names}): {assigned} assigned, {held} held back. {sent}",
                week=plan.week,
                names=names,
                assigned=count(len(planned) - held),
                held=count(held),
                sent=read_back or _("What was sent was not read back."),
            )
        )
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


def windows_of(shop: Shop) -> pd.DataFrame:
    """Return the shop's promotions and their windows, as they are now."""
    table = shop["promotions"]
    frame: pd.DataFrame = table.select("promotion_id", "starts_at", "ends_at").to_pandas()
    return frame


def moved_windows_of(frozen: Mapping[str, Any], shop: Shop) -> tuple[str, ...]:
    """Return a sentence for each promotion of a plan that no longer runs when the plan says."""
    return moved_windows(frozen["promotions"], windows_of(shop)) if frozen["promotions"] else ()
