"""Which experiment page 05 takes and what it says of targeting; those that shop.toml names."""

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab import UpliftModel
from promolab.campaign.readout.experiment_choice import choose_experiment, week_effects
from promolab.campaign.readout.named_experiments import read_experiments
from promolab.effects.differences import not_identified
from promolab.effects.identification import Refused
from promolab.effects.targeting import group_rows, pooled, segments_of
from promolab.report.running.run_start import check_parameters
from promolab.report.running.steps import find_notebooks, read_steps
from promolab.weeks import Week
from tests.made_up import shop_of
from tests.refused import refused

WEEK = Week.parse("2024-W33")
WORDS = {"arm": "mail", "outcomes": "spend, visits", "customer": "member"}
DRAWN = {"propensity": "paper=0.25, app=0.25"}


def trial_rows(strength, n=3000):
    """Return an experiment: older members are changed more, and spend less anyway."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"member": np.arange(n), "age": rng.uniform(20, 80, n)})
    rows["city"] = rng.choice(["Bath", "York"], n)
    rows["mail"] = rng.choice(["none", "paper", "app"], n, p=[0.5, 0.25, 0.25])
    away = (rows["age"] - 50) / 10
    effect = np.where(rows["mail"] == "paper", strength * away, 0.0)
    rows["spend"] = 20 - 2 * away + effect + rng.normal(0, 4, n)
    return rows.assign(visits=rng.poisson(1, n))


@pytest.fixture(scope="module")
def shop():
    return promolab.load_shop("simulated", customers=1500, weeks=12)


def fitted(choice):
    """Return the model of page 05."""
    return UpliftModel().fit(choice.experiment, also=choice.checks, refuse=False)


@pytest.fixture(scope="module")
def choice(shop):
    return choose_experiment(shop, shop.span()[1])


@pytest.fixture(scope="module")
def model(choice):
    return fitted(choice)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("trial") / "mails.csv"
    trial_rows(2.0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def asked(shop, file):
    return choose_experiment(shop, None, str(file), WORDS | DRAWN)


@pytest.fixture(scope="module")
def strong(asked):
    return fitted(asked)


SECTIONS = ("average", "targeting", "calibration", "by_segment")


def test_the_shops_own_decisions_come_first_and_page_one_says_it_without_jargon(choice, model):
    assert choice.source == "decisions" and str(model.checks_.identification) == "randomised"
    kinds = {"coupon", "full_reduction", "limited_time_discount", "recommendation"}
    assert set(model.treatments_) == kinds
    assert "Qini" not in choice.allows(model) and "to target" in choice.allows(model)


def test_without_decisions_a_past_promotion_is_compared_and_called_adjusted(shop):
    tables = {k: v for k, v in shop.tables.items() if not k.startswith("decision")}
    choice = choose_experiment(shop.with_tables(tables), shop.span()[1], horizon_days=27)
    assert choice.source == "contacted" and "no decisions drawn by chance" in choice.why
    assert choice.summary() == choice.why and choice.experiment.notes[0] in choice.why
    found = fitted(choice)
    assert "adjusted, not randomised" in found.summary() and choice.allows(found) == ""
    # What that rule turns down, this page does not call an effect either.
    turned_down = replace(choice, similar=not_identified("nobody is alike", 200))
    refused = fitted(turned_down)
    assert not refused.average() and refused.checks_.refused == ("similar customers",)
    kept = turned_down.figures(refused)
    assert (kept["identification"], kept["horizon_days"]) == ("not identified", 27)
    with pytest.raises(Refused, match="a check refuses the experiment"):
        refused.predict(turned_down.experiment)


def test_without_anything_to_compare_it_is_said_what_is_missing(shop):
    bare = shop.with_tables({"events": shop.events})
    choice = choose_experiment(bare, shop.span()[1])
    found, kept = fitted(choice), choice.figures(fitted(choice))
    assert "has no decisions" in kept["summary"] and "promotions and exposures" in kept["summary"]
    assert kept["identification"] is None and json.dumps(kept)
    effects = week_effects(found, bare, None, choice.starting(bare, WEEK))
    told = [getattr(found, name)() for name in SECTIONS] + [effects]
    assert {one.summary() for one in told} == {"Not shown: there is nothing to compare."}
    assert not effects and effects.to_frame().empty and group_rows(found).empty
    early = choose_experiment(shop, shop.promotions.ends_at.min().execute())
    assert early.experiment is None and "decisions cannot be used: " in early.summary()
    assert "Nothing can be compared: no promotion is over" in early.why
    few = shop.exposures.filter(shop.exposures.customer_id < 60)
    undrawn = {"events": shop.events, "promotions": shop.promotions, "exposures": few}
    small = choose_experiment(shop.with_tables(undrawn), shop.span()[1])
    assert "either needs 100" in small.summary() and small.reasons["case"] == "few"
    named = {**undrawn, "exposures": shop.exposures}
    named["customers"] = shop.customers.mutate(sales=shop.customers.customer_id % 7)
    failed = choose_experiment(shop.with_tables(named), shop.span()[1])
    assert "Nothing can be compared: outcomes: there is no column 'sales'" in failed.why


def test_a_files_control_chances_and_covariates_are_read_and_what_does_not_fit_refused(shop, file):
    stated = WORDS | DRAWN | {"arm": "mail=none", "covariates": "age"}
    trial = choose_experiment(shop, None, str(file), stated).experiment
    assert trial.control == "none" and trial.covariates == ("age",)
    np.testing.assert_allclose(trial.propensity[0], [0.5, 0.25, 0.25])
    for name, given, sentence in [
        ("", {"arm": "mail"}, "arm is for an experiment file"),
        ("gone.csv", WORDS, "gone.csv"),
        ("", {"covariates": "age"}, "covariates is for an experiment file"),
        (str(file), stated | {"propensity": "paper=0.25, app"}, "is not understood"),
    ]:
        refused(sentence, choose_experiment, shop, None, name, given)
    stated = {**WORDS, "propensity": "paper=0.4, app=0.3"}  # they were 0.25
    choice = choose_experiment(shop, None, str(file), stated)
    found = fitted(choice)
    assert found.checks_.refused == ("sample ratio",)
    for name in SECTIONS:
        assert getattr(found, name)().summary().startswith("Not shown: the checks above do not")
    assert choice.figures(found)["identification"] == "not identified"
    with pytest.raises(Refused, match="The arms do not come as often"):
        UpliftModel().fit(choice.experiment)


def test_chances_may_be_numbers_and_a_result_is_no_covariate(shop, tmp_path):
    file = tmp_path / "mails.csv"
    trial_rows(2.0).rename(columns={"visits": "visits_after"}).to_csv(file, index=False)
    stated = WORDS | DRAWN | {"outcomes": "spend"}
    found = fitted(choose_experiment(shop, None, str(file), stated))
    assert not found.average() and found.checks_.refused == ("covariates",)
    stated |= {"covariates": "['age', 'city']"}  # as the refusal writes them
    named = fitted(choose_experiment(shop, None, str(file), stated))
    assert str(named.checks_.identification) == "randomised"
    rows = trial_rows(2.0)
    rows["mail"] = (rows["mail"] != "none").astype(float)
    rows.to_csv(file, index=False)
    for chance in (0.5, {"1": 0.5}, "1=0.5"):
        given = {**WORDS, "propensity": chance, "covariates": ["age", "city"]}
        trial = choose_experiment(shop, None, str(file), given).experiment
        assert trial.arms == (0, 1) and trial.covariates == ("age", "city")
        np.testing.assert_array_equal(trial.propensity[0], [0.5, 0.5])


def test_something_to_target_is_said_where_it_is_there_alone(asked, strong, shop):
    found = strong.targeting()
    assert found.found and found.difference.ci_low > 0
    assert found.arms.loc[found.arms["qini_low"] > 0, "arm"].tolist() == ["paper"]
    assert abs(found.by_effect.qini - 0.5 * found.arms["qini"][1]) < 0.3
    # A file says nothing of the shop.
    assert asked.starting(shop, WEEK).empty and asked.allows(strong) == ""


def test_a_fold_is_predicted_by_those_before_and_what_is_shown_calibrated(
    strong, shop, model, asked, tmp_path
):
    effects, together, fold = strong.forward_.order, pooled(strong), strong.fold_
    for figures, first in ((effects, 1), (together.effect, 1), (together.drawn, 2)):
        assert ((fold >= first) == np.isfinite(figures).T).all()
    # What the page finds is what decides whether anybody is told apart.
    assert strong.targeting().by_effect.estimate == strong.calibrated_.qini
    assert strong.calibrated_.told_apart == strong.targeting().found
    nothing = pd.DataFrame(columns=["promotion_id", "kind"])
    table = strong.calibrated_.rows.set_index("arm")
    assert table.loc["paper", "spread"] == pytest.approx(2.0 * 1.73, rel=0.15)
    assert table.loc["app", "spread"] < 0.5  # nothing is there
    assert 0.8 < strong.calibration().by_tenths.slope.value < 1.5
    past = week_effects(strong, shop, None, nothing).to_frame()
    for arm, rows in past.groupby("arm"):
        assert rows["effect"].mean() == pytest.approx(table.loc[arm, "effect"], rel=1e-6)
    assert asked.figures(strong)["calibrated"]["told_apart"] is True
    # Of heavy-tailed money differences are shown as far as they are sure, and that is said.
    assert not model.targeting().found and model.calibrated_.told_apart
    # Where nothing can be told apart everybody has the average.
    trial_rows(0.0).to_csv(tmp_path / "none.csv", index=False)
    alike = fitted(choose_experiment(shop, None, str(tmp_path / "none.csv"), WORDS))
    assert not alike.targeting().found and not alike.calibration()
    rows = week_effects(alike, shop, None, nothing).to_frame()
    assert rows.groupby("arm")["effect"].agg(np.ptp).tolist() == [0] * 2
    average = alike.average().rows.set_index("arm")["effect"]
    assert rows.groupby("arm")["effect"].first().to_dict() == pytest.approx(average.to_dict())


def test_segments_are_those_of_the_rfm_grid_or_a_column(model, strong):
    found, other = model.by_segment(), strong.by_segment()
    assert found.by == "RFM segment at the decision" and (found.rows["customers"] >= 30).all()
    assert other.by == "city" and len(other.rows) == 2
    bare = strong.experiment_.frame.drop(columns="city")
    named = {"arm": "mail", "outcomes": "spend", "customer_id": "member", "covariates": ["age"]}
    assert segments_of(promolab.load_experiment(bare, **named)) is None


def test_effects_of_what_starts_this_week_are_told_per_customer(shop, choice, model):
    starts = shop.promotions.starts_at.max().execute()
    week = Week.containing(starts.to_pydatetime(), shop.zone)
    assert sorted(choice.starting(shop, week)["kind"]) == sorted(model.treatments_)
    found = week_effects(model, shop, starts, choice.starting(shop, week))
    rows = found.to_frame()
    assert len(rows) == 4 * rows["customer_id"].nunique()
    assert np.isfinite(rows[["effect", "ci_low", "ci_high"]].to_numpy()).all()
    assert (rows["ci_low"] < rows["effect"]).all()
    past = week_effects(model, shop, starts, choice.starting(shop, WEEK).head(0)).to_frame()
    assert len(past) == 4 * choice.experiment.n and (past["decision"] >= 0).all()
    expected = {"RFM segment at the decision": 1, "predicted effect (out of fold)": 4}
    assert group_rows(model).groupby("by")["arm"].nunique().to_dict() == expected


def test_the_notebook_can_be_told_its_file(file, monkeypatch):
    steps = [s for s in read_steps(find_notebooks()) if s.stem == "05_uplift"]
    monkeypatch.chdir(file.parent)
    given = {"experiment": file.name, "propensity": "0.5"}
    found = check_parameters(steps, given | dict.fromkeys(("arm", "covariates", "outcomes"), "x"))
    assert (found["experiment"], found["propensity"]) == (str(file), 0.5)
    assert check_parameters(steps, {"experiment": "hillstrom"})["experiment"] == "hillstrom"


N, NOW = 3000, datetime(2017, 6, 1)
EVENTS = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp("2017-03-01")], "kind": "purchase"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the rows of an experiment: the letter brings visits."""
    rng = np.random.default_rng(2)
    arm = np.where(np.arange(N) % 2, "letter", "none")
    frame = pd.DataFrame({"customer_id": np.arange(N), "arm": arm})
    frame["visit"] = (rng.random(N) < np.where(arm == "letter", 0.3, 0.2)).astype(int)
    frame["left"] = (rng.random(N) < 0.01).astype(int)
    path = tmp_path_factory.mktemp("source")
    frame.to_parquet(path / "spring.parquet")
    frame.to_csv(path / "spring.csv", index=False)
    (path / "broken.parquet").write_text("this is no parquet")
    return path


