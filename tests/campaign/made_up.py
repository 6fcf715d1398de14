"""Small shops made of chance, and the weekly plan worked out for them by hand, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd

from promolab.campaign.plan.planning import plan_week
from promolab.campaign.plan.result import STEPS, Plan
from promolab.contract import Shop
from promolab.contract.operations import ContactLimit, ContactRules
from tests.made_up import shop_of

AS_OF = pd.Timestamp("2021-03-01")
DAY = pd.Timedelta(days=1)
CHANNELS = ["email", "E-Mail ", "e-mail", "sms", None]


def typed(frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Keep columns of nothing but gaps what they are; DuckDB takes them for whole numbers."""
    kinds = dict.fromkeys(("channel", "status", "cluster_id", "type", "reason"), "string")
    kinds |= dict.fromkeys(("ts", "since", "starts_at", "ends_at"), "timestamp")
    return {
        name: ibis.memtable(frame.reset_index(drop=True)).cast(
            {column: kind for column, kind in kinds.items() if column in frame}
        )
        for name, frame in frames.items()
    }


def coupons(n: int, ids: Sequence[int] = (7,), **frames: pd.DataFrame) -> tuple[Shop, pd.DataFrame]:
    """Return a shop of n customers whose coupons start tomorrow, by e-mail, and their scores."""
    who = np.arange(n)
    events = pd.DataFrame({"customer_id": who, "ts": AS_OF - DAY, "kind": "purchase"})
    promotions = pd.DataFrame({"promotion_id": [*ids], "kind": "coupon", "channel": "email"})
    promotions = promotions.assign(starts_at=AS_OF + DAY, ends_at=AS_OF + 11 * DAY)
    scores = pd.DataFrame({"customer_id": who, "p_redeemed": 1 - who / n})
    scores = scores.merge(promotions[["promotion_id"]], how="cross")
    return shop_of(typed({"events": events, "promotions": promotions} | frames)), scores


def check_whole(plan: Plan, active: int) -> None:
    """Check that nobody is lost in the funnel, and what is written of each customer agrees."""
    funnel = plan.funnel.set_index("promotion_id")
    assert (funnel[list(STEPS)].sum(axis=1) == active).all() and (funnel["active"] == active).all()
    for column, rows in (("planned", plan.planned), ("to_contact", plan.to_contact)):
        counts = rows.groupby("promotion_id").size().reindex(funnel.index, fill_value=0)
        assert counts.tolist() == funnel[column].tolist()
    decisions = plan.decisions.set_index("decision_id")
    assert decisions.index.is_unique and decisions["customer_id"].is_unique
    chance = plan.propensities.set_index(["decision_id", "action"])["propensity"]
    sums = chance.groupby(level=0).sum()
    assert chance.index.is_unique and (chance > 0).all()
    assert set(sums.index) == set(decisions.index) and np.allclose(sums, 1)
    own = chance.loc[list(zip(decisions.index, decisions["action"], strict=True))]
    assert np.allclose(own, decisions["propensity"])
    planned = decisions["planned_action"].where(decisions["holdout"] == "none", "none")
    assert (decisions["action"] == planned).all()
    wanted = decisions.loc[decisions["planned_action"] != "none", "customer_id"]
    assert set(wanted) == set(plan.planned["customer_id"])


@dataclass
class Case:
    """A shop, what is scored, and how it is planned."""

    frames: dict[str, pd.DataFrame]
    scores: pd.DataFrame
    rules: ContactRules
    options: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def launching(self) -> list[Any]:
        return self.frames["promotions"]["promotion_id"].head(3).tolist()

    def shop(self) -> Shop:
        return shop_of(typed(self.frames), **self.settings)

    def plan(self) -> Plan:
        told = {"rules": self.rules, **self.options}
        return plan_week(self.shop(), self.scores, AS_OF, self.launching, **told)

    def shuffled(self, rng: np.random.Generator) -> Case:
        """Return the same with the rows of every table in another order."""

        def mixed(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)

        frames = {name: mixed(frame) for name, frame in self.frames.items()}
        later = ~frames["promotions"]["promotion_id"].isin(self.launching)
        frames["promotions"] = frames["promotions"].iloc[np.argsort(later, kind="stable")]
        return replace(self, frames=frames, scores=mixed(self.scores))


