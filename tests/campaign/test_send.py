"""What the sending tool loads: the customers to contact and nobody else, and sums that agree."""

import csv
import hashlib
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promolab.campaign.plan.planning import plan_week
from promolab.campaign.plan.result import LEFT
from promolab.campaign.plan.send import file_names, neutralised, restored, write_send
from promolab.contract import Settings
from tests.campaign.made_up import AS_OF, DAY, case_of, typed
from tests.draws import draws
from tests.made_up import shop_of
from tests.refused import refused

CHARACTERS = st.characters(exclude_categories=["Cs"])


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@settings(max_examples=draws(4, most=100))
@given(st.integers(0, 2**32 - 1))
def test_files_and_funnel_agree_and_nobody_is_sent_who_may_not_be(tmp_path_factory, seed):
    case = case_of(seed)
    plan = case.plan()
    folder = tmp_path_factory.mktemp("send") / "send"
    control = write_send(plan, folder, case.shop().settings)
    assert set(control["file"]) == {p.name for p in folder.iterdir()} - {"control.csv"}
    steps = plan.steps.assign(p=plan.steps["promotion_id"].astype(str))
    barred = steps[steps["step"].isin([*LEFT, "not_planned"])]
    barred_pairs = set(zip(barred["customer_id"].astype(str), barred["p"], strict=True))

    def pairs_of(name):
        rows = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        return [*zip(restored(rows["customer_id"]), rows["promotion_id"], strict=True)]

    held, sent = pairs_of("holdout.csv"), []
    for name in set(control["file"]) - {"holdout.csv"}:
        rows = pairs_of(name)
        assert len({customer for customer, _ in rows}) == len(rows)
        assert len({promotion for _, promotion in rows}) <= 1
        sent += rows
    out = {customer for customer, _ in held} | set(case.options["quarantined"])
    assert not set(sent) & barred_pairs and not {customer for customer, _ in sent} & out
    assert len(sent) == len(set(sent)) == plan.funnel["to_contact"].sum()
    assert len(held) == (plan.funnel["planned"] - plan.funnel["to_contact"]).sum()
    for row in read(folder / "control.csv"):
        content, listed = (folder / row["file"]).read_bytes(), read(folder / row["file"])
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert int(row["rows"]) == len(listed)
        assert int(row["customers"]) == len({r["customer_id"] for r in listed})


@pytest.fixture(scope="module")
def plan():
    promotions = pd.DataFrame({"promotion_id": ["P/1", "P2"], "channel": ["e mail", "app"]})
    promotions = promotions.assign(kind="coupon", starts_at=AS_OF + DAY, ends_at=AS_OF + 20 * DAY)
    ids = [f"=c{i}" for i in range(40)]
    events = pd.DataFrame({"customer_id": ids, "ts": AS_OF - DAY, "kind": "purchase"})
    scores = pd.DataFrame({"customer_id": ids}).merge(promotions[["promotion_id"]], how="cross")
    scores["p_redeemed"] = np.linspace(0, 1, len(scores))
    shop = shop_of(typed({"events": events, "promotions": promotions}))
    return plan_week(shop, scores, AS_OF, promotions, list_size=10, holdout=0.3)


def test_columns_and_costs_are_the_shops(plan, tmp_path):
    columns = {"promotion_id": "Campaign", "customer_id": "Key", "ends_at": "Until"}
    said = {"send": {"columns": columns}, "economics": {"contact_cost": 0.1, "coupon_cost": 2}}
    costs = {"P/1": 12.5, "P2": np.nan}  # of the plan's economics, and of nothing else
    control = write_send(plan, tmp_path / "send", Settings(operations=said), costs)
    assert control["file"].tolist() == ["P%2F1__e%20mail.csv", "P2__app.csv", "holdout.csv"]
    rows = read(tmp_path / "send" / "P%2F1__e%20mail.csv")
    assert list(rows[0]) == ["Campaign", "Key", "Until"]
    assert rows[0]["Campaign"] == "P/1" and rows[0]["Until"] == "2021-03-21T00:00:00Z"
    assert all(row["Key"].startswith("'=c") for row in rows)
    told = [row["expected_cost"] for row in read(tmp_path / "send" / "control.csv")]
    assert told == ["12.50", "", "0.00"]


