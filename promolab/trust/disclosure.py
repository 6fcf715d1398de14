"""What may leave the house: a week's private model, paid from a budget; its cost; noisy counts."""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import columns_there, level_of, numbers_of, real_number, whole_number
from promolab.contract import Shop, read_operations
from promolab.errors import InputError
from promolab.folder import RunFolder, key_of
from promolab.loop import ledger_of
from promolab.metrics import roc
from promolab.model import Privacy, ResponseModel, private_sums, solve_sums, uniforms
from promolab.model.learners import Training
from promolab.results import Estimate, Result
from promolab.wording import plural

L2 = 30.0
LATEST = 1 / 3  # share of the contacts, the latest ones, that are predicted
FEWEST = 20  # responses among those learned from, and among those predicted
MOST = 50_000  # contacts predicted: of more, so many evenly
SIZES = np.arange(0.05, 1.001, 0.05)
MIDDLE = (0.05, 0.95)  # of the draws of the noise
RELEASE = ("name", "epsilon", "delta", "mu")
SLACK = 1e-6  # the last release of a budget is not lost to rounding


@dataclass(frozen=True)
class PrivacyAudit(Result):
    """How well a membership attack tells those a model learned from; made by `audit_privacy`.

    Parameters
    ----------
    auc : Estimate
        How often the attack scores a row learned from above another one; 0.5 is chance.
    kind : str
        The model's.
    members, others : int
        Rows of each.
    """

    auc: Estimate
    kind: str
    members: int
    others: int

    def facts(self) -> dict[str, Any]:
        """Return whether the attack beats chance."""
        return {"side": self.auc.side_of(0.5)}


def audit_privacy(
    model: ResponseModel,
    members: pd.DataFrame,
    others: pd.DataFrame,
    outcome: str = "redeemed",
    cluster: str = "customer_id",
) -> PrivacyAudit:
    """Attack a model: rows that it predicts well are guessed to be those it learned from.

    Parameters
    ----------
    model : ResponseModel
        Fitted on ``members``.
    members, others : DataFrame
        Features, outcome and customer of rows it learned from, and of rows it never saw. Chance
        must have decided which customers are which, or the attack reads what sets them apart.
    outcome, cluster : str
        Columns of the outcome and of the customer.

    Returns
    -------
    PrivacyAudit
        Its AUC with DeLong's interval, by customer. An AUC near 0.5 does not show that nothing is
        given away, only that this attack finds nothing (Yeom et al. 2018); `Privacy` bounds all.

    Raises
    ------
    InputError
        A column is missing, or a customer stands on both sides.
    """
    for rows, what in ((members, "members"), (others, "others")):
        columns_there(rows, [outcome, cluster], what)
    if both := len(set(members[cluster]) & set(others[cluster])):
        raise InputError(f"{both} customers are on both sides; take all rows of each to one side")
    both_sides = pd.concat([members, others], ignore_index=True)
    p = model.probability(both_sides)
    p = np.asarray(p[outcome] if isinstance(p, pd.DataFrame) else p)
    chance = np.where(both_sides[outcome].to_numpy(dtype=float) == 1, p, 1 - p)
    inside = np.arange(len(both_sides)) < len(members)
    found = roc(inside, chance, cluster=both_sides[cluster].to_numpy())
    return PrivacyAudit(found.estimate, model.kind, len(members), len(others))


@dataclass(frozen=True)
class PrivacyCost(Result):
    """What privacy costs in ranking and in profit, out of time; made by `privacy_cost`.

    Parameters
    ----------
    frame : DataFrame
        A row without privacy (epsilon is nan), then one per ε: epsilon, case (in words), auc,
        auc_low, auc_high (without privacy its 95 % interval by customer, else the middle 90 % over
        draws of the noise), lost (of the AUC), profit of the list of the size that is best without
        privacy, lost_profit.
    curve : DataFrame
        epsilon, case, share of the list, profit and over the noise profit_low, profit_high.
    draws, learned, predicted : int
        Draws of the noise, contacts learned from and predicted.
    """

    frame: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)
    draws: int
    learned: int
    predicted: int

    def facts(self) -> dict[str, Any]:
        """Return the row without privacy, and the others."""
        return {
            "none": Estimate.of(self.frame[["auc", "auc_low", "auc_high"]].iloc[0]),
            "private": self.frame.loc[1:],
            "by_epsilon": self.frame.set_index("case").drop(columns="epsilon").to_dict("index"),
        }


