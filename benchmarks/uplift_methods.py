"""Ways to learn effects compared: is what the comparison says true where the truth is known?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row

if TYPE_CHECKING:
    from promolab.compare import EffectComparison
    from promolab.contract import Experiment

NULL_TRIALS, FALSE = 200, 0.10
OF_THE_BEST = 0.90
WOMEN = "Womens E-Mail"
FEW = ("dr", "t/linear", "t/boosting")
SMALL = ("dr/linear", "t/linear", "s/linear", "x/linear")


def hillstrom() -> Iterator[Row]:
    """Yield what is taken on Hillstrom's e-mails, which finds no less than half of the best."""
    from promolab import load_experiment
    from promolab.compare import compare_effects

    trial = load_experiment("hillstrom")
    for arm, outcome in ((None, "visit"), (WOMEN, "visit"), (None, "spend")):
        found = compare_effects(trial, outcome=outcome, arm=arm)
        what = "both e-mails" if arm is None else arm
        yield _never_half(found, f"Hillstrom, {what} on {outcome}")


def _never_half(found: EffectComparison, what: str) -> Row:
    """Return whether what is taken finds half of what the best finds, if that finds anything."""
    best = found.best if found.figure(found.best).ci_low > 0 else found.chosen
    share = found.figure(found.chosen).value / found.figure(best).value
    first = found.methods[0]
    said = ", ".join(f"{m} {found.figure(m).value:.4f}" for m in found.methods)
    return Row(
        f"{what}: the method taken finds at least half of what the best finds (Qini)",
        "≥ 0.5 ×",
        f"{share:.2f} × ({found.chosen} is taken, {best} finds most; {first} is the default; "
        f"{said}; {float(found.frame['seconds'].sum()):.0f} s)",
        share >= 0.5,
    )


def simulated(customers: int = 20_000, variant: str = "weekly", seed: int = 0) -> Iterator[Row]:
    """Yield what is taken in a simulated shop, which finds no less than half of the best."""
    from promolab.compare import compare_effects
    from promolab.features import decisions_experiment
    from promolab.sources.opening import simulated as made

    shop = made(customers=customers, weeks=26, variant=variant, exploration=1.0, seed=seed)
    found = compare_effects(decisions_experiment(shop), FEW)
    yield _never_half(found, f"simulated shop, variant {variant}, {customers:,} customers")


def truly(
    methods: Sequence[str] = FEW,
    customers: int = 10_000,
    seeds: int = 3,
) -> Row:
    """Return whether the method taken truly gains about as much as the one that gains most."""
    from benchmarks.uplift_policies import policy
    from promolab.compare import compare_effects
    from promolab.features import decisions_experiment
    from promolab.sources.opening import simulated as made

    shares = []
    for seed in range(seeds):
        shop = made(customers=customers, weeks=46, kinds="coupon", exploration=1.0, seed=seed)
        taken = compare_effects(decisions_experiment(shop), methods).chosen
        models: dict[str, Any] = {m: (*m.split("/"), None)[:2] for m in methods}
        worth = policy(customers, seed, models=models)
        shares.append(worth[taken] / max(worth[m] for m in methods))
    return Row(
        f"simulated shop, {customers:,} customers, {seeds} seeds: true profit of the method taken",
        f"≥ {OF_THE_BEST} × the best's",
        f"{np.mean(shares):.2f} × on average, {min(shares):.2f} at least",
        bool(np.mean(shares) >= OF_THE_BEST),
    )


def null_trial(n: int, seed: int) -> Experiment:
    """Return a trial of money in which nobody gains anything."""
    import pandas as pd

    from promolab.contract import Experiment

    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    rows["customer_id"], rows["mail"] = np.arange(n), rng.integers(0, 2, n)
    rows["y"] = np.exp(rng.normal(size=n)) + rows["a"]
    return Experiment(rows, "mail", 0, list("abcd"), ["y"], propensity=np.full((n, 2), 0.5))


def nothing_to_find(trials: int = NULL_TRIALS, n: int = 2_000) -> Row:
    """Return how often another method than the first is taken where there is nothing to find."""
    from promolab.compare import compare_effects
    from promolab.effects import UpliftModel

    models = {name: UpliftModel(*name.split("/")) for name in SMALL}
    # The check of balance refuses one sound trial in a thousand.
    how: dict[str, Any] = {"methods": models, "despite": ["balance"]}
    found = [compare_effects(null_trial(n, seed), **how).chosen for seed in range(trials)]
    other = sum(name != SMALL[0] for name in found)
    return Row(
        f"{trials} trials of money without effect, {len(SMALL)} methods: not the first taken",
        f"≤ {FALSE:.0%} of trials",
        f"{other}",
        other <= FALSE * trials,
    )


def compared() -> Iterator[Row]:
    """Yield all of these."""
    yield from hillstrom()
    yield from simulated()
    yield truly()
    yield nothing_to_find()
