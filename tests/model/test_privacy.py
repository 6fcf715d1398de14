"""A private model tells of a customer what is stated and no more; what it learns is right."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.base import clone

from promolab.metrics import roc
from promolab.model import Privacy, ResponseModel
from promolab.model.privacy import SECOND, Sums, gaussian_delta, gaussian_epsilon, gaussian_mu
from tests.refused import refused

BOUNDS = {"orders": (0, 40), "amount": (0, 900), "days": (0, 90)}
# What dp-accounting 0.6 says: get_sigma_gaussian and get_epsilon_gaussian, tolerance 1e-13.
SINGLE = [
    *((0.1, 1e-6, 0.02754465024382807), (0.5, 1e-3, 0.21691371924765307)),
    *((1.0, 1e-5, 0.268051123211294), (1.0, 0.01, 0.5325166485029511)),
    *((3.0, 1e-5, 0.7191174352217913), (8.0, 1e-8, 1.3361941701013287)),
    *((1.9930914044151198, 1e-5, 0.5), (10.997151214220652, 1e-6, 2.0)),
]


def rows(customers=1500, seed=0) -> pd.DataFrame:
    """Return contacts, one to six per customer, whose responses follow from orders and days."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(customers), rng.integers(1, 7, customers))
    usual = rng.gamma(1.2, 6.0, customers)[customer]
    X = pd.DataFrame({"orders": rng.poisson(usual), "amount": usual * rng.gamma(4, 8, len(usual))})
    X["days"] = rng.gamma(1.0, 20.0, len(X))
    z = -2.8 + 0.9 * np.arcsinh(X["orders"] / 2) - 0.4 * np.arcsinh(X["days"] / 4.5)
    chance = expit(z)
    y = (rng.random(len(X)) < chance).astype(int)
    return X.assign(customer_id=customer, chance=chance, redeemed=y)


def fitted(given: pd.DataFrame, epsilon=1e6, seed=0, secret="told to nobody", **options):
    privacy = Privacy(epsilon, 1e-5, options.pop("bounds", BOUNDS), secret=secret)
    model = ResponseModel("logistic", privacy=privacy, seed=seed, **options)
    beside = {"cluster": given["customer_id"], "known": True}
    return model.fit(given[[*BOUNDS]], given["redeemed"], **beside)


@pytest.mark.parametrize(("epsilon", "delta", "mu"), SINGLE)
def test_single_releases_are_what_an_independent_accountant_says(epsilon, delta, mu):
    assert gaussian_mu(epsilon, delta) == pytest.approx(mu, abs=1e-6)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, abs=1e-6)
    assert gaussian_delta(epsilon, mu) == pytest.approx(delta, rel=1e-6)


def test_releases_together_are_what_an_independent_accountant_says():
    # dp-accounting's PLDAccountant, discretised by 1e-4.
    one, half = Privacy(1, 1e-5, BOUNDS), Privacy(0.5, 1e-5, BOUNDS)
    assert one.spent([one.mu] * 52) == pytest.approx(9.586754, abs=1e-3)
    assert one.spent([one.mu] * 2) == pytest.approx(1.465170, abs=1e-3)
    assert one.spent([one.mu] * 10 + [half.mu] * 4) == pytest.approx(3.846977, abs=1e-3)
    assert one.spent([one.mu]) == pytest.approx(1.0, abs=1e-9) and one.spent([]) == 0


def test_a_customer_moves_the_sums_by_one_at_most_however_many_rows_they_have():
    rng = np.random.default_rng(1)
    cluster = np.concatenate([np.zeros(1000), np.arange(1, 200)])  # customer 0 has 1,000 rows
    z = rng.uniform(-1, 1, (len(cluster), 3))
    z[:1000:2] = 1.0  # … half of them as far out as can be, and clipped there
    z[cluster == 1] = (1, -1, 1)
    z[cluster == 2] = (50, 0, -50)
    y = np.where(cluster < 2, 1.0, (rng.random(len(cluster)) < 0.2).astype(float))
    whole, moved = Sums.of(z, y, cluster), {}
    for customer in range(5):
        others = Sums.of(*(part[cluster != customer] for part in (z, y, cluster)))
        second = np.linalg.norm(whole.second - others.second)
        moved[customer] = second, np.linalg.norm(whole.first - others.first)
    assert np.max([*moved.values()]) <= 1 + 1e-9
    assert moved[1] == pytest.approx((1, 1))  # the bound is reached, by a single row
    assert moved[0][0] < moved[1][0] and moved[0][1] < moved[1][1]
    # Weights share a customer out among their rows, and make none of them count for more.
    weighted = Sums.of(z, y, cluster, rng.uniform(0.1, 9.0, len(y)))
    assert weighted.second[0, 0] == pytest.approx(whole.second[0, 0])


