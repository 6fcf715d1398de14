"""The whole report, in Chinese, of a simulated shop whose promotions change nobody."""

from promolab.contract import NONE
from promolab.report.running.steps import find_notebooks, read_steps
from tests.golden import agrees, facts_of_week

WEEK = "2024-W33"


def test_a_shop_without_effects_has_every_page_and_nothing_to_target(null_report):
    made, out = null_report, null_report.out
    assert made.code == 0 and len(made.stderr.splitlines()) == len(read_steps(find_notebooks()))
    assert made.stdout.splitlines()[-1].endswith(f"{WEEK}/index.html")
    pages = {step.stem for step in read_steps(find_notebooks())} - {"10_campaign_report"}
    assert {path.stem for path in (out / WEEK).glob("*.html")} == {"index", *pages}
    page = made.page(WEEK, "05_uplift")
    assert "未见可定向之处" in page and "存在可定向之处" not in page and "可以定向：" not in page
    # Nobody is changed, so nothing is spent but on those whom chance draws to learn from.
    metrics = made.metrics(WEEK)
    policy = metrics["policy"]
    assert policy["by_effect"] and not policy["pays"]
    assert all(p["contacts"] == p["by_chance"] for p in policy["promotions"].values())
    agrees("without_effects", facts_of_week(out / WEEK))
    told = made.table("allocation", WEEK)  # planned, whether held out then or not
    assert set(told.loc[told.groupby("customer_id")["propensity"].idxmax(), "action"]) == {NONE}
    assert "spending more is not shown to pay" in policy["opening"]
    chances = made.table("decision_propensities", WEEK)
    assert chances.groupby("decision_id")["propensity"].sum().sub(1).abs().max() < 1e-12
    assert chances["propensity"].min() >= 0.02 - 1e-12
    # What metrics.json says in English, the pages that people read say in Chinese.
    assert metrics["headlines"][0]["label"] == "Customers to contact"
    first, weeks = made.page(WEEK), (out / "index.html").read_text(encoding="utf-8")
    assert "未见可定向之处：历史决策看不出活动对谁影响更大。" in first
    assert "未见增加投入划算" in first and "待触达客户" in first and "待触达客户" in weeks
