"""Experiments judged: how often a verdict is wrong, harm is caught, and a return is covered."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.table import Row
from promolab.abtest import plan_experiment
from promolab.abtest.comparison import ArmComparison, Metric
from promolab.abtest.decision import (
    Case,
    guardrail_of,
    judge_experiment,
    state_of,
    with_adjusted,
)
from promolab.abtest.profit import MoneyTerms, money_of
from promolab.campaign.readout import standing_holdout
from promolab.results import Estimate
from promolab.simulated.tables import CONTACT_COST
from promolab.sources import simulated
from promolab.stats import normal_quantile, two_sided

ALPHA = 0.05
BAND = (0.93, 0.97)
ARMS, METRICS = 3, 5


def verdicts(experiments: int = 5_000) -> Iterator[Row]:
    """Yield false alarms and false ships under the null, harm caught, and coverage of returns."""
    yield from nothing_there(experiments)
    yield from harm_there(experiments)
    yield from planned_size(min(experiments, 2_000))
    yield returns(min(experiments, 2_000))
    yield standing()


def compared(value: float, error: float, metric: str, arm: str) -> ArmComparison:
    """Return a comparison as its large-sample figures make it."""
    half = normal_quantile(0.95) * error
    e, none = Estimate(value, value - half, value + half, 1000), Estimate(math.nan)
    p = two_sided(value, error)
    return ArmComparison(
        metric, arm, "none", "mean", none, none, e, none, p, std_error=error
    )  # fmt: skip


def nothing_there(experiments: int) -> Iterator[Row]:
    """Yield the rates of wrong answers where no arm differs in any metric."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(experiments, ARMS + 1, 1))
    levels = (shared + rng.normal(size=(experiments, ARMS + 1, METRICS))) / math.sqrt(2)
    names = [f"metric {j}" for j in range(METRICS)]
    metrics = {name: Metric(name) for name in names}
    sizes = {"none": 1000} | {f"arm {i}": 1000 for i in range(ARMS)}
    alarms = ships = 0
    for one in levels[:, 1:] - levels[:, :1]:
        rows = [
            compared(one[i, j], math.sqrt(2), names[j], f"arm {i}")
            for i in range(ARMS)
            for j in range(METRICS)
        ]
        found = with_adjusted(rows, metrics, names, [], "holm")
        alarms += any(row.p_adjusted <= ALPHA for row in found)
        ships += judge_experiment(Case(found, metrics, names, (), (), sizes)).word == "ship"
    slack = 1.64 * math.sqrt(ALPHA * (1 - ALPHA) / experiments)
    for name, count in (("any false alarm", alarms), ("a false “ship”", ships)):
        rate = count / experiments
        yield Row(
            f"{name}, no effects, {ARMS} arms × {METRICS} metrics, Holm",
            f"≤ {ALPHA:.0%}",
            f"{rate:.1%} of {experiments:,}",
            rate <= ALPHA + slack,
        )


def harm_there(experiments: int) -> Iterator[Row]:
    """Yield how often an arm that sells more and annoys is shipped all the same."""
    rng = np.random.default_rng(1)
    metrics = {"sales": Metric("sales"), "left": Metric("left", good="down", margin=2.0)}
    sizes = {"none": 1000, "mail": 1000}
    for harm, most in ((2.0, ALPHA / 2), (4.0, 0.001)):
        shipped = 0
        for seen in rng.normal(harm, 1.0, experiments):
            rows = [compared(6.0, 1.0, "sales", "mail"), compared(seen, 1.0, "left", "mail")]
            found = with_adjusted(rows, metrics, ["sales"], ["left"], "holm")
            guards = [guardrail_of(found[1], metrics["left"])]
            case = Case(found, metrics, ["sales"], guards, (), sizes)
            shipped += judge_experiment(case).word == "ship"
        rate = shipped / experiments
        slack = 1.64 * math.sqrt(most * (1 - most) / experiments)
        yield Row(
            f"shipped though a guardrail is worse by {harm / 2:g} × its margin",
            f"≤ {most:.1%}",
            f"{rate:.1%} of {experiments:,}",
            rate <= most + slack,
        )


