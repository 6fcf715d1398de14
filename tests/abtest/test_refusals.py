"""What is wrong with a call is said in a sentence, whatever was asked."""

from functools import partial

import numpy as np
import pytest

from promolab import analyze_experiment, assign, plan_experiment
from promolab.abtest import (
    Layer,
    Metric,
    StandingHoldout,
    confidence_sequence,
    share_to_see,
    smallest_effect,
)
from promolab.abtest.measured import measure_arms
from promolab.abtest.profit import money_terms
from tests.abtest.made_up import past, shop
from tests.refused import refused

HALVES = {"control": 0.5, "treatment": 0.5}
LAYER = Layer("coupons", {"spring": 0.5, "loyalty": 0.3})
OUT = StandingHoldout(0.05)
ROWS = shop(600)
HALF = ROWS.assign(e=0.5, none=0)
ONE_MAIL = ROWS[(ROWS["arm"] != "mail") | (ROWS.index == ROWS.index[ROWS["arm"] == "mail"][0])]


def of(call, usual, *cases):
    """Return calls that differ in some arguments from one that is right."""
    return [(message, partial(call, **usual | change)) for change, message in cases]


ASSIGNED = of(
    assign,
    {"customers": [1, 2, 3], "name": "a", "shares": {"holdout": 0.1, "send": 0.9}, "seed": 0},
    ({"customers": []}, "customers is empty"),
    ({"customers": "c1"}, "customers is a str"),
    ({"customers": np.ones((2, 2), int)}, "customers is no column"),
    ({"customers": [1, 2, 1, 2, 3]}, "2 ids more than once, such as '1'"),
    ({"customers": [7, "7"]}, "1 id more than once, such as '7'"),
    ({"customers": ["a", None, ""]}, "2 missing ids of 3"),
    ({"customers": [1, None]}, "customers holds 1.0.*Int64"),
    ({"customers": [1, 2.5, "x"]}, r"customers holds 2.5 \(float\)"),
    ({"customers": [True, False]}, "customers holds True"),
    ({"customers": ["\ud800"]}, "customers"),
    ({"name": " "}, "name = ' '"),
    ({"seed": 1.5}, "seed = 1.5; expected a whole number"),
    ({"shares": {}}, "shares = {}; expected each"),
    ({"shares": {"a": 0.5, "b": 0.5 + 1e-8}}, "adds up to 1"),
    ({"shares": {"a": -0.1, "b": 1.1}}, r"shares\['a'\] = -0.1; expected a share from 0 to 1"),
    ({"shares": {1: 0.5, "b": 0.5}}, "an arm of shares = 1; expected a text"),
    ({"cluster": ["x"]}, "cluster has 1 rows and customers 3"),
    ({"cluster": [1.5, 2.5, None]}, "cluster holds 1.5"),
    ({"shares": HALVES, "layer": LAYER}, "has no experiment 'a'"),
    ({"shares": {"standing": 0.5, "b": 0.5}, "holdout": OUT}, "call yours another"),
    ({"name": "standing holdout", "shares": HALVES, "holdout": OUT}, "rename one"),
)
ASSIGNED += [
    ("share = 1.2; expected", lambda: StandingHoldout(1.2)),
    ("seed = 0.5; expected", lambda: StandingHoldout(0.1, seed=0.5)),
    ("experiments", lambda: Layer("x", {})),
    ("take 1.1 of its customers", lambda: Layer("x", {"a": 0.7, "b": 0.4})),
]
SIZED = of(
    confidence_sequence,
    {"n": [200, 300], "mean": [0, 0], "variance": [1, 1], "tuned_for": 900},
    ({"level": 1.0}, "level"),
    ({"tuned_for": 0}, "tuned_for = 0; expected"),
    ({"burn_in": -1}, "burn_in = -1; expected"),
    ({"variance": [1, -1]}, "variance = -1"),
    ({"n": [-5, 1]}, "n = -5"),
    ({"mean": [1, 2, 3]}, "looks"),
    ({"mean": [[1, 2]]}, "shape"),
)
SIZED += of(
    smallest_effect,
    {"treated": 90, "control": 10, "sd": 1.0},
    ({"treated": 0}, "treated = 0; expected"),
    ({"control": 1.5}, "control = 1.5; expected"),
    ({"sd": 0}, "sd = 0; expected"),
    ({"power": 0.01}, "power = 0.01; expected"),
    ({"alpha": 0}, "alpha = 0; expected"),
)
SIZED += of(
    share_to_see,
    {"customers": 100, "effect": 0.1, "sd": 1.0},
    ({"customers": 1}, "customers = 1; expected"),
    ({"effect": 0}, "effect = 0; expected"),
)
PLANNED = of(
    plan_experiment,
    {"rate": 0.05, "effect": 0.01},
    ({"shares": {"a": 1.0}}, "needs two at least"),
    ({"shares": {"a": 1.0, "b": 0.0}}, r"\(b gets none\)"),
    ({"control": "contrl"}, "did you mean"),
    ({"power": 1.0}, "power = 1.*expected"),
    ({"power": 0.04}, "no more than chance"),
    ({"rate": None}, "not described"),
    ({"rate": 0.05, "sd": 1}, "rate is of a share"),
    ({"rate": 5}, "rate = 5; expected"),
    ({"effect": None}, "neither an effect nor a size"),
    ({"effect": 0}, "effect = 0; expected"),
    ({"effect": 0.97}, "a share lies between 0 and 1"),
    ({"lift": 0.1}, "both effect and lift"),
    ({"days": 7}, "without arrivals"),
    ({"days": 7, "customers": 100}, "both customers and days"),
    ({"customers": 3}, "customers = 3; expected"),
    ({"arrivals": 0}, "arrivals = 0; expected"),
    ({"correlation": 1.0}, "correlation = 1.*expected"),
    ({"earlier": "x"}, "no data to look in"),
    ({"effect": 1e-9, "arrivals": 10}, "too small to be found|takes"),
)
PLANNED += of(
    plan_experiment,
    {"data": past(), "outcome": "y", "lift": 0.1},
    ({"outcome": "yy"}, "there is no column 'yy'"),
    ({"data": past().assign(y=np.nan)}, "missing values of 6,000"),
    ({"data": past().assign(y=3.0)}, "is the same for all"),
    ({"data": past().assign(y="text")}, "expected numbers"),
    ({"data": past().assign(x=1.0), "earlier": "x"}, "leave it out"),
    ({"earlier": "y"}, "tells y exactly"),
    ({"data": past().assign(orders=0.0), "per": "orders"}, "needs a denominator"),
    ({"kind": "share"}, "besides 0 and 1"),
    ({"kind": "ratio"}, "name its column as per"),
    ({"kind": "mean", "per": "orders"}, "makes a ratio of it"),
    ({"mean": 3}, "both data and mean"),
    ({"outcome": None}, "outcome"),
    ({"data": 3}, "data is a int"),
    ({"data": past().head(2)}, "a plan needs 4"),
)
THIRDS = {"control": 0.3, "mail": 0.3, "coupon": 0.3}
READ = of(
    measure_arms,
    {"data": ROWS, "metrics": {"m": "spend"}},
    ({"shares": {**THIRDS, "mail": 0.5}}, "adds up to 1.1"),
    ({"shares": {"control": 0.5, "mail": 0.5}}, "shares says nothing of the arm 'coupon'"),
    ({"shares": {**THIRDS, "call": 0.1}}, "'call' is an arm with nobody"),
    ({"control": "nothing"}, "control = 'nothing' is an arm with nobody"),
    ({"arm": "arms"}, "there is no column 'arms' in data; did you mean 'arm'?"),
    ({"segments": "kind"}, "there is no column 'kind' in data"),
    ({"sequential": 0}, "sequential = 0"),
    ({"data": ROWS.assign(spend=np.nan)}, "'m' is all missing"),
    ({"data": ROWS.assign(spend=ROWS["spend"].where(ROWS["arm"] != "mail"))}, "is all missing"),
    ({"data": ROWS.assign(spend=np.inf)}, "holds infinity"),
    ({"data": ROWS.assign(spend="much")}, "expected numbers"),
    ({"data": ROWS.assign(arm=ROWS["arm"].where(ROWS.index > 3))}, "4 rows without an arm"),
    ({"data": ROWS.assign(arm="control")}, "there is nothing to compare"),
    ({"data": ROWS.replace({"arm": {"control": "a"}})}, "which arm is the control?"),
    ({"data": ROWS.assign(customer_id=ROWS.index // 2)}, "found in more than one arm"),
    ({"data": ROWS.assign(customer_id=[None, *range(599)])}, "without a customer"),
    ({"data": ONE_MAIL}, "arm 'mail' has 1 independent unit"),
    ({"data": ROWS.head(0)}, "data has no rows"),
    ({"data": {"arm": []}}, "data is a dict; expected a DataFrame"),
    ({"data": "nothing.parquet"}, "there is no file"),
    ({"data": HALF, "propensity": "e"}, r"add up to 1\.5"),
    ({"data": ROWS.assign(e=0.0), "propensity": "e"}, "a chance of it above 0"),
    ({"data": HALF, "propensity": {"control": "e", "mail": "e"}}, "names no column of 'coupon'"),
    ({"metrics": {"m": Metric("spend", "share")}}, "a share is made of 0 and 1"),
    ({"metrics": {"m": Metric("spent")}}, "no column 'spent' in data; did you mean 'spend'?"),
    ({"data": HALF, "metrics": {"m": Metric("spend", per="none")}}, "adds up to 0 in arm"),
)
READ += of(
    Metric,
    {"column": "spend"},
    ({"kind": "ratio"}, "a ratio needs the column of its denominator"),
    ({"kind": "mean", "per": "orders"}, "a ratio needs the column"),
    ({"kind": "share", "earlier": "before"}, "earlier figures adjust means"),
    ({"winsorise": 99}, "winsorise = 99"),
    ({"per": "orders", "winsorise": 0.9}, "only means have outcomes to cut"),
    ({"good": "high"}, "good = 'high' is unknown"),
    ({"margin": -1}, "margin = -1"),
    ({"worth": 0}, "worth = 0; expected"),
)
READ += of(
    analyze_experiment,
    {"data": ROWS, "metrics": {"sales": "spend"}},
    ({"guardrails": ["sale"]}, "a guardrail = 'sale' is unknown; did you mean 'sales'"),
    ({"guardrails": ["sales"]}, "every metric is a guardrail"),
    ({"guardrails": {"sales": "orders"}}, "'sales' is a metric and a guardrail"),
    ({"multiplicity": "bonferroni"}, "multiplicity = 'bonferroni' is unknown"),
    ({"primary": "profit"}, "primary = 'profit' is unknown"),
    ({"money": {"margin": "spent"}}, "there is no column 'spent' in data; did you mean"),
)
READ += of(
    lambda **said: money_terms(said),
    {},
    ({"discount": "d"}, "expected at least the column of the margin"),
    ({"margin": "m", "discont": "d"}, "unknown key 'discont'; did you mean 'discount'"),
    ({"margin": "m", "contact_cost": -1}, "-1; expected a number from 0 on"),
    ({"margin": 3}, "money: margin = 3; expected a text"),
)


@pytest.mark.parametrize(("message", "call"), [*ASSIGNED, *SIZED, *PLANNED, *READ])
def test_wrong_calls_say_what_is_wrong(message, call):
    refused(message, call)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "wrong.parquet").write_text("no parquet")
    refused("cannot be read as a table", measure_arms, tmp_path / "wrong.parquet", "spend")
    (tmp_path / "rows.txt").write_text("a")
    refused("expected parquet or csv", measure_arms, tmp_path / "rows.txt", "spend")
