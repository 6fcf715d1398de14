"""A released week, opened once and kept as plain arrays: model, plan, holdouts, effects, costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.past import clusters
from promolab.campaign.plan import quarantined_customers, same_channel
from promolab.contract import REPLY_PLACES, ContactRules, Shop, read_operations
from promolab.errors import InputError
from promolab.folder import ReportsFolder, RunFolder, sha256_of, state_of
from promolab.loop import released_contacts, released_plans
from promolab.model import ArrayModel, ResponseModel
from promolab.serve.live import LiveFeatures
from promolab.serve.pairs import LiveChances
from promolab.serve.plans import (
    PROMOTION,
    Action,
    Holdouts,
    Plans,
    actions_of,
    left_of,
    with_actions,
)
from promolab.serve.rights import LiveRights
from promolab.sources import load_shop
from promolab.text import Replies
from promolab.weeks import Week


@dataclass(frozen=True)
class ReleasedWeek:
    """A week that was released, as the service answers from it; `open_week` opens it.

    Parameters
    ----------
    run : RunFolder
    zone : str
        The shop's.
    as_of : datetime
        When its plan was made (UTC).
    live : LiveFeatures
        What the week knew of its customers, to be kept up.
    chances : LiveChances or None
        What the week's model says; None where there is none yet.
    fingerprint : str
        SHA-256 of the model's file; empty where there is none.
    plans : Plans
    actions : dict of str to Action
    holdouts : Holdouts
    rights : LiveRights
    customers : frozenset
        Ids of everybody whom the shop knows.
    effects : dict
        Promotion (as text) → customer → effect and the ends of its interval.
    identification : str
        Of the effects: ``randomised`` or ``adjusted``; empty where they are not identified.
    left : float
        What of the stated budget the plan leaves; infinite where none is stated.
    channels : frozenset of str
        Those that the shop knows, as compared.
    replies : Replies or None
        What questions are answered with; None where the shop states no templates.
    terms : dict
        Promotion (as text) → what a reply may say of it, by place; of those that have a name.
    """

    run: RunFolder
    zone: str
    as_of: datetime
    live: LiveFeatures
    chances: LiveChances | None
    fingerprint: str
    plans: Plans
    actions: dict[str, Action]
    holdouts: Holdouts
    rights: LiveRights
    customers: frozenset[Any] = field(repr=False)
    effects: dict[str, dict[Any, tuple[float, float, float]]] = field(repr=False)
    identification: str = ""
    left: float = np.inf
    channels: frozenset[str] = frozenset()
    replies: Replies | None = field(default=None, repr=False)
    terms: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def week(self) -> Week:
        """The week."""
        return self.run.week

    @property
    def promotions(self) -> list[str]:
        """The promotions of its plan, as text."""
        return [promotion for action in self.actions.values() for promotion in action.promotions]


def open_week(week: str, out: str | Path = "reports") -> ReleasedWeek:
    """Open a released week for answering.

    Parameters
    ----------
    week : str
        ISO week.
    out : str or Path
        The reports folder.

    Raises
    ------
    InputError
        There is no report of the week, it was never released, or a file of its plan is not what was
        released.
    """
    reports = ReportsFolder.there(out)
    run = reports.whole_run(Week.parse(week))
    if state_of(run.manifest) == "draft":
        raise InputError(
            f"{run.week} was never released: its plan is a draft, which nobody may act on yet; "
            f"release it first: promolab release {run.week}"
        )
    released_plans(reports)  # refuses what is not as it was released
    shop = load_shop(run.path / "shop")
    file = run.path / "model.safetensors"
    live = LiveFeatures(shop, run.as_of)
    chances = None
    if there := file.is_file():
        chances = LiveChances(ArrayModel(ResponseModel.load(file)), shop, live)
    told, operations = run.metrics["plan"], read_operations(shop.settings)
    rules, stated = operations.contact, operations.replies
    decisions, planned = run.read_table("decisions"), run.read_table("planned")
    plans = Plans(decisions, run.read_table("decision_propensities"))
    actions = actions_of(run, shop, planned, plans)
    people = _customers(shop)
    groups = clusters(shop, people)
    holdouts = Holdouts(
        told["holdout"], told["standing_holdout"], told["seed"], told["standing_seed"],
        {} if groups is None else groups.dropna().to_dict(),
    )  # fmt: skip
    owed = [released_contacts(run), _own_contacts(run, planned)]
    owed = [rows for rows in owed if len(rows)]  # an empty one would make floats of whole ids
    gone = quarantined_customers(shop, run.read_table("quarantine"))
    rights = LiveRights(
        shop, run.as_of, rules, pd.concat(owed, ignore_index=True) if owed else None, gone
    )
    rights.offers |= with_actions(rights.offers, actions)
    identification = str((run.metrics.get("uplift") or {}).get("identification") or "")
    known = identification in ("randomised", "adjusted")
    return ReleasedWeek(
        run, shop.zone, run.as_of, live, chances,
        sha256_of(file) if there else "",
        plans, actions, holdouts, rights, frozenset(people.tolist()),
        _effects(run) if known else {},
        identification if known else "",
        left_of(run, shop),
        _channels(shop, rules),
        Replies(stated.intents, precision=stated.precision, foreign=stated.foreign)
        if stated.intents else None,
        _terms(shop) if stated.intents and shop.has("promotions") else {},
    )  # fmt: skip


def _terms(shop: Shop) -> dict[str, dict[str, Any]]:
    """Return what a reply may say of each promotion that has a name."""
    rows = shop.promotions.execute()
    last = rows["ends_at"].dt.tz_localize("UTC").dt.tz_convert(shop.zone) - pd.Timedelta("1us")
    rows["ends_at"] = last.dt.strftime("%Y-%m-%d")
    rows["offer"] = names = rows["promotion_id"].astype(str).map(shop.titles)
    rows = rows.set_index(rows["promotion_id"].astype(str)).reindex(columns=[*REPLY_PLACES])
    named = rows[names.notna().to_numpy()]
    return {promotion: row.dropna().to_dict() for promotion, row in named.iterrows()}


def _channels(shop: Shop, rules: ContactRules) -> frozenset[str]:
    """Return the channels that promotions, exposures, contact rights or shop.toml name."""
    found = {shop.settings.channel, *(limit.channel for limit in rules.limits)}
    for name in ("promotions", "exposures", "contact_rights"):
        if shop.has(name, "channel"):
            found |= set(shop[name].select("channel").distinct().execute()["channel"])
    return frozenset(same_channel(c) for c in found if isinstance(c, str) and c.strip())


def _customers(shop: Shop) -> pd.Index:
    """Return everybody whom the shop knows."""
    known = shop.events.select("customer_id")
    if shop.has("customers"):
        known = known.union(shop.customers.select("customer_id"))
    found = known.filter(known.customer_id.notnull()).distinct().execute()
    people: pd.Index = pd.Index(found["customer_id"].sort_values())
    return people


def _own_contacts(run: RunFolder, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the plan's own contacts, those held out for the long run as `released_contacts` has.

    They count against the limits of other promotions from the moment of the sending.
    """
    sends_at = pd.Timestamp(run.manifest["release"]["sends_at"]).as_unit("us")
    rows = planned[planned["holdout"] != PROMOTION]
    return rows[["customer_id", "promotion_id", "channel"]].assign(ts=sends_at)


def _effects(run: RunFolder) -> dict[str, dict[Any, tuple[float, float, float]]]:
    """Return what each promotion that starts adds for whom; past decisions' rows are left out."""
    rows = run.read_table("uplift")
    rows = rows[rows["promotion_id"].notna() & (rows["decision"] < 0)]
    return {
        str(promotion): dict(
            zip(
                mine["customer_id"].tolist(),
                mine[["effect", "ci_low", "ci_high"]].itertuples(index=False, name=None),
                strict=True,
            )
        )
        for promotion, mine in rows.groupby("promotion_id")
    }