def test_noise_is_as_large_as_mu_says_and_symmetric():
    privacy, sums = Privacy(2, 1e-4, BOUNDS, secret="s"), Sums(np.eye(4) * 50, np.arange(4.0))
    noisy = sums.released(privacy, draws=20_000)
    second, first = noisy.second - sums.second, noisy.first - sums.first
    assert (second == second.transpose(0, 2, 1)).all()
    noise = math.hypot(1, SECOND) / privacy.mu
    assert noisy.noise == noise
    off = np.triu_indices(4, 1)
    diagonal = second[:, np.arange(4), np.arange(4)]
    for drawn, sd in ((first, noise), (diagonal, noise / SECOND)):
        assert drawn.std(axis=0) == pytest.approx(sd, rel=0.03)
        assert np.abs(drawn.mean(axis=0)).max() < 4 * sd / math.sqrt(20_000)
    beside = second[:, off[0], off[1]]
    assert beside.std(axis=0) == pytest.approx(noise / SECOND / math.sqrt(2), rel=0.03)
    flat = np.column_stack([first, diagonal, beside])
    assert np.abs(np.corrcoef(flat.T) - np.eye(flat.shape[1])).max() < 0.04
    assert stats.kstest(first[:, 0] / noise, "norm").pvalue > 1e-3


def shown_epsilon(privacy: Privacy, stated_delta: float) -> float:
    """Return the lower 95 % bound of ε that 20,000 draws of neighbouring data show."""
    rng = np.random.default_rng(3)
    z, y = rng.uniform(-1, 1, (300, 2)), (rng.random(300) < 0.2).astype(float)
    z[0], y[0] = 1.0, 1.0  # as telling as a customer can be
    cluster = np.arange(300)
    both = [Sums.of(z, y, cluster), Sums.of(z[1:], y[1:], cluster[1:])]
    apart = (both[0].second - both[1].second) * SECOND**2, both[0].first - both[1].first
    told, scores = np.append(*apart), []
    for sums in both:  # the likelihood ratio of the two is a function of this sum
        noisy = sums.released(privacy, draws=20_000)
        scores.append(np.column_stack([noisy.second.reshape(20_000, -1), noisy.first]) @ told)
    half = 10_000
    cuts = np.quantile(scores[1][:half], np.linspace(0.5, 0.999, 60))
    right, wrong = ((score[:half, None] > cuts).mean(axis=0) for score in scores)
    cut = cuts[np.argmax(np.log(np.maximum(right - stated_delta, 1e-9) / np.maximum(wrong, 1e-3)))]
    right, wrong = (int((score[half:] > cut).sum()) for score in scores)
    low = stats.beta.ppf(0.025, right, half - right + 1)
    high = stats.beta.ppf(0.975, wrong + 1, half - wrong)
    return math.log(max(low - stated_delta, 1e-9) / high)


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-3), (3.0, 1e-3)])
def test_neighbouring_data_never_show_more_than_is_stated(epsilon, delta):
    shown = shown_epsilon(Privacy(epsilon, delta, BOUNDS, secret="n"), delta)
    assert 0.3 * epsilon < shown <= epsilon
    # The attack would see it if there were half the noise.
    more = gaussian_epsilon(2 * gaussian_mu(epsilon, delta), delta)
    assert shown_epsilon(Privacy(more, delta, BOUNDS, secret="n"), delta) > epsilon


def test_the_same_secret_and_seed_give_the_same_noise_and_nothing_else_does():
    given = rows(400)
    first = fitted(given, 1.0)
    assert (fitted(given, 1.0).weights_ == first.weights_).all()
    for other in (fitted(given, 1.0, seed=1), fitted(given, 1.0, secret="another")):
        assert not np.isclose(other.weights_, first.weights_).any()
    # Without one customer the noise is another one: the difference of two models tells nothing.
    privacy, noise = Privacy(1, 1e-5, BOUNDS, secret="n"), []
    for some in (given, given[given["customer_id"] > 0]):
        sums = Sums.of(some[[*BOUNDS]].to_numpy() / 900, some["redeemed"], some["customer_id"])
        noise.append(sums.released(privacy).first[0] - sums.first)
    assert not np.isclose(*noise).any()
    # By default the secret is this process's own: the same here, in no file and no other process.
    one, two = (fitted(given, 1.0, secret="").weights_ for _ in range(2))
    assert (one == two).all() and not np.isclose(one, first.weights_).any()


def test_bounds_are_never_read_from_the_data_nor_are_columns_chosen_by_them():
    given = rows(400)
    model = fitted(given, 2.0)
    far = given.assign(**{c: given[c].where(given[c] < BOUNDS[c][1], 1e6) for c in BOUNDS})
    assert (far > 1e5).any(axis=None)
    again = fitted(far, 2.0)
    assert (again.weights_ == model.weights_).all() and again.n_ == model.n_
    assert (again.probability(far[[*BOUNDS]]) == model.probability(given[[*BOUNDS]])).all()
    # Constant columns stay, others are not looked at, and the encoder's ends are the stated ones.
    flat = given.assign(amount=7.0, other=given["redeemed"] * 0.5)
    kept = ResponseModel(privacy=Privacy(2, 1e-5, BOUNDS))
    kept.fit(flat[[*BOUNDS, "other"]], flat["redeemed"], cluster=flat["customer_id"], known=True)
    assert kept.encoder_.names == sorted(BOUNDS)
    gaps = given.assign(orders=given["orders"].where(given["orders"] > 0))  # missing: the lower end
    assert np.allclose(fitted(gaps, 2.0).weights_, model.weights_)


