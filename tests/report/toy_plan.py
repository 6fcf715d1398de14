"""The plan of the toy week, as a notebook writes it; and the toy shop's tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from promolab.contract import Settings

START, END = pd.Timestamp("2017-10-30 04:00"), pd.Timestamp("2017-11-13 05:00")
SETTINGS = Settings(
    name="Toy & Co",
    zone="America/New_York",
    operations={
        "send": {"columns": {"customer_id": "Key", "promotion_id": "Offer"}},
        "attribution": {"return_days": 14},
    },
)
PLANNED = pd.DataFrame(
    {
        "customer_id": [1, 2, 3, 4],
        "promotion_id": [18, 18, 18, 18],
        "channel": "mail",
        "holdout": ["none", "none", "standing", "promotion"],
    }
)


def promotions(end: pd.Timestamp = END) -> pd.DataFrame:
    """Return the toy's promotions: 18 is the week's own."""
    ids = {"promotion_id": [17, 18], "kind": "coupon"}
    return pd.DataFrame(ids | {"channel": "mail", "starts_at": START, "ends_at": end})


def write_plan(run) -> None:
    decisions = PLANNED.assign(planned_action="18", decision_id=["a", "b", "c", "d"])
    last: list[Any] = [9, 0, "", "none", "none", "e"]
    decisions.loc[4] = last
    decisions["action"] = decisions["planned_action"].where(decisions["holdout"] == "none", "none")
    columns = ["decision_id", "customer_id", "action", "planned_action", "holdout"]
    run.write_table("decisions", decisions[columns], by="decision_id")
    run.write_table("planned", PLANNED, by=["customer_id", "promotion_id"])
    shop, send = Path(run.path) / "shop", Path(run.path) / "send"
    shop.mkdir()
    promotions().to_parquet(shop / "promotions.parquet")
    (shop / "shop.toml").write_text(SETTINGS.to_toml(), encoding="utf-8")
    send.mkdir()
    (send / "18__mail.csv").write_text("Key,Offer\n1,18\n2,18\n")
    (send / "holdout.csv").write_text("customer_id,promotion_id,holdout\n3,18,standing\n")
    (send / "control.csv").write_text("file,rows,customers,expected_cost,sha256\n")
