"""What earlier weeks of a reports folder released: whom they assigned what, whatever was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.report.artifacts import RunFolder, read_json
from promolab.report.publish import good_weeks
from promolab.wording import count

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["carried_out", "with_released_decisions"]

RELEASED = ("released", "sent", "closed")


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

    frames = [
        folder.read_table("decisions")
        for folder, _ in _released_before(run)
        if folder.table_path("decisions").exists()
    ]
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
    name = ibis.util.gen_name("promolab_decisions")
    stored = shop.backend.create_table(name, made, temp=True)
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
    for folder, manifest in _released_before(run):
        if not folder.table_path("planned").exists():
            continue
        planned = folder.read_table("planned")
        planned = planned[planned["promotion_id"].astype(str).isin(wanted)]
        if planned.empty:
            continue
        held = int((planned["holdout"] != "none").sum())
        names = ", ".join(sorted(planned["promotion_id"].astype(str).unique()))
        sent = (manifest.get("sent") or {}).get("summary", "What was sent was not read back.")
        said.append(
            f"Plan of {folder.week} (promotion {names}): {count(len(planned) - held)} assigned, "
            f"{count(held)} held back. {sent}"
        )
    return said


def _released_before(run: RunFolder) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    out = run.path.resolve().parent
    for week in good_weeks(out) if out.is_dir() else []:
        folder = RunFolder(out / str(week), week)
        manifest = read_json(folder.path / "manifest.json") or {}
        if week < run.week and manifest.get("state") in RELEASED:
            yield folder, manifest
