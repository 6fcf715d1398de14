"""What choices by predicted effect are truly worth in simulated shops: whom, and with what."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, at_least, part

if TYPE_CHECKING:
    import pandas as pd

TOP, SHARE = 0.3, 0.3
ROUNDS, MORE = 8, 24


def policy(customers: int = 100_000, seed: int = 0) -> dict[str, float]:
    """Let a model choose whom to contact in a simulated shop, and add up what that is truly worth.

    Half-and-half rounds of one promotion; then the next one goes to the top 30 %.

    Returns
    -------
    dict
        True expected profit added over ``nobody``: of the ``latent`` and the ``attainable`` oracle,
        of the ``uplift`` model, of a ``response`` ranking (margin expected with the promotion),
        and of a choice at ``random``.
    """
    import pandas as pd

    from promolab.effects import UpliftModel
    from promolab.effects.learners.aipw import Design
    from promolab.effects.learners.base_learners import Lesson, base_learner
    from promolab.features import decisions_experiment
    from promolab.simulated.tables import CONTACT_COST
    from promolab.sources import simulated

    weeks = 5 * ROUNDS + 6
    shop = simulated(customers=customers, weeks=weeks, kinds="coupon", exploration=1.0, seed=seed)
    experiment = decisions_experiment(shop)
    last, columns = shop.truth.promotions[-1], list(experiment.covariates)
    X = known(shop, last, columns)
    with_it, design = experiment.codes == 1, Design.learn(experiment.X, "encoded")
    Z = design.matrix(experiment.X)[with_it]
    response = base_learner("ridge").outcome(Lesson(Z, experiment.y()[with_it], design, seed))
    effects = shop.truth.effects(last).set_index("customer_id")["margin_effect"]
    scores = {
        "uplift": UpliftModel("dr", "ridge", seed=seed).fit(experiment).predict(X)[:, 0],
        "response": response.predict(design.matrix(X)),
        "random": np.random.default_rng(seed).random(len(X)),
        "latent": effects.loc[X.index].to_numpy(),
        "attainable": attainable_effects(shop, [last], columns)[last].to_numpy(),
    }
    may = contactable(shop)
    ranked = pd.DataFrame(scores, index=X.index).loc[may].rank(ascending=False, method="first")
    gain = effects.loc[may] - CONTACT_COST
    return {name: float(gain[ranked[name] <= round(TOP * len(may))].sum()) for name in scores}


def contactable(shop: Any) -> np.ndarray:
    """Return the ids of those who may be contacted and are in no standing holdout."""
    rights, decisions = shop.contact_rights, shop.decisions
    standing = decisions.filter(decisions.holdout == "standing").customer_id
    free = rights.filter(rights.allowed, rights.customer_id.notin(standing))
    return np.sort(free.execute()["customer_id"].to_numpy())


def attainable_effects(shop: Any, promotions: list[str], columns: list[str]) -> pd.DataFrame:
    """Predict effects by boosted trees on noise-free truth of the same world from another seed.

    The promotions start at one moment.
    """
    import pandas as pd

    from promolab.simulated.oracles import boosted_trees
    from promolab.sources import simulated

    world = dataclasses.asdict(shop.truth.world)
    other = simulated(**{**world, "seed": world["seed"] + 1_000_003})
    there, here = (known(of, promotions[0], columns) for of in (other, shop))
    there = there.loc[:, there.nunique().gt(1)]
    words = [c for c in there if not pd.api.types.is_numeric_dtype(there[c])]
    levels = {c: pd.CategoricalDtype(sorted(there[c].dropna().unique())) for c in words}
    there, here = there.astype(levels), here[there.columns].astype(levels)
    found = {}
    for name in promotions:
        truth = other.truth.effects(name).set_index("customer_id")["margin_effect"]
        found[name] = boosted_trees().fit(there, truth.loc[there.index]).predict(here)
    return pd.DataFrame(found, index=here.index)


def known(shop: Any, promotion: str, columns: list[str]) -> pd.DataFrame:
    """Return what is known of customers when a promotion starts, by customer_id."""
    from promolab.features import build_features

    starts = shop.promotions.filter(shop.promotions.promotion_id == promotion).starts_at.execute()
    features = build_features(shop, as_of=starts[0].to_pydatetime()).execute()
    attributes = shop.customers.execute()
    new = [c for c in attributes.columns if c not in features.columns]
    table = features.merge(attributes[["customer_id", *new]], on="customer_id", how="left")
    chosen: pd.DataFrame = table.set_index("customer_id")[columns].sort_index()
    return chosen


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


@part("uplift", "policies in five shops of 100,000 customers")
def policies(customers: int = 100_000, seeds: int = 5) -> Iterator[Row]:
    """Yield whether the uplift policy comes near enough to what can be attained."""
    mean = _mean([policy(customers, seed) for seed in range(seeds)])
    share = {name: value / mean["attainable"] for name, value in mean.items()}
    gap = (share["uplift"] - share["response"]) / (1 - share["response"])
    what = f"simulated shop, {customers:,} customers, 8 rounds, top {TOP:.0%}, {seeds} seeds"
    others = ", ".join(f"{name} {share[name]:.2f}" for name in ("response", "random", "latent"))
    yield at_least(f"{what}: uplift policy", share["uplift"], 0.85, "× attainable oracle", others)
    yield at_least(f"{what}: gap to it that is closed from the response ranking", gap, 0.6, "%")


def true_profit(customers: int, seed: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Let the package's own way allocate all four kinds of the last week, and add up the truth.

    Effects come from the log of even draws through `promolab.campaign.worth.week_worth`. The cost
    of an option is its contact and its true expected discount, for the allocation and the oracle
    alike; the budget is what an option costs on average, for 30 % of those who may be contacted.

    Parameters
    ----------
    customers, seed, rounds : int

    Returns
    -------
    dict
        True expected profit added over ``nobody``, as a share of the attainable oracle's: of the
        ``policy``; of the ``single`` kind that the same log says earns most; of the ``latent``
        oracle; of the ``whole`` way, which predicts costs, too, with its ``spend`` as a share of
        the budget. ``pays``: 1 where past decisions say that spending pays, else 0.
    """
    from promolab.campaign.worth import scored_log, week_worth
    from promolab.effects import UpliftModel
    from promolab.features import decisions_experiment
    from promolab.policy import allocate, spending_test
    from promolab.sources import simulated

    weeks = 5 * rounds + 6
    shop = simulated(customers=customers, weeks=weeks, exploration=1.0, seed=seed)
    trial = decisions_experiment(shop, by="kind", early=True)
    model = UpliftModel("dr", seed=seed).fit(trial)
    columns = list(trial.covariates)
    del trial
    promotions = shop.truth.promotions[-4:]
    starts = shop.promotions.execute().set_index("promotion_id")["starts_at"]
    found = week_worth(
        shop, starts[promotions[0]].to_pydatetime(), model, scored_log(model), promotions
    )
    assert found is not None and found.rows is not None
    del model
    mine = np.isin(found.customers, contactable(shop))
    ids, names = found.customers[mine], found.promotions
    truth = {name: shop.truth.effects(name).set_index("customer_id").loc[ids] for name in names}
    contact = np.array([one.contact_cost for one in found.amounts.promotions])
    gain = np.column_stack([truth[name]["margin_effect"] for name in names]) - contact
    cost = np.column_stack([truth[name]["discount_with"] for name in names]) + contact
    budget = SHARE * len(ids) * float(cost.mean())
    value, foretold = found.amounts.value[mine], found.amounts.cost[mine]
    attainable = attainable_effects(shop, names, columns).loc[ids].to_numpy() - contact

    def worth(values: np.ndarray, costs: np.ndarray, only: int | None = None) -> tuple[float, Any]:
        kept = slice(None) if only is None else [only]
        made = allocate(values[:, kept], costs[:, kept], budget=budget, customers=ids)
        return _of_choice(gain[:, kept], made.choice), made

    best = worth(attainable, cost)[0]
    own, _ = worth(value, cost)
    foreseen = [worth(value, cost, k)[1].value for k in range(len(names))]
    whole, made = worth(value, foretold)
    pays = spending_test(found.rows, customers=len(ids), budget=budget)
    return {
        "policy": own / best,
        "single": worth(value, cost, int(np.argmax(foreseen)))[0] / best,
        "latent": worth(gain, cost)[0] / best,
        "whole": whole / best,
        "spend": _of_choice(cost, made.choice) / budget,
        "pays": float(bool(pays)),
    }


