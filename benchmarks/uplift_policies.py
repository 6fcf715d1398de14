"""What a choice of customers by predicted effect is truly worth, in simulated shops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

OF_ATTAINABLE, OF_THE_GAP = 0.85, 0.60
TOP = 0.3


RECOMMENDED = {"uplift": ("dr", "ridge")}


def policy(
    customers: int = 100_000,
    seed: int = 0,
    rounds: int = 8,
    models: Mapping[str, tuple[str, str]] = RECOMMENDED,
) -> dict[str, float]:
    """Let models choose whom to contact in a simulated shop, and add up what that is truly worth.

    Half-and-half rounds of one promotion; then the next one goes to the top 30 %.

    Parameters
    ----------
    customers, seed, rounds : int
    models : mapping of str to (str, str)
        Kind and learner of `promolab.UpliftModel`, by a name.

    Returns
    -------
    dict
        True expected profit added over ``nobody``: of the ``latent`` and the ``attainable`` oracle,
        of each of the ``models``, of a ``response`` ranking (margin expected with the promotion),
        and of a choice at ``random``.
    """
    import pandas as pd

    from promolab.effects import UpliftModel
    from promolab.effects.learners.aipw import Design
    from promolab.effects.learners.base_learners import Lesson, base_learner
    from promolab.features import decisions_experiment
    from promolab.simulated.tables import CONTACT_COST
    from promolab.sources import simulated

    weeks = 5 * rounds + 6
    shop = simulated(customers=customers, weeks=weeks, kinds="coupon", exploration=1.0, seed=seed)
    experiment = decisions_experiment(shop)
    last = shop.truth.promotions[-1]

    def known(of: Any, moment: Any) -> pd.DataFrame:
        return _known(of, moment, list(experiment.covariates))

    starts = shop.promotions.execute().set_index("promotion_id")["starts_at"]
    X = known(shop, starts[last].to_pydatetime()).set_index("customer_id").sort_index()
    with_it, design = experiment.codes == 1, Design.learn(experiment.X, "encoded")
    Z = design.matrix(experiment.X)[with_it]
    response = base_learner("ridge").outcome(Lesson(Z, experiment.y()[with_it], design, seed))
    scores = {
        name: UpliftModel(kind, learner, seed=seed).fit(experiment).predict(X)[:, 0]
        for name, (kind, learner) in models.items()
    }
    scores |= {
        "response": response.predict(design.matrix(X)),
        "random": np.random.default_rng(seed).random(len(X)),
    }
    effects = shop.truth.effects(last).set_index("customer_id")["margin_effect"]
    known_best = {"latent": effects, "attainable": attainable_effects(shop, last, known)}
    scores |= {name: one.loc[X.index].to_numpy() for name, one in known_best.items()}
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


def attainable_effects(
    shop: Any, promotion: str, features: Callable[[Any, Any], pd.DataFrame]
) -> pd.Series[float]:
    """Predict effects by boosted trees on noise-free truth of the same world from another seed."""
    import pandas as pd

    from promolab.simulated.oracles import boosted_trees
    from promolab.sources import simulated

    world = dataclasses.asdict(shop.truth.world)
    other = simulated(**{**world, "seed": world["seed"] + 1_000_003})

    def seen(of: Any) -> pd.DataFrame:
        starts = of.promotions.filter(of.promotions.promotion_id == promotion).starts_at
        table = features(of, starts.execute()[0].to_pydatetime())
        return table.set_index("customer_id").sort_index()

    there, here = seen(other), seen(shop)
    there = there.loc[:, there.nunique().gt(1)]
    words = [c for c in there if not pd.api.types.is_numeric_dtype(there[c])]
    levels = {c: pd.CategoricalDtype(sorted(there[c].dropna().unique())) for c in words}
    truth = other.truth.effects(promotion).set_index("customer_id")["margin_effect"]
    model = boosted_trees().fit(there.astype(levels), truth.loc[there.index])
    return pd.Series(model.predict(here[there.columns].astype(levels)), index=here.index)


def _known(shop: Any, moment: Any, columns: list[str]) -> pd.DataFrame:
    from promolab.features import build_features

    features = build_features(shop, as_of=moment).execute()
    attributes = shop.customers.execute()
    new = [c for c in attributes.columns if c not in features.columns]
    table = features.merge(attributes[["customer_id", *new]], on="customer_id", how="left")
    chosen: pd.DataFrame = table[["customer_id", *columns]]
    return chosen


def policies(customers: int = 100_000, seeds: int = 5) -> list[Row]:
    """Return whether the uplift policy comes near enough to what can be attained."""
    found = [policy(customers, seed) for seed in range(seeds)]
    mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    share = mean["uplift"] / mean["attainable"]
    gap = (mean["uplift"] - mean["response"]) / (mean["attainable"] - mean["response"])
    what = f"simulated shop, {customers:,} customers, 8 rounds, top {TOP:.0%}, {seeds} seeds"
    others = ", ".join(
        f"{name} {mean[name] / mean['attainable']:.2f}" for name in ("response", "random", "latent")
    )
    return [
        Row(
            f"{what}: uplift policy",
            f"≥ {OF_ATTAINABLE} × attainable oracle",
            f"{share:.3f} × ({others})",
            share >= OF_ATTAINABLE,
        ),
        Row(
            f"{what}: gap to it that is closed from the response ranking",
            f"≥ {OF_THE_GAP:.0%}",
            f"{gap:.0%}",
            gap >= OF_THE_GAP,
        ),
    ]
