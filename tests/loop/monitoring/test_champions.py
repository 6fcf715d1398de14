"""What the weeks of a reports folder used: read back, fingerprinted, kept or replaced."""

from pathlib import Path
from typing import Any

import pandas as pd

from promolab.folder import ReportsFolder, RunFolder, sha256_of, write_json
from promolab.loop.monitoring import drift_since, last_method, models_of
from promolab.weeks import Week
from tests.made_up import shop_of


def week_of(out: Path, number: int, response: dict[str, Any] | None, uplift: str = "") -> RunFolder:
    folder = out / f"2024-W{number}"
    (folder / "tables").mkdir(parents=True)
    week = Week(2024, number)
    as_of = week.start("UTC").replace(tzinfo=None).isoformat()
    told = {"status": "good", "parameters": {"week": str(week)}, "as_of": as_of}
    write_json(folder / "manifest.json", told)
    (folder / "index.html").write_text("the report")
    metrics: dict[str, Any] = {"response": response} if response else {}
    if response:
        (folder / "model.safetensors").write_bytes(f"model of {number}".encode())
    if uplift:
        (folder / "uplift.safetensors").write_bytes(b"effects")
        metrics["uplift"] = {"method": uplift}
    write_json(folder / "metrics.json", metrics)
    return ReportsFolder(out).run(week)


METHOD: dict[str, Any] = {"model": "logistic", "options": {"l2": 30.0}}
METHOD |= {"features": ["orders", "recency_days"]}


def test_the_method_of_the_last_good_week_is_the_champion(tmp_path: Path) -> None:
    first = week_of(tmp_path, 10, METHOD)
    assert last_method(first) is None
    second = week_of(tmp_path, 11, METHOD | {"options": {"l2": 100.0}})
    assert last_method(second) == METHOD | {"week": "2024-W10"}
    third = last_method(RunFolder(tmp_path / ".staging-x", Week(2024, 12)))
    assert third is not None and third["options"] == {"l2": 100.0}
    # A week without promotions has no method; that of the one before it is still the champion.
    week_of(tmp_path, 12, None)
    last = last_method(RunFolder(tmp_path / "2024-W13", Week(2024, 13)))
    assert last is not None and last["week"] == "2024-W11"


def test_the_rows_for_the_ledger(tmp_path: Path) -> None:
    decision = {"decision": "champion", "reason": "the first."}
    one = week_of(tmp_path, 10, METHOD | {"decision": decision}, uplift="dr")
    rows = models_of(one).frame.set_index("name")
    assert list(rows.index) == ["response", "uplift"] and set(rows["week"]) == {"2024-W10"}
    assert rows.loc["response", "fingerprint"] == sha256_of(one.path / "model.safetensors")
    assert rows.loc["response", "method"] == "logistic (l2 30) on 2 features"
    assert rows["decision"].tolist() == ["champion", "champion"]
    two = week_of(tmp_path, 11, METHOD | {"decision": decision | {"decision": "kept"}}, uplift="dr")
    assert models_of(two).frame["decision"].tolist() == ["kept", "kept"]
    three = week_of(tmp_path, 12, None, uplift="t/linear")
    told = models_of(three)
    assert told.frame["decision"].tolist() == ["replaced"]
    assert "as set for this week" in told.summary()
    none = models_of(week_of(tmp_path, 13, None))
    assert not none and none.to_frame().empty and "No model was made" in none.summary()


def test_features_are_held_against_the_last_good_week(tmp_path):
    shop = shop_of({"events": pd.DataFrame({"ts": [pd.Timestamp("2022-01-03")]})})
    one, two = week_of(tmp_path, 10, None), week_of(tmp_path, 11, None)
    for run, shift in ((one, 0.0), (two, 60.0)):
        who = pd.RangeIndex(400)
        features = pd.DataFrame({"customer_id": who, "recency_days": who % 97 + shift})
        run.write_table("features", features, by="customer_id")
    found = drift_since(two, shop)
    assert found.drifted == ["recency_days"] and "since 2024-W10" in found.summary()
