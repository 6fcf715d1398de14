"""Is there something to target? In shops without any effect, and in Hillstrom's e-mails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NULL_SHOPS, NULL_CUSTOMERS = 400, 2_000
SIZE_OF_TEST, LEAST_INSIDE = 0.025, 0.93
REPEATS = 10
WOMEN, MEN = "Womens E-Mail", "Mens E-Mail"
LEAST_SHARE = 0.14


def null_shops(shops: int = NULL_SHOPS, customers: int = NULL_CUSTOMERS) -> list[Row]:
    """Count the shops without any effect in which page 05 sees something to target or to gain.

    "Something to target" is said where the lower end of a 95 % interval is above 0: in 2.5 % of
    them, give or take what a binomial count does in 95 of 100 cases. The interval of what the best
    arm gains holds 0, the truth.
    """
    from scipy.stats import binom

    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = list(pool.map(seen_in_a_null_shop, range(shops), [customers] * shops))
    told = [each for each in found if each is not None]
    n, targets = len(told), sum(target for target, _ in told)
    inside = sum(inside for _, inside in told) / max(n, 1)
    low, high = (int(end) for end in binom.ppf([0.025, 0.975], n, SIZE_OF_TEST))
    what = f"null shops, {shops} seeds of {customers:,} customers, {shops - n} refused by a check"
    return [
        Row(
            f"{what}: something to target",
            f"{low} – {high} ({SIZE_OF_TEST:.1%} of {n})",
            f"{targets}",
            low <= targets <= high,
        ),
        Row(
            f"{what}: the interval of what the best arm gains holds 0",
            f"≥ {LEAST_INSIDE:.0%}",
            f"{inside:.1%}",
            inside >= LEAST_INSIDE,
        ),
    ]


def seen_in_a_null_shop(seed: int, customers: int) -> tuple[bool, bool] | None:
    """Return whether page 05 sees something to target, and whether the best arm's gain may be 0.

    Of a null shop's own decisions; None where a check refuses: that of the arms' shares does so
    once in a thousand sound shops.
    """
    import torch

    from promolab import UpliftModel, load_shop
    from promolab.campaign.readout import choose_experiment

    torch.set_num_threads(1)  # the shops run side by side
    shop = load_shop("simulated", customers=customers, variant="null", seed=seed)
    chosen, model = choose_experiment(shop, None), UpliftModel(seed=seed)
    model.fit(chosen.experiment, also=chosen.checks, refuse=False)
    if not model.average():
        return None
    best = model.best_arm_value()
    return model.targeting().found, best.ci_low <= 0 <= best.ci_high


def hillstrom(repeats: int = REPEATS, learner: str = "linear") -> Iterator[Row]:
    """Order Hillstrom's customers by effect and by response, for each e-mail on visits."""
    table = cross_validated(repeats, learner)
    for arm in (WOMEN, MEN):
        mine = table[table["arm"] == arm]
        mean = mine.drop(columns="arm").mean()
        low, high = mean["difference"] - mean["half"], mean["difference"] + mean["half"]
        told = (
            f"{mean['qini'] / mean['effect']:.3f} (Qini {mean['qini']:.5f} "
            f"[{mean['qini_low']:.5f}, {mean['qini_high']:.5f}]); {mean['difference']:+.5f} "
            f"[{low:+.5f}, {high:+.5f}], above 0 in {int((mine['difference'] > 0).sum())}"
        )
        share = mean["qini"] / mean["effect"]
        if arm == WOMEN:
            bar, ok = f"≥ {LEAST_SHARE}; > 0", share >= LEAST_SHARE and mean["difference"] > 0
        else:
            bar, ok = "where within noise, page 05 says so", says_what_its_interval_says()
        what = f"Hillstrom, {arm} on visits, {repeats} cross-validations: "
        yield Row(what + "Qini / effect; less that by response", bar, told, bool(ok))


def cross_validated(repeats: int, learner: str) -> pd.DataFrame:
    """Return one row per repeat and e-mail: Qini by effect, the effect, and the paired difference.

    Intervals are those of one repeat: the repeats share their customers, so that averaging them
    takes away what the folds owe to chance, and hardly anything of what the customers do.
    """
    import pandas as pd

    from promolab import UpliftModel, load_experiment
    from promolab.effects.learner_selection import predict_folds
    from promolab.effects.shrinkage import place_within
    from promolab.metrics.uplift import compare_qini, qini

    trial, rows = load_experiment("hillstrom"), []
    for seed in range(repeats):
        model = UpliftModel("dr", learner, seed=seed).fit(trial, "visit")
        # As the learner says them: here the order is asked for, not whether it is to be trusted.
        tried, scores = model._candidates, model.scores_
        assert tried is not None
        said = predict_folds(tried.fitted, _others(model.fold_))
        for k, arm in enumerate(model.treatments_):
            response = place_within(model.nuisance_.mu[:, k + 1], model.fold_)
            how: dict[str, Any] = {"gamma": scores[arm].to_numpy(), "cluster": model.cluster_}
            effect = place_within(said[:, k], model.fold_)
            found = qini(None, None, effect, **how)
            paired = compare_qini(None, None, effect, response, **how)
            rows.append(
                {
                    "arm": arm,
                    "qini": found.qini,
                    "qini_low": found.ci_low,
                    "qini_high": found.ci_high,
                    "effect": found.effect.value,
                    "difference": paired.difference,
                    "half": (paired.ci_high - paired.ci_low) / 2,
                }
            )
    return pd.DataFrame(rows)


def _others(fold: np.ndarray) -> Callable[[int], np.ndarray]:
    return lambda number: fold != number


def says_what_its_interval_says() -> bool:
    """Return whether page 05 sees nothing in the men's e-mail where Qini's interval holds 0."""
    from promolab import UpliftModel, load_experiment

    trial = load_experiment("hillstrom")
    alone = trial.subset(MEN)
    found = UpliftModel().fit(alone).targeting()
    within_noise = found.by_effect.ci_low <= 0 <= found.by_effect.ci_high
    return within_noise == ("cannot be told from a random one" in found.verdict())