def privacy_cost(
    pairs: pd.DataFrame,
    privacy: Privacy,
    *,
    epsilons: Sequence[float] = (3.0, 1.0),
    draws: int = 40,
    outcome: str = "redeemed",
    worth: Any = 1.0,
    contact_cost: float = 0.0,
    seed: int = 0,
) -> PrivacyCost:
    """Return what privacy costs: models of past contacts, with and without it, rank later ones.

    The latest third of the contacts is predicted from promotions that were over before; the private
    models are drawn many times. For a look inside the house: none of them is released.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs`, with ``label_complete``.
    privacy : Privacy
        δ and the bounds, for all ε; without privacy a logistic model of the same columns.
    epsilons : sequence of float
    draws : int
        Of the noise, at each ε.
    outcome : str
        Label column.
    worth : array of shape (n,), or float
        What an answer is worth, in the shop's currency, before the contact is paid. It need not be
        *added*: many would have bought anyway.
    contact_cost : float
    seed : int

    Raises
    ------
    InputError
        A column is missing, or there are too few responses to learn from or to predict.
    """
    from scipy.stats import rankdata

    whole_number("draws", draws, 1)
    needed = ["customer_id", "promotion_id", "starts_at", "ends_at", "label_complete", outcome]
    columns_there(pairs, needed, "pairs")
    done = pairs.assign(worth_=worth)[pairs["label_complete"].astype(bool)]
    done = done.sort_values(["starts_at", "promotion_id", "customer_id"], ignore_index=True)
    cut = done["starts_at"].iloc[min(int(len(done) * (1 - LATEST)), len(done) - 1) :].min()
    past, late = done[done["ends_at"] <= cut], done[done["starts_at"] >= cut]
    late = late.iloc[:: -(-len(late) // MOST) or 1]
    for rows, what in ((past, "learned from"), (late, "predicted")):
        if min(n := int(rows[outcome].sum()), len(rows) - n) < FEWEST:
            told = f"needs {FEWEST} contacts {what} that answered, and as many that did not"
            raise InputError(f"what privacy costs {told}; {n} of {len(rows):,} did")
    y, customers = late[outcome].to_numpy(bool), past["customer_id"].to_numpy()
    plain = ResponseModel(columns=[*privacy.bounds], l2=L2)
    plain.fit(past, past[outcome], cluster=customers, known=True)
    scores = {np.nan: np.asarray(plain.logit(late))[:, None]}
    whole = roc(y, scores[np.nan][:, 0], cluster=late["customer_id"].to_numpy()).estimate
    labels = past[outcome].to_numpy(dtype=float)[:, None]
    encoder, sums = private_sums(Training(past, labels, (outcome,), cluster=customers), privacy)
    for epsilon in epsilons:
        noisy = sums.released(replace(privacy, epsilon=epsilon), seed, draws)
        scores[epsilon] = encoder.transform(late) @ solve_sums(noisy, L2)[0].T
    gain = late["worth_"].to_numpy(dtype=float) * y - contact_cost
    lengths = np.ceil(SIZES * len(y) - 1e-9).astype(int)
    rows, curves, positives = [], [], int(y.sum())
    for epsilon, score in scores.items():
        # AUC is the mean rank of the positives (Mann & Whitney 1947).
        above = rankdata(score, axis=0)[y].sum(axis=0) - positives * (positives + 1) / 2
        auc = above / (positives * (len(y) - positives))
        order = np.argsort(-score, axis=0, kind="stable")
        profit = gain[order].cumsum(axis=0)[lengths - 1]
        low, high = np.quantile(auc, MIDDLE) if epsilon > 0 else (whole.ci_low, whole.ci_high)
        case = {"epsilon": epsilon, "case": f"{epsilon:g}" if epsilon > 0 else "none"}
        rows.append(case | {"auc": auc.mean(), "auc_low": low, "auc_high": high})
        low, high = np.quantile(profit, MIDDLE, axis=1)
        curve = case | {"share": lengths / len(y), "profit": profit.mean(axis=1)}
        curves.append(pd.DataFrame(curve | {"profit_low": low, "profit_high": high}))
    best = int(curves[0]["profit"].to_numpy().argmax())
    frame = pd.DataFrame(rows).assign(profit=[curve["profit"].iloc[best] for curve in curves])
    frame["lost"] = frame["auc"].iloc[0] - frame["auc"]
    frame["lost_profit"] = frame["profit"].iloc[0] - frame["profit"]
    return PrivacyCost(frame, pd.concat(curves, ignore_index=True), draws, len(past), len(late))


@dataclass(frozen=True)
class PrivateWeek(Result):
    """The private model of a week, and what it leaves of the shop's budget.

    Parameters
    ----------
    privacy : Privacy
        Of this one release; its secret follows from the folder's key and the week.
    budget : float
        The ε that the shop states for all releases together, at the δ of each.
    spent : float
        ε that the weeks before and this one come to.
    releases, left : int
        How many there were, this one included; how many more of its size there may be.
    kind : str
        The method that the week asks for.
    """

    privacy: Privacy = field(repr=False)
    budget: float
    spent: float
    releases: int
    left: int
    kind: str = "logistic"

    @property
    def columns(self) -> list[str]:
        """The columns that the model uses: those with stated bounds, whatever the data say."""
        return list(self.privacy.bounds)

    def facts(self) -> dict[str, Any]:
        """Return ε and δ of this release."""
        epsilon, delta = self.privacy.epsilon, self.privacy.delta
        return {"epsilon": epsilon, "delta": delta, "at": f"{delta:g}", "any_left": self.left > 0}

    def to_frame(self) -> pd.DataFrame:
        """Return the row that the ledger keeps."""
        one = self.privacy
        return pd.DataFrame([["response", one.epsilon, one.delta, one.mu]], columns=RELEASE)

    def make(self) -> ResponseModel:
        """Return a new model; a kind that cannot learn with privacy is refused."""
        return ResponseModel(self.kind, privacy=self.privacy)

    def cost(self, pairs: pd.DataFrame, shop: Shop) -> PrivacyCost:
        """Return what privacy costs, an answer worth the margin of the customer's usual order."""
        columns_there(pairs, "average_order_amount", "pairs")
        told, usual = read_operations(shop.settings).economics, pairs["average_order_amount"]
        worth = usual.astype(float).fillna(0.0) * told.margin_rate.value
        return privacy_cost(pairs, self.privacy, worth=worth, contact_cost=told.contact_cost.value)


def private_week(run: RunFolder, shop: Shop, kind: str = "logistic") -> PrivateWeek | None:
    """Return the private model that a week may release; None where the shop states no budget.

    ``[privacy]`` in ``shop.toml`` states ε and δ of all releases together, and how many equal ones
    they are for. A draft that is made again replaces its own release in the ledger; every other
    week counts, later ones too.

    Raises
    ------
    InputError
        The budget is spent.
    """
    if (terms := read_operations(shop.settings).privacy) is None:
        return None
    secret = hmac.digest(key_of(run.path), f"privacy {run.week}".encode(), "sha256").hex()
    whole = Privacy(terms.epsilon, terms.delta, terms.bounds, secret=secret)
    total, mu, ledger = whole.mu, whole.mu / math.sqrt(terms.releases), ledger_of(run)
    one = replace(whole, epsilon=whole.spent([mu]))
    rows = replace(ledger, week=None).rows("releases")
    others = rows["mu"][rows["week"] != str(run.week)]
    if math.hypot(mu, *others) > total * (1 + SLACK):
        raise InputError(
            f"the privacy budget is spent: {plural(len(others), 'release')} came to epsilon = "
            f"{one.spent(others):.2f} of the {terms.epsilon:g} in [privacy], and one more would "
            "exceed it. Serve the last released model on, or state more, and tell your customers"
        )
    mus = [*ledger.rows("releases")["mu"], mu]
    left = math.floor((total**2 - math.hypot(*mus) ** 2) / mu**2 + SLACK)
    return PrivateWeek(one, terms.epsilon, one.spent(mus), len(mus), left, kind)


def private_counts(
    table: pd.DataFrame,
    epsilon: float,
    counts: str | Sequence[str] = "customers",
    *,
    cells: int = 1,
    level: float = 0.95,
    secret: str = "",
    seed: int = 0,
) -> pd.DataFrame:
    """Return a table of counts that may leave the house: noisy, ε-private for each customer.

    Parameters
    ----------
    table : DataFrame
        Counts of customers, a row per segment or step.
    epsilon : float
        Of the whole table, δ being 0. It comes on top of what models spend.
    counts : str or sequence of str
        Columns of counts.
    cells : int
        In how many of all these counts a customer may stand: 1 for segments; in a funnel as many as
        there are steps, since whoever is contacted was eligible, too.
    level : float
        Of the intervals.
    secret, seed : str, int
        What the noise follows from, as in `Privacy`.

    Returns
    -------
    DataFrame
        The table with noisy counts, none below 0, and the interval of each true count beside it
        (``customers_low``, ``customers_high``).

    Raises
    ------
    InputError
        ε not above 0, a column that is not there, or values that are no counts.

    Notes
    -----
    Two-sided geometric noise (Ghosh, Roughgarden & Sundararajan 2012), which is whole: the
    difference of two geometric numbers of e^(−ε / cells). Its quantiles are exact.

    Examples
    --------
    >>> table = pd.DataFrame({"segment": ["Loyal", "New"], "customers": [812, 3]})
    >>> noisy = private_counts(table, epsilon=1.0, secret="one that nobody guesses")
    >>> list(noisy), int(noisy["customers_high"][0] - noisy["customers_low"][0])
    (['segment', 'customers', 'customers_low', 'customers_high'], 6)
    """
    real_number("epsilon", epsilon, above=0)
    whole_number("cells", cells, 1)
    names = [counts] if isinstance(counts, str) else list(counts)
    columns_there(table, names)
    exact = np.column_stack([numbers_of(name, table[name]) for name in names])
    if ((exact < 0) | (exact != np.floor(exact))).any():
        raise InputError(f"{names} hold what is no count; expected whole numbers from 0 on")
    log_alpha = -epsilon / cells
    told = ("counts", int(seed), float(epsilon), cells, tuple(names), exact.tobytes())
    drawn = np.floor(np.log(uniforms(secret, (2, *exact.shape), *told)) / log_alpha)
    noisy = exact + drawn[0] - drawn[1]
    beyond = (1 - level_of(level)) * (1 + math.exp(log_alpha)) / 2
    half = max(math.ceil(math.log(beyond) / log_alpha) - 1, 0)
    for end, values in {"": noisy, "_low": noisy - half, "_high": noisy + half}.items():
        columns = [name + end for name in names]
        table = table.assign(**dict(zip(columns, values.clip(0).astype(np.int64).T, strict=True)))
    return table
