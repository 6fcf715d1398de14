"""What an allocation among all four kinds is truly worth, in simulated shops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row
from benchmarks.uplift_policies import _known, attainable_effects, contactable

if TYPE_CHECKING:
    import pandas as pd

OF_ATTAINABLE, WITH_MORE = 0.80, 0.88
ROUNDS, MORE = 8, 24
SHARE = 0.3


def true_profit(
    customers: int = 100_000, seed: int = 0, rounds: int = ROUNDS, learner: str | None = None
) -> dict[str, float]:
    """Let the package's own way allocate all four kinds of the last week, and add up the truth.

    Effects come from the log of even draws through `promolab.campaign.worth.week_worth`. The cost
    of an option is its contact and its true expected discount, for the allocation and the oracle
    alike; the budget is what an option costs on average, for 30 % of those who may be contacted.

    Parameters
    ----------
    customers, seed, rounds : int
    learner : str, optional
        Of `promolab.UpliftModel`; by default the best of those that it tries.

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
    model = UpliftModel("dr", learner, seed=seed).fit(trial)
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
    attainable = _attainable(shop, names, columns).loc[ids].to_numpy() - contact

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


def _attainable(shop: Any, promotions: list[str], columns: list[str]) -> pd.DataFrame:
    """Return effects as one knows them who knows all of them that can be seen."""
    import pandas as pd

    known: dict[bool, pd.DataFrame] = {}

    def features(of: Any, moment: Any) -> pd.DataFrame:
        # All start at one moment.
        if (of is shop) not in known:
            known[of is shop] = _known(of, moment, columns)
        return known[of is shop]

    return pd.DataFrame({name: attainable_effects(shop, name, features) for name in promotions})


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
    mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    least = min(one["policy"] - one["single"] for one in found)
    paying = sum(int(one["pays"]) for one in found)
    what = (
        f"simulated shop, {customers:,} customers, {ROUNDS} rounds, four kinds at once, budget for "
        f"{SHARE:.0%}, {seeds} seeds"
    )
    single = mean["policy"] - mean["single"]
    yield from (
        Row(
            f"{what}: true profit of the allocation",
            f"≥ {OF_ATTAINABLE} × attainable oracle",
            f"{mean['policy']:.3f} × (latent {mean['latent']:.2f}; with costs foretold as well "
            f"{mean['whole']:.2f} at {mean['spend']:.2f} × the budget)",
            mean["policy"] >= OF_ATTAINABLE,
        ),
        Row(
            f"{what}: against the best single kind of the same log, paired",
            "not below",
            f"{single:+.3f} × (least {least:+.3f})",
            single >= 0,
        ),
        Row(
            f"{what}: the allocation spends",
            f"{seeds} of {seeds}",
            f"{paying} of {seeds}",
            paying == seeds,
        ),
    )
    if more:
        long = [true_profit(customers, seed, MORE)["policy"] for seed in range(more)]
        share = float(np.mean(long))
        yield Row(
            f"the same with {MORE} rounds, {more} of the seeds",
            f"≥ {WITH_MORE} × attainable oracle",
            f"{share:.3f} ×",
            share >= WITH_MORE,
        )
