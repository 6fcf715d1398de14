"""Small shops made of chance, and the weekly plan worked out for them by hand, row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd

from promolab.campaign.plan.planning import plan_week
from promolab.campaign.plan.result import Plan
from promolab.contract import Shop
from promolab.contract.operations import ContactLimit, ContactRules
from tests.made_up import shop_of

AS_OF = pd.Timestamp("2021-03-01")
DAY = pd.Timedelta(days=1)
CHANNELS = ["email", "E-Mail ", "e-mail", "sms", None]


def typed(frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Keep columns of nothing but gaps what they are; DuckDB takes them for whole numbers."""
    texts = ("channel", "status", "cluster_id", "type", "reason")
    kinds = dict.fromkeys(texts, "string")
    kinds |= dict.fromkeys(("ts", "since", "starts_at", "ends_at"), "timestamp")
    found = {name: ibis.memtable(frame.reset_index(drop=True)) for name, frame in frames.items()}
    return {
        name: table.cast({column: kind for column, kind in kinds.items() if column in table})
        for name, table in found.items()
    }


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
        return plan_week(
            self.shop(), self.scores, AS_OF, self.launching, rules=self.rules, **self.options
        )

    def shuffled(self, rng: np.random.Generator) -> Case:
        """Return the same with the rows of every table in another order."""

        def mixed(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)

        frames = {name: mixed(frame) for name, frame in self.frames.items()}
        case = Case(frames, mixed(self.scores), self.rules, self.options, self.settings)
        ids = self.launching
        first = frames["promotions"]["promotion_id"].isin(ids)
        frames["promotions"] = pd.concat(
            [frames["promotions"][first], frames["promotions"][~first]], ignore_index=True
        )
        return case