def case_of(seed: int) -> Case:
    """Return a shop of up to 12 customers with everything that makes a plan go wrong."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    numbered = bool(rng.integers(2))
    customers = [i if numbered else f"={i}" if i % 3 else f"c{i}" for i in range(n)]
    promotions = pd.DataFrame({"promotion_id": [18, 9, 20, 4, 5] if numbered else [*"QPRAB"]})
    promotions["kind"] = rng.choice(["coupon", "recommendation"], 5)
    promotions["starts_at"] = [AS_OF + 2 * DAY] * 3 + [AS_OF - 40 * DAY, AS_OF - 5 * DAY]
    promotions["ends_at"] = [AS_OF + 30 * DAY] * 3 + [AS_OF - 3 * DAY, AS_OF + 9 * DAY]
    promotions["channel"] = rng.choice(CHANNELS, 5)

    def some(rows: int) -> pd.DataFrame:
        return pd.DataFrame(
            {"customer_id": rng.choice(customers, rows)}
            | {"promotion_id": rng.choice(promotions["promotion_id"].tolist(), rows)}
            | {"ts": AS_OF + pd.to_timedelta(rng.integers(-30, 6, rows) * 12, unit="h")}
        )

    exposures = some(int(rng.integers(0, 30)) + 1)
    exposures["channel"] = rng.choice(CHANNELS, len(exposures))
    responses = some(int(rng.integers(0, 12)) + 1)
    responses["kind"] = rng.choice(["complaint", "unsubscribe", "redeem"], len(responses))
    events = pd.DataFrame({"customer_id": customers, "ts": AS_OF - DAY, "kind": "purchase"})
    exposures = exposures.drop(columns="channel") if rng.random() < 0.3 else exposures
    frames = {"events": events, "promotions": promotions}
    frames |= {"exposures": exposures, "responses": responses}
    if rng.random() < 0.7:
        frames["customers"] = pd.DataFrame(
            {"customer_id": customers, "status": rng.choice(["ok", "Blocked", None], n)}
            | {"cluster_id": rng.choice(["H1", "H2", "H3", None], n)}
        )
    if rng.random() < 0.6:
        rows = int(rng.integers(1, 4 * n + 2))
        since = pd.Series(AS_OF + rng.integers(-20, 4, rows) * DAY)
        frames["contact_rights"] = pd.DataFrame(
            {"customer_id": rng.choice(customers, rows), "channel": rng.choice(CHANNELS[:4], rows)}
            | {"allowed": rng.random(rows) < 0.8}
            | {"since": since.where(rng.random(rows) < 0.7)}
        )
    first = promotions[["promotion_id"]].head(3)
    scores = pd.DataFrame({"customer_id": customers}).merge(first, how="cross")
    scores["p_redeemed"] = rng.integers(0, 6, len(scores)) / 5
    owed = some(3).assign(ts=AS_OF + rng.integers(-9, 10, 3) * DAY)
    rules = _rules(rng, promotions["promotion_id"].astype(str).tolist())
    options: dict[str, Any] = {"holdout": float(rng.choice([0.1, 0.5, 0.9]))}
    options |= {"standing_holdout": float(rng.choice([0.0, 0.05, 0.4]))}
    options |= {"list_size": int(rng.integers(0, 6)), "seed": int(rng.integers(-5, 99))}
    options |= {"lead_days": int(rng.integers(0, 4))}
    options |= {"planned": owed if rng.random() < 0.4 else None}
    options |= {"quarantined": [str(c) for c in customers[: int(rng.integers(0, 2))]]}
    return Case(frames, scores, rules, options, {"channel": rng.choice(["sms", None])})


def _rules(rng: np.random.Generator, ids: list[str]) -> ContactRules:
    limits = [
        ContactLimit(int(rng.integers(1, 4)), int(rng.integers(1, 15)), channel)
        for channel in ("e-mail", "SMS", None)
        if rng.random() < 0.4
    ]
    return ContactRules(
        limits=tuple(limits),
        quiet_days_after_complaint=int(rng.choice([0, 3, 90])),
        quiet_days_after_unsubscribe=rng.choice([None, 5]),
        unlisted=str(rng.choice(["no right", "may be contacted"])),  # type: ignore[arg-type]
        exclusive=((ids[0], ids[4]),) if rng.random() < 0.5 else (),
        bundles={"both": (ids[1], ids[2])} if rng.random() < 0.3 else {},
    )


SEEDS = (2, 51, 98, 158, 216, 221, 412, 792)
"""Cases in which, between them, each rule of a plan decides."""


def by_hand(case: Case) -> dict[tuple[Any, str], str]:
    """Work out where each customer leaves each promotion's funnel; ``planned`` if nowhere."""
    promotions = case.frames["promotions"].set_index("promotion_id")
    launching = sorted(case.launching, key=str)
    action = {p: str(p) for p in launching}
    for name, bundle in case.rules.bundles.items():
        action |= {p: name for p in launching if str(p) in bundle}
    actions = list(dict.fromkeys(action[p] for p in launching))
    customers = sorted(case.scores["customer_id"].unique())
    chance = case.scores.set_index(["customer_id", "promotion_id"])["p_redeemed"]
    bar = {(c, p): _bar(case, c, p, action) for c in customers for p in launching}
    members = {a: [p for p in launching if action[p] == a] for a in actions}
    pairs = [
        (-max(chance[c, p] for p in members[a]), k, c)
        for c in customers
        for k, a in enumerate(actions)
        if not any(bar[c, p] for p in members[a])
    ]
    size = case.options["list_size"] or None
    room = {a: min(size or _usual(case, promotions, p) for p in members[a]) for a in actions}
    got: dict[Any, str] = {}
    for _, k, c in sorted(pairs):
        if c not in got and room[actions[k]] > 0:
            got[c] = actions[k]
            room[actions[k]] -= 1
    free = {(c, actions[k]) for _, k, c in pairs}
    steps = {}
    for (c, p), barred in bar.items():
        other = (c, action[p]) not in free or got.get(c, action[p]) != action[p]
        step = "planned" if got.get(c) == action[p] else "not_planned"
        steps[c, str(p)] = barred or ("excluded" if other else step)
    return steps