def test_without_noise_it_ranks_as_the_ordinary_model_and_its_chances_come_true():
    given, later = rows(3000), rows(3000, seed=1)
    model, X = fitted(given), later[[*BOUNDS]]
    plain = ResponseModel().fit(given[[*BOUNDS]], given["redeemed"], known=True)
    best = roc(later["redeemed"], later["chance"]).auc
    for fit in (model, plain):
        assert best - roc(later["redeemed"], fit.probability(X)).auc < 0.01
    assert model.probability(X).mean() == pytest.approx(later["redeemed"].mean(), rel=0.1)
    slope = ResponseModel(l2=1e-6).fit(pd.DataFrame({"z": model.logit(X)}), later["redeemed"])
    assert slope.weights_[0] / slope.encoder_.codes[0].sd == pytest.approx(1, abs=0.35)
    assert (np.sign(model.weights_) == [1, -1, 1]).all()  # amount, days, orders
    # Noise costs something, and the more the less may be told.
    drawn = [[fitted(given, e, seed).logit(X) for seed in range(15)] for e in (0.2, 1.0, 3.0)]
    auc = [np.mean([roc(later["redeemed"], z).auc for z in some]) for some in drawn]
    assert auc == sorted(auc) and best - auc[2] < 0.02


def test_what_is_saved_is_noisy_and_holds_no_secret(tmp_path):
    given = rows(500)
    model = fitted(given, 1.0, seed=77, secret="0f1e2d3c")
    path = model.save(tmp_path / "m.safetensors")
    told = ResponseModel.load(path)
    X = given[[*BOUNDS]]
    assert (told.probability(X) == model.probability(X)).all()
    assert b"0f1e2d3c" not in path.read_bytes() and told.privacy.secret == "" and told.seed == 0
    assert told.privacy == model.privacy and "0f1e" not in repr(model)
    assert abs(told.n_ - 500) < 60 and told.clusters_ == told.n_ and told.n_ != 500
    assert told.positives_ < told.n_
    table = told.coefficients()
    assert table[["ci_low", "ci_high"]].isna().all(axis=None) and table["weight"].notna().all()
    parts = told.explain(X)
    assert np.allclose(parts.sum(axis=1) + parts.attrs["base"], told.logit(X))
    assert clone(model).privacy == model.privacy and copy.deepcopy(model).privacy.secret
    assert told.preparation().summary()


def test_what_privacy_cannot_be_is_refused():
    for epsilon in (0, -1, math.nan, "3", None):
        refused("epsilon = .*; expected a number above 0", Privacy, epsilon, 1e-5, BOUNDS)
    for delta in (0, 1, math.nan):
        refused("delta = ", Privacy, 1, delta, BOUNDS)
    for none in (BOUNDS | {"orders": None}, None, ["orders"]):
        refused("bounds.* = .*; expected", Privacy, 1, 1e-5, none)
    for ends in ((40, 0), (3, 3), (0,), (0, math.inf), 40, ("0", "9")):
        wrong = {"orders": ends}
        refused("bounds of 'orders' = .*the smallest and the largest", Privacy, 1, 1e-5, wrong)
    refused("bounds = {}; expected columns and their ends", Privacy, 1, 1e-5, {})
    refused("unit", Privacy, 1, 1e-5, BOUNDS, unit="row")


def test_what_cannot_be_learned_privately_is_refused():
    given, privacy = rows(60), Privacy(1, 1e-5, BOUNDS)
    X, y, own = given[[*BOUNDS]], given["redeemed"], {"cluster": given["customer_id"]}
    model, more = (ResponseModel(privacy=privacy, columns=c) for c in (None, ["orders", "city"]))
    refused("give cluster=", model.fit, X, y)
    loose = ResponseModel(privacy=Privacy(1, 0.02, BOUNDS))
    refused("delta = 0.02; expected far less than 1/n = 1/60", loose.fit, X, y, **own)
    refused("no bounds of 'city'", more.fit, X.assign(city="a"), y, **own)
    refused("lack column 'days'", model.fit, X.drop(columns="days"), y, **own)
    refused("'days' holds no numbers", model.fit, X.assign(days="a"), y, **own)
    both = pd.DataFrame({"redeemed": y, "bought": 1 - y})
    refused("one outcome", model.fit, X, both, **own)
    refused("not calibrated", ResponseModel(privacy=privacy, calibration="platt").fit, X, y, **own)
    refused("kind='boosting' cannot learn with privacy", ResponseModel, "boosting", privacy=privacy)
    refused("l1 = 0", ResponseModel, privacy=privacy, l1=2.0)
    refused(r"privacy = 3; expected Privacy\(", ResponseModel, privacy=3)