def case_of(seed: int) -> Case:
    """Return a shop of up to 12 customers with everything that makes a plan go wrong."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    numbered = bool(rng.integers(2))
    customers: list[Any] = list(range(n)) if numbered else [f"={i}" if i % 3 else f"c{i}" for i in
                                                            range(n)]  # fmt: skip
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
    return Case(
        frames,
        scores,
        _rules(rng, promotions["promotion_id"].astype(str).tolist()),
        {"holdout": float(rng.choice([0.1, 0.5, 0.9]))}
        | {"standing_holdout": float(rng.choice([0.0, 0.05, 0.4]))}
        | {"list_size": int(rng.integers(0, 6)), "seed": int(rng.integers(-5, 99))}
        | {"lead_days": int(rng.integers(0, 4)), "planned": owed if rng.random() < 0.4 else None}
        | {"quarantined": [str(c) for c in customers[: int(rng.integers(0, 2))]]},
        {"channel": rng.choice(["sms", None])},
    )


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


RULES = {
    "gets another promotion": 221,
    "complained lately": 412,
    "unsubscribed long ago": 221,
    "a status that is never contacted": 221,
    "the customer's row was quarantined": 412,
    "the list is full": 221,
    "a right refused": 221,
    "rights that contradict each other": 221,
    "not listed: no right": 412,
    "barred by another promotion of the bundle": 2,
    "as long as any past list": 412,
    "reminders are no further customers": 221,
    "a limit of the channel": 221,
    "in touch for a promotion that excludes it": 221,
    "the best chance of a bundle is not its last": 412,
    "not listed: may be contacted": 221,
    "as long as past lists of the kind": 221,
    "gets the second choice, for the first is full": 221,
    "unsubscribed": 221,
    "consent after the unsubscribe": 412,
    "consent as old as the unsubscribe": 98,
    "a limit of all channels": 51,
    "a limit that only the messages of a bundle exceed": 158,
    "a limit where the channel is not known": 51,
    "a limit exceeded by a contact whose channel is not known": 51,
    "a limit exceeded by what is owed after the sending": 158,
    "no past list": 216,
    "the shortest list of a bundle is not its first": 792,
}
"""Each rule of a plan, and the seed of a case in which it decides."""


def by_hand(case: Case, reached: set[str] | None = None) -> dict[tuple[Any, str], str]:
    """Work out where each customer leaves each promotion's funnel; ``planned`` if nowhere.

    What decided on the way is added to ``reached``, in the words of `RULES`.
    """
    reached = set() if reached is None else reached
    promotions = case.frames["promotions"].set_index("promotion_id")
    launching = sorted(case.launching, key=str)
    action = {p: str(p) for p in launching}
    for name, members in case.rules.bundles.items():
        action |= {p: name for p in launching if str(p) in members}
    actions = list(dict.fromkeys(action[p] for p in launching))
    customers = sorted(case.scores["customer_id"].unique())
    chance = case.scores.set_index(["customer_id", "promotion_id"])["p_redeemed"]
    bar = {(c, p): _bar(case, c, p, action, reached) for c in customers for p in launching}
    pairs = []
    for c in customers:
        for k, a in enumerate(actions):
            mine = [p for p in launching if action[p] == a]
            if not any(bar[c, p] for p in mine):
                best = max(chance[c, p] for p in mine)
                pairs.append((-best, k, c))
                if chance[c, mine[-1]] < best:
                    reached.add("the best chance of a bundle is not its last")
            elif not all(bar[c, p] for p in mine):
                reached.add("barred by another promotion of the bundle")
    size = case.options["list_size"] or None
    room = {}
    for a in actions:
        sizes = [size or _usual(case, promotions, p, reached) for p in launching if action[p] == a]
        room[a] = min(sizes)
        if min(sizes) < sizes[0]:
            reached.add("the shortest list of a bundle is not its first")
    got: dict[Any, str] = {}
    full: set[tuple[Any, int]] = set()
    for _, k, c in sorted(pairs):
        if c in got:
            reached.add("gets another promotion")
        elif room[actions[k]] > 0:
            got[c] = actions[k]
            room[actions[k]] -= 1
            if any(who == c for who, _ in full):
                reached.add("gets the second choice, for the first is full")
        else:
            full.add((c, k))
            reached.add("the list is full")
    free = {(c, actions[k]) for _, k, c in pairs}
    steps = {}
    for (c, p), barred in bar.items():
        other = (c, action[p]) not in free or got.get(c, action[p]) != action[p]
        step = "planned" if got.get(c) == action[p] else "not_planned"
        steps[c, str(p)] = barred or ("excluded" if other else step)
    return steps


def _usual(case: Case, promotions: pd.DataFrame, promotion: Any, reached: set[str]) -> int:
    exposures = case.frames["exposures"]
    each = exposures[exposures["ts"] < AS_OF].groupby("promotion_id")["customer_id"]
    made = each.nunique()
    if (each.size() > made).any():
        reached.add("reminders are no further customers")
    past = made[[p for p in made.index if promotions.loc[p, "starts_at"] < AS_OF]]
    kind = promotions.loc[promotion, "kind"]
    like = past[[p for p in past.index if promotions.loc[p, "kind"] == kind]]
    chosen = like if len(like) else past
    reached.add("as long as past lists of the kind" if len(like) else "as long as any past list"
                if len(past) else "no past list")  # fmt: skip
    return int(chosen.median()) if len(chosen) else 0


def _bar(
    case: Case, customer: Any, promotion: Any, action: dict[Any, str], reached: set[str]
) -> str | None:
    rules, frames = case.rules, case.frames
    sends_at = AS_OF + timedelta(days=case.options["lead_days"])
    channel = _channel(case, promotion)
    if _no_right(case, customer, channel, sends_at, reached):
        return "no_right"
    if str(customer) in case.options["quarantined"]:
        reached.add("the customer's row was quarantined")
        return "status"
    if "customers" in frames:
        row = frames["customers"].set_index("customer_id").loc[customer]
        if str(row["status"]).lower() in rules.never_statuses:
            reached.add("a status that is never contacted")
            return "status"
    complaints = frames["responses"].query("customer_id == @customer and kind == 'complaint'")
    quiet = sends_at - rules.quiet_days_after_complaint * DAY
    if any(quiet < ts < AS_OF for ts in complaints["ts"]):
        reached.add("complained lately")
        return "over_limit"
    contacts = [
        (r["promotion_id"], r["ts"], _channel(case, r["promotion_id"], r.get("channel")))
        for r in frames["exposures"].to_dict("records")
        if r["customer_id"] == customer and r["ts"] < AS_OF
    ]
    owed = case.options["planned"]
    if owed is not None:
        done = {p for p, _, _ in contacts}
        contacts += [
            (r["promotion_id"], r["ts"], _channel(case, r["promotion_id"]))
            for r in owed.to_dict("records")
            if r["customer_id"] == customer and r["promotion_id"] not in done
        ]
    together = [p for p in case.launching if action[p] == action[promotion]]
    messages = sum(_channel(case, p) == channel for p in together)
    for limit in rules.limits:
        wanted = None if limit.channel is None else limit.channel.lower()
        if wanted is not None and channel is not None and wanted != channel:
            continue
        mine = [ts for _, ts, c in contacts if None in (wanted, c) or c == wanted]
        sure = [ts for _, ts, c in contacts if wanted is None or c == wanted]
        days = limit.days * DAY
        # Any span of so many days that holds the sending, and ends with a contact.
        for last in [sends_at, *(ts for ts in mine if sends_at < ts < sends_at + days)]:
            made = sum(last - days < ts <= last for ts in mine)
            if made + messages > limit.contacts:
                if made + 1 <= limit.contacts:
                    reached.add("a limit that only the messages of a bundle exceed")
                if sum(last - days < ts <= last for ts in sure) + messages <= limit.contacts:
                    reached.add("a limit exceeded by a contact whose channel is not known")
                if last > sends_at:
                    reached.add("a limit exceeded by what is owed after the sending")
                reached.add(
                    "a limit of all channels" if wanted is None
                    else "a limit where the channel is not known" if channel is None
                    else "a limit of the channel"
                )  # fmt: skip
                return "over_limit"
    ends = frames["promotions"].set_index("promotion_id")["ends_at"]
    rivals = rules.rivals(promotion)
    for p, ts, _ in contacts:
        if str(p) in rivals and ends[p] > sends_at and ts < ends[promotion]:
            reached.add("in touch for a promotion that excludes it")
            return "excluded"
    return None


def _channel(case: Case, promotion: Any, own: Any = None) -> str | None:
    stated = case.frames["promotions"].set_index("promotion_id")["channel"]
    for channel in (own, stated[promotion], case.settings["channel"]):
        if isinstance(channel, str):
            return channel.strip().lower()
    return None


def _no_right(
    case: Case, customer: Any, channel: str | None, sends_at: pd.Timestamp, reached: set[str]
) -> bool:
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
    days = rules.quiet_days_after_unsubscribe
    again = any(r["allowed"] and last is not None and r["since"] > last for r in said)
    over = days is not None and last is not None and last <= sends_at - days * DAY
    if last is not None:
        if any(r["allowed"] and r["since"] == last for r in said) and not again and not over:
            reached.add("consent as old as the unsubscribe")
        reached.add("consent after the unsubscribe" if again else "unsubscribed long ago"
                    if over else "unsubscribed")  # fmt: skip
        if not again and not over:
            return True
    if rights is None:
        return False
    if any(not r["allowed"] for r in said):
        reached.add("a right refused")
        if any(r["allowed"] for r in said):
            reached.add("rights that contradict each other")
        return True
    if not said:
        reached.add("not listed: no right" if rules.unlisted == "no right"
                    else "not listed: may be contacted")  # fmt: skip
    return not said and rules.unlisted == "no right"