def _usual(case: Case, promotions: pd.DataFrame, promotion: Any) -> int:
    exposures = case.frames["exposures"]
    made = exposures[exposures["ts"] < AS_OF].groupby("promotion_id")["customer_id"].nunique()
    past = made[[p for p in made.index if promotions.loc[p, "starts_at"] < AS_OF]]
    kind = promotions.loc[promotion, "kind"]
    like = past[[p for p in past.index if promotions.loc[p, "kind"] == kind]]
    chosen = like if len(like) else past
    return int(chosen.median()) if len(chosen) else 0


def _bar(case: Case, customer: Any, promotion: Any, action: dict[Any, str]) -> str | None:
    rules, frames = case.rules, case.frames
    sends_at = AS_OF + timedelta(days=case.options["lead_days"])
    channel = _channel(case, promotion)
    if _no_right(case, customer, channel, sends_at):
        return "no_right"
    if str(customer) in case.options["quarantined"]:
        return "status"
    if "customers" in frames:
        row = frames["customers"].set_index("customer_id").loc[customer]
        if str(row["status"]).lower() in rules.never_statuses:
            return "status"
    complaints = frames["responses"].query("customer_id == @customer and kind == 'complaint'")
    quiet = sends_at - rules.quiet_days_after_complaint * DAY
    if any(quiet < ts < AS_OF for ts in complaints["ts"]):
        return "over_limit"
    contacts = [
        (r["promotion_id"], r["ts"], _channel(case, r["promotion_id"], r.get("channel")))
        for r in frames["exposures"].to_dict("records")
        if r["customer_id"] == customer and r["ts"] < AS_OF
    ]
    owed, done = case.options["planned"], {p for p, _, _ in contacts}
    contacts += [
        (r["promotion_id"], r["ts"], _channel(case, r["promotion_id"]))
        for r in (() if owed is None else owed.to_dict("records"))
        if r["customer_id"] == customer and r["promotion_id"] not in done
    ]
    together = [p for p in case.launching if action[p] == action[promotion]]
    messages = sum(_channel(case, p) == channel for p in together)
    for limit in rules.limits:
        wanted = None if limit.channel is None else limit.channel.lower()
        if None not in (wanted, channel) and wanted != channel:
            continue
        mine = [ts for _, ts, c in contacts if None in (wanted, c) or c == wanted]
        days = limit.days * DAY
        # Any span of so many days that holds the sending, and ends with a contact.
        for last in [sends_at, *(ts for ts in mine if sends_at < ts < sends_at + days)]:
            if sum(last - days < ts <= last for ts in mine) + messages > limit.contacts:
                return "over_limit"
    ends = frames["promotions"].set_index("promotion_id")["ends_at"]
    rivals = rules.rivals(promotion)
    for p, ts, _ in contacts:
        if str(p) in rivals and ends[p] > sends_at and ts < ends[promotion]:
            return "excluded"
    return None


def _channel(case: Case, promotion: Any, own: Any = None) -> str | None:
    stated = case.frames["promotions"].set_index("promotion_id")["channel"]
    for channel in (own, stated[promotion], case.settings["channel"]):
        if isinstance(channel, str):
            return channel.strip().lower()
    return None


def _no_right(case: Case, customer: Any, channel: str | None, sends_at: pd.Timestamp) -> bool:
    frames, rules = case.frames, case.rules
    rights = frames.get("contact_rights")
    said = [] if rights is None else [
        r for r in rights.to_dict("records")
        if r["customer_id"] == customer and not r["since"] > AS_OF
        and (channel is None or r["channel"].strip().lower() == channel)
    ]  # fmt: skip
    exposures = frames["exposures"]
    last = None
    for r in frames["responses"].to_dict("records"):
        if r["customer_id"] != customer or r["kind"] != "unsubscribe" or r["ts"] >= AS_OF:
            continue
        seen = exposures[(exposures["customer_id"] == customer) & (exposures["ts"] < AS_OF)]
        seen = seen[seen["promotion_id"] == r["promotion_id"]]
        own = seen["channel"].tolist() if "channel" in seen else []
        channels = {_channel(case, r["promotion_id"], c) for c in own or [None]}
        if channel is None or channel in channels or None in channels:
            last = r["ts"] if last is None else max(last, r["ts"])
    if last is not None:
        days = rules.quiet_days_after_unsubscribe
        over = days is not None and last <= sends_at - days * DAY
        if not over and not any(r["allowed"] and r["since"] > last for r in said):
            return True
    if any(not r["allowed"] for r in said):
        return True
    return rights is not None and not said and rules.unlisted == "no right"