def read(folder, *told):
    shop = shop_of({"events": EVENTS}, currency="EUR", operations={"experiments": told})
    return read_experiments(shop, NOW, folder)


SPRING = {"name": "Spring", "data": "spring.parquet", "metrics": ["visit"]} | {
    "guardrails": {"left": {"column": "left", "margin": 0.02}}
}


def test_a_file_is_read_out(folder):
    found = read(folder, SPRING, SPRING | {"name": "Again", "data": "spring.csv"})
    one, other = found.experiments
    assert (one.state, one.readout.verdict.word) == ("final", "ship")
    assert one.readout.rows[0].difference == other.readout.rows[0].difference
    assert one.readout.guardrails[0].state == "kept" and one.readout.guardrails[0].good == "down"
    assert found.summary().startswith("Spring (final): Ship letter: ")
    assert set(found.to_frame()["experiment"]) == {"Spring", "Again"}
    assert set(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == {"Spring", "Again"}
    assert not read(folder) and read(folder).to_dict() == {} and read(folder).to_frame().empty


def test_before_its_end_it_is_provisional_with_a_band_that_may_be_looked_at(folder):
    dates = {"started": "2017-05-01", "ends": "2017-07-01"}
    past = {"name": "B", "started": "2017-04-01", "ends": "2017-05-01"}
    early, over = read(folder, SPRING | dates, SPRING | past).experiments
    assert (early.state, over.state) == ("provisional", "final")
    a, b = (one.readout.rows[0].difference for one in (early, over))
    assert a.ci_high - a.ci_low > 1.4 * (b.ci_high - b.ci_low)
    assert early.readout.verdict.word == "go on"
    sure = read(folder, SPRING | dates | {"sequential": True}).experiments[0]
    assert (sure.state, sure.readout.verdict.word) == ("provisional", "ship")
    to_come = read(folder, SPRING | {"started": "2017-06-01"}).experiments[0]
    assert to_come.state == "to come"  # until this midnight is over


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"data": "gone.parquet"}, "there is no file"),
        ({"data": "broken.parquet"}, "broken.parquet cannot be read as a table"),
        ({"metrics": ["visits"]}, "there is no column 'visits' in data; did you mean 'visit'"),
        ({"shares": {"none": 0.5, "leter": 0.5}}, "leter"),
        ({"control": "nobody"}, "'nobody'"),
    ],
)
def test_a_broken_experiment_is_a_sentence_and_the_others_are_read(folder, said, why):
    found = read(folder, SPRING | said | {"name": "Broken"}, SPRING)
    broken, other = found.experiments
    assert broken.state == "cannot be read" and why in broken.why
    assert other.readout is not None and found.table().text and found.plot()
    assert not read(folder, SPRING | said | {"name": "Broken"})
