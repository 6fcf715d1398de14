"""A made-up shop with a promotion or two a week, and its weeks planned in process, without a page.

Everything is the real thing: the shop lies in a folder of parquet files and is opened, cut at the
plan's morning and cleaned; the plan is made, written and noted as a run does it.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import plan_economics
from promolab.campaign.plan import plan_week, quarantined_customers, with_suppressions
from promolab.cleaning import clean, known_by
from promolab.folder import RunFolder, open_run, read_json, write_json
from promolab.loop import plan_record, released_contacts
from promolab.metrics.pooling import past_ratios
from promolab.sources import load_shop, save_shop
from promolab.weeks import Week

FIRST = Week.parse("2021-W10")
DAY = pd.Timedelta(days=1)
SETTINGS = """\
name = "Corner shop"
zone = "America/New_York"
margin_rate = 0.3
opened = 2021-01-01

[contact]
limits = {limits}
{more}
[attribution]
return_days = 14
"""


@dataclass
class MadeShop:
    """A source folder and a reports folder, and what is done with them."""

    root: Path
    customers: int = 40
    weeks: int = 3
    limits: str = "[{ contacts = 1, days = 14 }]"
    more: str = ""
    seed: int = 0
    first_id: int = 0
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    reports: str = "reports"
    cut: dict[tuple[Any, ...], Path] | None = None
    _cut: dict[tuple[Any, ...], Path] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        ids, monday = self.ids, pd.Timestamp(FIRST.start("America/New_York"))
        starts = [monday + 7 * k * DAY + pd.Timedelta(hours=k) for k in range(-6, self.weeks)]
        promotions = pd.DataFrame(
            {"promotion_id": range(1, len(starts) + 1), "kind": "coupon", "starts_at": starts}
        )
        promotions["ends_at"] = promotions["starts_at"] + 10 * DAY
        promotions["channel"] = rng.choice(["email", "app"], len(starts))
        past = promotions.iloc[:4].merge(pd.DataFrame({"customer_id": ids[::3]}), how="cross")
        past = past.rename(columns={"starts_at": "ts"})
        events = pd.DataFrame({"customer_id": np.repeat(ids, 6), "kind": "purchase"})
        events["ts"] = monday - rng.integers(10, 1800, len(events)) * pd.Timedelta(hours=1)
        events["product_id"], events["amount"] = "p", rng.integers(1, 50, len(events)) * 1.0
        events["quantity"], events["discount"] = 1, 0.5
        events["order_id"] = np.arange(len(events))
        everybody, answers = pd.DataFrame({"customer_id": ids}), past.iloc[::4]
        channels = pd.DataFrame({"channel": ["email", "app"], "allowed": True})
        self.frames = {
            "events": events,
            "customers": everybody.assign(status="active"),
            "products": pd.DataFrame({"product_id": ["p"], "category": ["c"]}),
            "promotions": promotions,
            "promotion_products": promotions[["promotion_id"]].assign(product_id="p"),
            "exposures": past[["promotion_id", "customer_id", "ts", "channel"]],
            "responses": answers[["promotion_id", "customer_id", "ts"]].assign(kind="redeem"),
            "contact_rights": everybody.merge(channels, how="cross"),
        }
        cut = self.cut
        self.write()
        self._cut = self._cut if cut is None else cut

    @property
    def ids(self) -> Any:
        return self.first_id + np.arange(self.customers)

    @property
    def source(self) -> Path:
        return self.root / "shop"

    @property
    def out(self) -> Path:
        return self.root / self.reports

    def write(self) -> None:
        self._cut = {}
        self.source.mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames.items():
            frame.to_parquet(self.source / f"{name}.parquet", index=False)
        self.write_settings()

    def write_settings(self) -> None:
        self.out.mkdir(exist_ok=True)
        text = SETTINGS.format(limits=self.limits, more=self.more)
        (self.source / "shop.toml").write_text(text, encoding="utf-8")

    def week(self, number: int) -> Week:
        """Return a week by its number from 0."""
        return FIRST if number == 0 else self.week(number - 1).next()

    def draft(self, number: int, lead_days: int = 0, **options: Any) -> RunFolder:
        """Make the draft of a week, in place of an earlier one.

        Where the same was drafted before, no week released beside it, the draft is a copy of it.
        """
        week = self.week(number)
        same = (number, lead_days, self.limits, self.more, *sorted(options.items()))
        beside = {read_json(path)["state"] for path in self.out.glob("*/manifest.json")}
        if not beside <= {"draft"}:
            return self._drafted(number, lead_days, options)
        if same not in self._cut:
            self._cut[same] = Path(tempfile.mkdtemp(dir=self.root.parent)) / str(week)
            shutil.copytree(self._drafted(number, lead_days, options).path, self._cut[same])
        target = self.out / str(week)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._cut[same], target)
        manifest = read_json(target / "manifest.json")  # as if it were made of this shop's tables
        manifest["parameters"]["source"] = str(self.source)
        write_json(target / "manifest.json", manifest)
        return RunFolder(target, week)

    def _drafted(self, number: int, lead_days: int, options: dict[str, Any]) -> RunFolder:
        week = self.week(number)
        whole = load_shop(self.source)
        as_of = week.start(whole.zone, lead_days)
        target = self.out / str(week)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._first_step(number, lead_days, whole, as_of), target)
        run = open_run(target, week=week)
        (run.path / "shop" / "shop.toml").write_text(whole.settings.to_toml(), encoding="utf-8")
        shop = load_shop(run.path / "shop")
        promotions = shop.promotions.execute()
        starts = promotions["starts_at"]
        mine = promotions[(starts >= week.start(shop.zone)) & (starts < week.end(shop.zone))]
        run.write_table("outlook", mine[["promotion_id"]], by="promotion_id")
        ids = pd.DataFrame({"customer_id": self.ids})
        scores = ids.merge(mine[["promotion_id"]], how="cross")
        rng = np.random.default_rng([self.seed, number])
        scores["p_redeemed"] = rng.random(len(scores))
        scores["support"] = "inside"
        run.write_table("scores", scores, by=["customer_id", "promotion_id"])
        run.write_table("segments", ids.assign(segment="All"), by="customer_id")
        run.write_table("features", ids.assign(amount_28d=1.0), by="customer_id")
        ratios = past_ratios([18, 40, 21], [20.0, 30.0, 25.0])
        run.record("response", {"past_ratios": ratios.to_dict()})
        plan = plan_week(
            with_suppressions(run, shop),
            scores,
            as_of,
            sorted(set(scores["promotion_id"]), key=str),
            lead_days=lead_days,
            planned=released_contacts(run),
            quarantined=quarantined_customers(shop, run.read_table("quarantine")),
            **options,
        )
        plan_economics(run, shop, plan).write()
        told = {"source": str(self.source), "week": str(week), "lead_days": lead_days}
        manifest = {"parameters": told, "status": "good", "state": "draft", "shop": "Corner shop"}
        manifest |= {"inputs": whole.fingerprints, "plan": plan_record(run)}
        manifest["as_of"] = as_of.isoformat()
        (run.path / "index.html").write_text("<p>the week</p>")
        write_json(run.path / "manifest.json", manifest)
        return run

    def _first_step(self, number: int, lead_days: int, whole: Any, as_of: Any) -> Path:
        """Return a folder with the shop as of a morning, cleaned: made once, the limits apart."""
        if (number, lead_days) not in self._cut:
            folder = Path(tempfile.mkdtemp(dir=self.root.parent))
            run = open_run(folder, week=self.week(number))
            told = {"week": str(run.week), "lead_days": lead_days}
            manifest = {"parameters": told, "status": "lab", "as_of": as_of.isoformat()}
            write_json(folder / "manifest.json", manifest)
            shop, report = clean(known_by(whole, as_of))
            save_shop(shop, folder / "shop")
            quarantine = report.quarantine.execute().reset_index(names="number")
            run.write_table("quarantine", quarantine, by="number")
            self._cut[number, lead_days] = folder
        return self._cut[number, lead_days]

    def run(self, number: int) -> RunFolder:
        return RunFolder(self.out / str(self.week(number)), self.week(number))

    def manifest(self, number: int) -> dict[str, Any]:
        return dict(self.run(number).manifest)

    def table(self, number: int, name: str) -> pd.DataFrame:
        return self.run(number).read_table(name)

    def files(self, number: int) -> pd.DataFrame:
        """Return what the send files of a week hold: customer_id, promotion_id, channel as text."""
        paths = sorted((self.run(number).path / "send").glob("*__*.csv"))
        return pd.concat([pd.read_csv(path, dtype=str) for path in paths], ignore_index=True)