def test_titles_stand_beside_the_ids(plan, tmp_path):
    offers = {"promotion_id": ["P/1", "P2", "P3"], "name": ["=Spring  voucher", None, " "]}
    titles = shop_of({"promotions": pd.DataFrame(offers)}).titles
    assert titles == {"P/1": "=Spring voucher", "P3": ""}
    write_send(plan, tmp_path / "send", Settings(), titles=titles)
    row = read(tmp_path / "send" / "P%2F1__e%20mail.csv")[0]
    assert [*row] == ["customer_id", "promotion_id", "channel", "promotion_name"]
    assert row["promotion_name"] == "'=Spring voucher"
    assert "promotion_name" not in read(tmp_path / "send" / "P2__app.csv")[0]


def test_the_same_plan_gives_the_same_bytes_but_for_the_mark_that_excel_asks_for(plan, tmp_path):
    marked = Settings(operations={"send": {"encoding": "utf-8-sig"}})
    written = {"one": Settings(), "two": Settings(), "excel": marked}
    sums = {name: write_send(plan, tmp_path / name, each) for name, each in written.items()}
    for path in (tmp_path / "one").iterdir():
        one, two, excel = ((tmp_path / name / path.name).read_bytes() for name in written)
        assert one == two and b"\r" not in one and excel[:3] == b"\xef\xbb\xbf"
        if path.name != "control.csv":
            assert excel[3:] == one
            told = sums["excel"].set_index("file").loc[path.name, "sha256"]
            assert hashlib.sha256(excel).hexdigest() == told
    nobody = replace(plan, planned=plan.planned.head(0))
    assert write_send(nobody, tmp_path / "none", Settings())["rows"].tolist() == [0, 0, 0]
    heading = "customer_id,promotion_id,channel\n"
    assert (tmp_path / "none" / "P2__app.csv").read_text() == heading
    full = tmp_path / "one"
    refused("is not empty; the send files go into a folder", write_send, plan, full, Settings())


@given(st.lists(st.text(CHARACTERS, max_size=5), unique=True))
@example(["=1", "'=1", "''=1", "'", "", "'a", "+", "-5", "@x", "\tx", "\rx", "\nx", "＝1"])
def test_a_spreadsheet_runs_no_cell_and_every_id_is_found_again(ids):
    cells = neutralised(pd.Series(ids, dtype="str"))
    assert not cells.str.startswith(tuple("=+-@\t\r\n＝＋－＠")).any()
    assert cells.is_unique and restored(cells).tolist() == ids


@given(st.lists(st.tuples(st.text(CHARACTERS, max_size=6), st.text(CHARACTERS, max_size=6)),
                unique=True, max_size=6))  # fmt: skip
@example([("a__b", "c"), ("a", "b__c"), ("a_", "_b"), ("a", "b"), ("A", "b"), ("", ""), ("%", "")])
@example([("满减" * 99, "app"), ("满减" * 98, "app"), ("が", ""), ("か\u3099", "")])
@example([("../x", "mail"), (".hidden", "-rf"), ("con", "nul"), ("x" * 300, "y"), ("x" * 299, "y")])
def test_names_are_safe_and_never_one_for_two(pairs):
    names = file_names(pairs)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(pairs)
    for name in names:
        assert all(c.isascii() or unicodedata.category(c) == "Lo" for c in name)
        assert len(name.encode()) <= 210 and name.endswith(".csv")
        assert not set(name) & set('/\\:*?"<>|\n ') and name[0] not in ".-"
        assert name not in ("holdout.csv", "control.csv")


def test_offers_stand_in_the_files_best_first(tmp_path):
    case = case_of(22)
    plan = case.plan()
    assert len(plan.to_contact) > 3
    # Two offers for each but the first of those to contact, the second named before the first.
    told = plan.to_contact[["promotion_id", "customer_id"]].iloc[1:]
    offers = pd.concat([told.assign(place=2, offer="k,2"), told.assign(place=1, offer="=k1")])
    own = case.shop().settings
    stated = replace(own, operations={"send": {"columns": {"customer_id": "CustomerKey"}}})

    def rows_of(name, settings, **more):
        write_send(plan, tmp_path / name, settings, **more)
        return [row for path in (tmp_path / name).glob("*__*.csv") for row in read(path)]

    rows = rows_of("send", own, offers=offers)
    given = [row for row in rows if row.get("offers")]
    assert len(given) == len(plan.to_contact) - 1
    assert set(restored(pd.Series([row["offers"] for row in given]))) == {"=k1|k,2"}
    assert all(list(row)[-1] == "offers" for row in given)
    # Without offers there is no such column, and files of stated columns hold what was stated.
    assert not any("offers" in row for row in rows_of("bare", own))
    rows = rows_of("stated", stated, offers=offers)
    assert {tuple(row) for row in rows} == {("CustomerKey",)}
