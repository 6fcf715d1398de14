"""Complete Journey with a privacy budget: what it costs, and what the week's page says of it."""

import re
import shutil

import numpy as np
import pandas as pd

from promolab.folder import open_run
from promolab.model import ResponseModel
from promolab.sources import load_shop
from promolab.trust import Privacy, privacy_cost, private_week
from tests.in_process import said_in

# Round figures that somebody states who knows the shop; none was read from its data.
BOUNDS = {
    **{"recency_days": (0, 90), "orders_84d": (0, 100), "amount_84d": (0, 3000)},
    **{"coupon_orders": (0, 30), "coupon_order_share": (0, 1), "responses": (0, 5)},
    **{"response_rate": (0, 1), "promotion_orders_84d": (0, 50), "contacts": (0, 15)},
    **{"promotion_coupon_orders": (0, 10), "promotion_lines_28d": (0, 100)},
}
STATED = f"""
[privacy]
epsilon = 10
delta = 1e-6
releases = 12
bounds = {{ {", ".join(f"{name} = {list(ends)}" for name, ends in BOUNDS.items())} }}
"""


def test_privacy_costs_little_of_the_ranking_and_of_the_list(journey_report):
    pairs = pd.read_parquet(journey_report / "tables/pairs.parquet")
    worth = pairs["average_order_amount"].fillna(0.0) * 0.25
    privacy = Privacy(3, 1e-5, BOUNDS, secret="of this test")
    found = privacy_cost(pairs, privacy, worth=worth, contact_cost=0.5).frame
    assert found["case"].tolist() == ["none", "3", "1"]
    assert found["auc"][0] > 0.8 and found["lost"][1] <= 0.03 and found["lost"][2] <= 0.06
    assert found["auc"][0] - found["auc_low"][1] <= 0.05  # in 19 of 20 draws
    assert found["lost_profit"][1] < 0.05 * found["profit"][0]


def test_the_week_fits_the_private_model_writes_its_release_and_says_what_is_left(
    small_reports, tmp_path
):
    reports, folder = small_reports["first"].out, tmp_path / "made" / "2017-W44"
    shutil.copytree(reports / "2017-W44", folder)
    shutil.copy(reports / ".key", folder.parent)
    with (folder / "shop" / "shop.toml").open("a", encoding="utf-8") as toml:
        toml.write(STATED)
    folder = said_in("en", folder, tmp_path / "reports", ["04_response"])
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", (folder / "04_response.html").read_text()))
    run, shop = open_run(folder, week="2017-W44"), load_shop(folder / "shop")
    private = private_week(run, shop)
    assert private.summary() in page.replace("&#x27;", "'") and "11 more of this size" in page
    assert "what privacy costs needs 20 contacts" in page or "over 40 draws" in page
    assert run.read_table("releases").to_dict("records") == private.to_frame().to_dict("records")
    assert run.metrics["privacy"]["left"] == 11
    assert run.metrics["response"]["features"] == [*BOUNDS]
    # The model is the one that the folder's key and the week give, and tells neither.
    model = ResponseModel.load(folder / "model.safetensors")
    done = run.read_table("pairs").query("label_complete")
    own = {"cluster": done["customer_id"], "known": True}
    again = private.make().fit(done[[*BOUNDS]], done["redeemed"], **own)
    assert np.allclose(again.weights_, model.weights_, rtol=1e-9)  # in another order of the rows
    assert model.n_ == again.n_ != done["customer_id"].nunique()
    for told in (page.encode(), (folder / "model.safetensors").read_bytes()):
        assert private.privacy.secret.encode() not in told