def _of_choice(array: np.ndarray, choice: np.ndarray) -> float:
    given = np.flatnonzero(choice >= 0)
    return float(array[given, choice[given]].sum())


@part("policy", "allocations among four kinds", quick={"customers": 20_000, "seeds": 1, "more": 0})
def true_profits(customers: int = 100_000, seeds: int = 5, *, more: int = 1) -> Iterator[Row]:
    """Yield whether allocations among all kinds come near enough to what can be attained.

    Parameters
    ----------
    customers, seeds : int
        Of the shops with 8 rounds.
    more : int
        Seeds with 24 rounds; 0 leaves them out.
    """
    found = [true_profit(customers, seed) for seed in range(seeds)]
    mean = _mean(found)
    what = (
        f"simulated shop, {customers:,} customers, {ROUNDS} rounds, four kinds at once, budget for "
        f"{SHARE:.0%}, {seeds} seeds"
    )
    told = f"latent {mean['latent']:.2f}; with costs foretold as well {mean['whole']:.2f} at "
    told += f"{mean['spend']:.2f} × the budget"
    unit = "× attainable oracle"
    yield at_least(f"{what}: true profit of the allocation", mean["policy"], 0.8, unit, told)
    least = min(one["policy"] - one["single"] for one in found)
    above, name = mean["policy"] - mean["single"], "less the best single kind of the same log"
    yield at_least(f"{what}: {name}, paired", above, 0, unit, f"least {least:+.3f}")
    yield at_least(f"{what}: the allocation spends", sum(one["pays"] for one in found), seeds)
    if more:
        long = [true_profit(customers, seed, MORE)["policy"] for seed in range(more)]
        what = f"the same with {MORE} rounds, {more} of the seeds"
        yield at_least(what, float(np.mean(long)), 0.88, unit)