def planned_size(experiments: int) -> Iterator[Row]:
    """Yield what is said of experiments as large as was planned for an effect of 1, power 0.8.

    Harm is told where the arm is worse, and not only without hope.
    """
    rng, sd = np.random.default_rng(3), 5.0
    plan = plan_experiment(mean=10.0, sd=sd, effect=1.0)
    n = plan.sizes["control"]
    metrics = {"sales": Metric("sales", worth=plan.effect)}
    sizes = {"none": n, "mail": n}
    bars = (
        (1.0, "as planned: “stop”", 0.03),
        (0.0, "none: “stop”", 0.7),
        (-1.0, "harm: told", 0.75),
    )
    for true, name, bar in bars:
        arms = rng.gamma(4.0, sd / 2, (2, experiments, n))  # skewed, as money is
        seen = arms[1].mean(axis=1) + true - arms[0].mean(axis=1)
        errors = np.sqrt(arms.var(axis=2, ddof=1).sum(axis=0) / n)
        told = 0
        for value, error in zip(seen, errors, strict=True):
            rows = [compared(value, error, "sales", "mail")]
            found = with_adjusted(rows, metrics, ["sales"], [], "holm")
            word = judge_experiment(Case(found, metrics, ["sales"], (), (), sizes)).word
            told += state_of(found[0], metrics["sales"]) == "worse" if true < 0 else word == "stop"
        rate = told / experiments
        yield Row(
            f"planned for an effect with power 0.8; true effect {name}",
            f"{'≤' if true > 0 else '≥'} {bar:.0%}",
            f"{rate:.1%} of {experiments:,}",
            rate <= bar if true > 0 else rate >= bar,
        )


def returns(experiments: int) -> Row:
    """Return how often the interval of the return on what was spent holds the truth."""
    rng, n, lift, contact = np.random.default_rng(2), 2_000, 1.4, 0.1
    terms = MoneyTerms("margin", "discount", contact)
    truth = (lift * 0.2 - contact) / (0.2 + contact)
    held, widths = 0, []
    for _ in range(experiments):
        given = np.where(rng.random(n) < 0.1, rng.gamma(4.0, 0.5, n), 0.0)
        control, mail = rng.lognormal(0.5, 1.0, n), rng.lognormal(0.5, 1.0, n) + lift * given
        rows = {}
        nothing = np.zeros(n)
        for name, one, other in (
            ("profit", mail, control),
            ("spent", given, nothing),
            ("profit less spent", mail - given, control),
        ):
            error = math.sqrt((one.var(ddof=1) + other.var(ddof=1)) / n)
            row = compared(one.mean() - other.mean(), error, name, "mail")
            rows[name, "mail"] = terms.shifted(row)
        found = money_of(rows, {"mail": n}, terms)[0].returned
        held += found.ci_low <= truth <= found.ci_high
        widths.append(found.ci_high - found.ci_low)
    rate = held / experiments
    return Row(
        "coverage of the return on discounts and contacts (Fieller), 95 %",
        "93–97 %",
        f"{rate:.1%} of {experiments:,}, width {np.median(widths):.2f}",
        bool(BAND[0] <= rate <= BAND[1]),
    )


def standing(shops: int = 12, customers: int = 6_000) -> Row:
    """Return whether the standing holdout's band holds what promotions truly added."""
    held, far = 0, []
    for seed in range(shops):
        shop = simulated(customers=customers, weeks=26, seed=seed)
        made = shop.decisions.filter(shop.decisions.action != "none")
        got = made.select("action", "customer_id").execute().groupby("action")["customer_id"]
        found = standing_holdout(shop, shop.span()[1])
        truth = (
            sum(
                shop.truth.effects(name).set_index("customer_id")["margin_effect"].loc[who].sum()
                - CONTACT_COST * len(who)
                for name, who in got
            )
            / found.others
        )
        e = found.so_far("profit")
        held += e.ci_low <= truth <= e.ci_high
        far.append(2 * (e.value - truth) / (e.ci_high - e.ci_low))
    return Row(
        f"standing holdout of 5 %, {customers:,} customers, 26 weeks: true profit in its band",
        f"all of {shops} shops but 1 at most",
        f"{held}, off by {np.std(far):.2f} of its half width",
        held >= shops - 1,
    )
