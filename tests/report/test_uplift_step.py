"""Page 05: which experiment it takes, when it shows an effect, and what it says of targeting."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.effects.differences import not_identified
from promolab.errors import InputError
from promolab.folder.artifacts import open_run
from promolab.report.pages import uplift_views
from promolab.report.pages.uplift_choice import choose_experiment
from promolab.report.pages.uplift_groups import (
    COLUMNS,
    GROUP_COLUMNS,
    group_table,
    segments_of,
    starting,
    week_table,
)
from promolab.report.pages.uplift_step import measure_uplift, recorded
from promolab.report.pages.uplift_teaching import types_table
from promolab.report.running.parameters import check_parameters, find_notebooks, read_steps

WORDS = {"arm": "mail", "outcomes": "spend, visits", "customer": "member"}


def trial_rows(strength: float, n: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Return an experiment: older members are changed more, and spend less anyway."""
    rng = np.random.default_rng(seed)
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


@pytest.fixture(scope="module")
def step(shop):
    return measure_uplift(choose_experiment(shop, shop.span()[1]))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("trial") / "mails.csv"
    trial_rows(2.0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def strong(shop, file):
    stated = {**WORDS, "propensity": "paper=0.25, app=0.25"}
    return measure_uplift(choose_experiment(shop, None, str(file), stated))


def text(html) -> str:
    return html.text


# Which experiment.


def test_the_shops_own_decisions_come_first(step):
    assert step.choice.source == "decisions"
    assert str(step.checks.identification) == "randomised"
    assert set(step.arms) == {"coupon", "full_reduction", "limited_time_discount", "recommendation"}


def test_without_decisions_a_past_promotion_is_compared_and_called_adjusted(shop):
    tables = {k: v for k, v in shop.tables.items() if not k.startswith("decision")}
    choice = choose_experiment(shop.with_tables(tables), shop.span()[1])
    assert choice.source == "contacted" and "no decisions drawn by chance" in choice.why
    found = measure_uplift(choice)
    assert "adjusted, not randomised" in found.summary() and found.allows() == ""
    assert "E-value" in text(uplift_views.selection(found))
    assert "Identified by the rule for promotions that ended" in text(uplift_views.checks(found))
    # What that rule turns down, this page does not call an effect either.
    turned_down = replace(choice, similar=not_identified("nobody is alike", 200))
    refused = measure_uplift(turned_down)
    assert refused.model is None and refused.checks.refused == ("similar customers",)
    assert "promotions that ended: nobody is alike." in refused.summary()
    assert "Refused: similar customers" in text(uplift_views.checks(refused))
    assert recorded(refused)["identification"] == "not identified"


def test_a_shop_of_events_only_is_told_what_is_missing(shop):
    bare = shop.with_tables({"events": shop.events})
    found = measure_uplift(choose_experiment(bare, shop.span()[1]))
    assert found.model is None
    assert "has no decisions" in found.summary() and "promotions and exposures" in found.summary()
    views = ("compared", "checks", "average", "selection", "curves", "calibration", "segments")
    views = (*views, "best_arm")
    for name in (*views, "meaning", "sure"):
        assert "<p" in text(getattr(uplift_views, name)(found))
    assert week_table(None, bare, None, pd.DataFrame()).columns.tolist() == list(COLUMNS)
    assert group_table(None, None).columns.tolist() == list(GROUP_COLUMNS)
    assert json.dumps(recorded(found))


def test_decisions_whose_horizon_is_not_over_are_passed_over_with_the_reason(shop):
    early = shop.promotions.ends_at.min().execute()
    choice = choose_experiment(shop, early)
    assert choice.experiment is None and "decisions cannot be used" in choice.why


@pytest.mark.parametrize(
    ("experiment", "stated", "sentence"),
    [
        ("", {"arm": "mail"}, "arm is for an experiment file"),
        ("gone.csv", WORDS, "gone.csv"),
        ("", {"covariates": "age"}, "covariates is for an experiment file"),
    ],
)
def test_what_does_not_fit_is_refused(shop, experiment, stated, sentence):
    with pytest.raises(InputError, match=sentence):
        choose_experiment(shop, None, experiment, stated)


def test_a_files_control_and_chances_are_read(shop, file):
    stated = {**WORDS, "arm": "mail=none", "propensity": "paper=0.25,app=0.25", "covariates": "age"}
    trial = choose_experiment(shop, None, str(file), stated).experiment
    assert trial.control == "none" and trial.covariates == ("age",)
    np.testing.assert_allclose(trial.propensity[0], [0.5, 0.25, 0.25])
    with pytest.raises(InputError, match="is not understood"):
        choose_experiment(shop, None, str(file), {**stated, "propensity": "paper=0.25, app"})


def test_covariates_that_nobody_named_are_named_and_a_result_among_them_is_refused(shop, tmp_path):
    rows = trial_rows(2.0).rename(columns={"visits": "visits_after"})
    rows.to_csv(tmp_path / "mails.csv", index=False)
    stated = {**WORDS, "outcomes": "spend", "propensity": "paper=0.25, app=0.25"}
    found = measure_uplift(choose_experiment(shop, None, str(tmp_path / "mails.csv"), stated))
    assert found.model is None and found.checks.refused == ("covariates",)
    shown = text(uplift_views.checks(found))
    assert "Refused: covariates. No effect is shown." in shown
    assert "visits_after, which is named like something measured after it" in shown
    assert recorded(found)["identification"] == "not identified"
    stated["covariates"] = "['age', 'city']"  # as the refusal writes them
    named = measure_uplift(choose_experiment(shop, None, str(tmp_path / "mails.csv"), stated))
    assert str(named.checks.identification) == "randomised"


def test_a_chance_may_be_a_number_and_arms_floats(shop, tmp_path):
    rows = trial_rows(2.0)
    rows["mail"] = (rows["mail"] != "none").astype(float)
    rows.to_csv(tmp_path / "mails.csv", index=False)
    given = check_parameters(read_steps(find_notebooks()), {"propensity": "0.5"})
    assert given == {"propensity": 0.5}
    for stated in ({"propensity": 0.5}, {"propensity": {"1": 0.5}}, {"propensity": "1=0.5"}):
        stated |= {**WORDS, "covariates": ["age", "city"]}
        trial = choose_experiment(shop, None, str(tmp_path / "mails.csv"), stated).experiment
        assert trial.arms == (0, 1) and trial.covariates == ("age", "city")
        np.testing.assert_array_equal(trial.propensity[0], [0.5, 0.5])


# What is said.


def test_the_page_names_the_covariates_that_nobody_named(strong):
    told = "for nobody named the covariates: age, city."
    assert told in text(uplift_views.checks(strong))
    assert "2 covariates, named by nobody: age, city." in text(uplift_views.compared(strong))


def test_something_to_target_is_said_where_it_is_there_and_of_the_right_arm(strong):
    found = strong.targeting
    assert found.found and "There is something to target" in strong.summary()
    assert found.arms_found == ["paper"]
    assert found.difference.ci_low > 0 and "wastes money" in found.summary()
    assert abs(found.by_effect.qini - 0.5 * found.arms["qini"][1]) < 0.3
    assert strong.arms == () and strong.allows() == ""  # a file says nothing of the shop
    assert "Something to target: paper" in text(uplift_views.curves(strong))


def test_nothing_to_target_is_said_where_nothing_is_there(shop):
    said = []
    for seed in range(12):
        trial = promolab.load_experiment(
            trial_rows(0.0, 800, seed), arm="mail", outcomes="spend", customer_id="member",
            propensity={"paper": 0.25, "app": 0.25},
        )  # fmt: skip
        from promolab.report.pages.uplift_choice import Choice

        said.append(measure_uplift(Choice(trial, "file", "")).targeting)
    assert sum(found.found for found in said) <= 1
    spread = np.std([f.by_effect.qini / f.by_effect.std_error for f in said])
    assert spread < 1.6
    assert all("Nothing to target is seen" in f.summary() for f in said if not f.found)


def test_no_effect_is_shown_where_a_check_refuses(shop, file):
    stated = {**WORDS, "propensity": "paper=0.4, app=0.3"}  # they were 0.25
    found = measure_uplift(choose_experiment(shop, None, str(file), stated))
    assert found.model is None and found.checks.refused == ("sample ratio",)
    assert "Refused: sample ratio" in text(uplift_views.checks(found))
    for view in (uplift_views.average, uplift_views.curves, uplift_views.segments):
        assert text(view(found)) == text(uplift_views.average(found))
    assert "must not be called an effect" in text(uplift_views.meaning(found))
    assert recorded(found)["identification"] == "not identified"


def test_a_fold_is_predicted_by_the_folds_before_it_alone(strong):
    model = strong.model
    effects = model.forward_effects().to_numpy()
    assert np.isnan(effects[model.fold_ == 0]).all()
    assert np.isfinite(effects[model.fold_ > 0]).all()
    assert (np.isfinite(strong.pooled.effect) == (model.fold_ > 0)).all()
    assert (np.isfinite(strong.pooled.drawn) == (model.fold_ > 1)).all()
    # What the page finds is what decides whether anybody is told apart.
    assert strong.targeting.by_effect.estimate == model.calibrated_.qini
    assert model.calibrated_.told_apart == strong.targeting.found


def test_what_is_shown_saved_and_ranked_is_calibrated(shop, step, strong):
    model = strong.model
    table = model.calibrated_.table.set_index("arm")
    assert table.loc["paper", "spread"] == pytest.approx(2.0 * 1.73, rel=0.15)
    assert table.loc["app", "spread"] < 0.5  # nothing is there
    shown = text(uplift_views.calibration(strong))
    assert "comes true of a difference" in shown and "tenth of what is shown" in shown
    assert 0.8 < strong.calibration.slope.value < 1.5
    past = week_table(model, shop, None, pd.DataFrame())
    for arm, rows in past.groupby("arm"):
        assert rows["effect"].mean() == pytest.approx(table.loc[arm, "effect"], rel=1e-6)
    assert recorded(strong)["calibrated"]["told_apart"] is True
    # In a week in which nothing can be told apart everybody has the average, and it is said.
    assert not step.targeting.found and step.calibration is None
    assert "everybody is given the average effect" in text(uplift_views.calibration(step))
    assert "So everybody is given the average effect." in step.summary()
    rows = week_table(step.model, shop, None, pd.DataFrame())
    assert rows.groupby("arm")["effect"].agg(np.ptp).tolist() == [0] * 4
    average = step.model.average().table.set_index("arm")["effect"]
    assert rows.groupby("arm")["effect"].first().to_dict() == pytest.approx(average.to_dict())


def test_the_best_arm_stands_beside_all_and_none(step, strong):
    for found in (step, strong):
        shown = text(uplift_views.best_arm(found))
        assert "giving none 0" in shown and "all: " in shown and "gain over none" in shown
        kept = recorded(found)["best_arm"]
        assert kept["none"] == 0 and set(kept["all"]) == set(map(str, found.model.treatments_))
    best = strong.best_arm
    assert best.more.ci_low > 0 and best.best.ci_low < 1.5 < best.best.ci_high  # E max(0, effect)


def test_the_first_page_says_it_without_jargon(step):
    assert "Effects are randomised" in step.allows()
    assert "Qini" not in step.allows() and "to target" in step.allows()


# Segments and tables.


def test_segments_are_rfm_or_a_column_of_few_values(step, strong):
    assert step.segments.by == "RFM segment at the decision"
    assert (step.segments.table["customers"] >= 30).all()
    assert strong.segments.by == "city" and len(strong.segments.table) == 2
    nothing = strong.experiment.frame.drop(columns="city")
    trial = promolab.load_experiment(
        nothing, arm="mail", outcomes="spend", customer_id="member", covariates=["age"]
    )
    assert segments_of(trial) is None


def test_effects_of_what_starts_this_week_are_written_per_customer(shop, step, tmp_path):
    run = open_run(tmp_path, week="2024-W33")
    starts = shop.promotions.starts_at.max().execute()
    promotions = starting(shop, step.arms, starts, starts + pd.Timedelta(days=7))
    assert sorted(promotions["kind"]) == sorted(step.arms)
    rows = week_table(step.model, shop, starts, promotions)
    assert len(rows) == 4 * rows["customer_id"].nunique()
    assert np.isfinite(rows[["effect", "ci_low", "ci_high"]].to_numpy()).all()
    assert (rows["ci_low"] < rows["effect"]).all()
    order = ["arm", "promotion_id", "customer_id", "decision"]
    run.write_table("uplift", rows, by=order)
    assert "Coupons W12" in text(uplift_views.this_week(step, rows))
    past = week_table(step.model, shop, starts, promotions.head(0))
    run.write_table("uplift", past, by=order)
    assert len(past) == 4 * step.experiment.n and (past["decision"] >= 0).all()
    groups = group_table(step.model, step.segments)
    run.write_table("uplift_groups", groups, by=["by", "arm", "group"])
    assert groups.groupby("by")["arm"].nunique().to_dict() == {
        "RFM segment at the decision": 1,
        "predicted effect (out of fold)": 4,
    }


def test_the_four_types_are_shown_of_a_simulated_source_alone(shop, step, tmp_path):
    run = open_run(tmp_path, week="2024-W33")
    assert "no shop can know" in text(uplift_views.customer_types(step, run))
    source = {"parameters": {"source": "simulated:customers=1500,weeks=12"}}
    (tmp_path / "manifest.json").write_text(json.dumps(source))
    shown = text(uplift_views.customer_types(step, run))
    assert "For teaching" in shown and "persuadable" in shown
    _, table = types_table(step, shop.truth)
    table = table.set_index("type")
    assert table.loc["persuadable", "truth"] > 0 > table.loc["put off", "truth"]
    assert table["customers"].sum() <= 1500


# The notebook.


def test_the_notebook_can_be_told_its_file(file, monkeypatch):
    steps = [s for s in read_steps(find_notebooks()) if s.stem == "05_uplift"]
    assert steps[0].title == "Uplift"
    assert {"arm", "propensity", "covariates", "customer", "outcomes"} <= set(steps[0].parameters)
    assert "tables/uplift.parquet" in steps[0].needs.writes
    assert steps[0].needs.reads == ("shop/*",)
    monkeypatch.chdir(file.parent)
    given = {"experiment": file.name, "arm": "mail"}
    assert check_parameters(steps, given)["experiment"] == str(file)
    assert check_parameters(steps, {"experiment": "hillstrom"})["experiment"] == "hillstrom"
