"""Shops that learn together: the central fit, and nothing but masked sums leaves a shop."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression

from promolab.model import ResponseModel
from promolab.model.solvers import fit_logistic, sandwich
from promolab.trust import FederatedShop, RemoteShop, federated_fit
from promolab.trust.federated import FRACTION, PRIME
from tests.refused import refused

SIZES = (250, 340, 300, 430, 280)


def rows_of(size, seed, columns=4):
    """Return a shop's features, of very different scales, responses and customers."""
    rng = np.random.default_rng([seed, columns])
    names = ["age", "year", "tiny", "orders", *(f"x{j}" for j in range(columns))][:columns]
    X = pd.DataFrame(rng.normal(size=(size, columns)), columns=names)
    chance = expit(X.sum(axis=1) / 3 - 1 + seed / 5)
    X["age"], X["year"], X["tiny"] = 40 + 9 * X["age"], 2017 + X["year"] / 99, X["tiny"] * 1e-6
    return X, (rng.random(size) < chance).astype(int), rng.integers(0, size - 20, size)


@pytest.fixture(scope="module")
def shops():
    return [rows_of(size, seed) for seed, size in enumerate(SIZES)]


def pooled(shops):
    who = np.concatenate([who + 10_000 * k for k, (_, _, who) in enumerate(shops)])
    return pd.concat([X for X, _, _ in shops]), np.concatenate([y for _, y, _ in shops]), who


def check_central(model, shops):
    X, y, who = pooled(shops)
    matrix, labels = model.encoder_.transform(X), y.astype(float)
    w, b, _ = fit_logistic(matrix, labels, model.l2_, tol=1e-26)
    errors = np.sqrt(np.diag(sandwich(matrix, labels, w, b, model.l2_, who)))[:-1]
    assert np.abs(model.weights_ - w).max() < 1e-11 and abs(model.intercept_ - b) < 1e-11
    assert np.abs(model.standard_errors_ - errors).max() < 1e-11
    assert (model.n_, model.positives_, model.clusters_) == (len(y), y.sum(), len(np.unique(who)))


class Watched:
    """A shop whose messages are seen, and which may be gone from one on."""

    def __init__(self, *rows, gone=None, **options):
        self.shop, self.gone, self.seen = FederatedShop(*rows, **options), gone, []

    def __call__(self, message):
        if (message["what"], [m["what"] for m, _ in self.seen].count(message["what"])) == self.gone:
            raise ConnectionResetError("gone")
        self.seen.append((message, self.shop(message)))
        return self.seen[-1][1]


def test_five_shops_fit_what_all_rows_in_one_place_do(shops, tmp_path):
    together = federated_fit([FederatedShop(*rows) for rows in shops])
    check_central(together, shops)
    X, y, who = pooled(shops)
    central = ResponseModel().fit(X, y, cluster=who)
    # The central fit stops when its objective is within 1e-15 a row of the least.
    columns = ["weight", "ci_low", "ci_high"]
    told, said = (m.coefficients()[columns].to_numpy() for m in (together, central))
    assert np.abs(told - said).max() < 1e-8
    assert np.abs(together.predict_proba(X) - central.predict_proba(X)).max() < 1e-8
    again = ResponseModel.load(together.save(tmp_path / "model.safetensors"))
    assert (again.predict_proba(X) == together.predict_proba(X)).all()
    once_more = federated_fit([FederatedShop(*rows) for rows in shops])  # every mask another one
    assert (once_more.weights_ == together.weights_).all()


def test_scikit_learn_finds_the_same(shops):
    together = federated_fit([FederatedShop(*rows) for rows in shops], l2=5.0)
    X, y, _ = pooled(shops)
    X = X[sorted(X)]
    Z = ((X - X.mean()) / X.std(ddof=0)).clip(-5, 5).to_numpy()
    options = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 500}
    other = LogisticRegression(C=1 / 5, **options).fit(Z, y)
    assert np.abs(together.weights_ - other.coef_[0]).max() < 1e-9
    assert together.intercept_ == pytest.approx(other.intercept_[0], abs=1e-9)
    per_unit = together.weights_ / [code.sd for code in together.encoder_.codes]
    assert per_unit == pytest.approx(other.coef_[0] / X.std(ddof=0).to_numpy(), rel=1e-8)


def test_skewed_numbers_gaps_and_levels_are_as_the_model_has_them_that_all_have(shops):
    rich = []
    for X, y, who in shops:
        X = X.assign(amount=np.exp(X["orders"] * 2), city=np.where(who % 3 == 0, "a", "b"))
        X.loc[X.index % 7 == 0, ["age", "amount"]] = np.nan
        rich.append((X, y, who))
    X, y, who = pooled(rich)
    central = ResponseModel().fit(X, y, cluster=who)
    assert central.encoder_.codes[1].bend > 0 and "city = a" in central.encoder_.names
    together = federated_fit([FederatedShop(*rows, like=central) for rows in rich])
    check_central(together, rich)
    assert np.abs(together.predict_proba(X) - central.predict_proba(X)).max() < 1e-8


def test_gaps_are_filled_with_the_mean_of_all_shops(shops):
    gaps = [(X.assign(orders=X.orders.where(X.index % 3 > 0), flat=2.5), *on) for X, *on in shops]
    together = federated_fit([FederatedShop(*rows) for rows in gaps])
    check_central(together, gaps)
    orders = pooled(gaps)[0]["orders"]
    filled, code = orders.fillna(orders.mean()), together.encoder_.codes[2]
    found = code.median, code.mean, code.sd, code.missing_share
    expected = filled.mean(), filled.mean(), filled.std(ddof=0), orders.isna().mean()
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert "orders = missing" in together.encoder_.names and "flat" not in together.encoder_.names


def test_what_leaves_a_shop_looks_random_and_is_bounded():
    wide = [rows_of(size, seed, columns=10) for seed, size in enumerate(SIZES)]
    watched = [Watched(*rows) for rows in wide]
    federated_fit(watched)
    answers = [[np.frombuffer(sent, dtype="<u8") for _, sent in one.seen[1:]] for one in watched]
    for one, mine in zip(watched, answers, strict=True):
        for (message, _), sent in zip(one.seen[1:], mine, strict=True):
            own = getattr(one.shop, f"_sum_{message['what']}")(**message["about"])
            if message["what"] == "newton":
                assert kstest(sent / 2.0**64, "uniform").pvalue > 1e-6
                assert abs(np.corrcoef(own, sent.view(np.int64))[0, 1]) < 6 / np.sqrt(len(sent))
                total = np.sum([other[message["round"] - 1] for other in answers], axis=0)
                assert total.view(np.int64)[0] / FRACTION == sum(SIZES)
    size = 10 + 1  # of θ; the page states this number
    most = 8 * (3 * 3 * 10 + 15 * (3 + size + 2 * size**2)) + 1_000 + 400 * 10
    assert sum(len(sent) for _, sent in watched[0].seen) == watched[0].shop.sent <= most


@pytest.mark.parametrize("gone", [("moments", 0), ("moments", 2), ("newton", 0), ("newton", 4)])
def test_a_shop_that_leaves_is_left_out_from_the_round_on(shops, gone):
    watched = [Watched(*rows, gone=gone if k == 2 else None) for k, rows in enumerate(shops)]
    with pytest.warns(UserWarning, match="shop 3 in round .* left"):
        together = federated_fit(watched)
    rest = [rows for k, rows in enumerate(shops) if k != 2]
    check_central(together, rest)
    X = pooled(shops if gone[0] == "newton" else rest)[0]
    assert [c.mean for c in together.encoder_.codes] == pytest.approx(X[sorted(X)].mean().tolist())
    # Of no coefficients are there totals with the shop and without it.
    asked = [(len(m["members"]), m["about"].get("theta")) for m, _ in watched[0].seen[1:]]
    five, four = ([theta for n, theta in asked if theta and n == k] for k in (5, 4))
    assert len(four) > 3 and not [theta for theta in four if theta in five]


def test_what_cannot_be_learned_together_is_said(shops):
    (X, y, who), *others = shops
    rest = [FederatedShop(*rows) for rows in others]
    refused("100 customers are too few.*: 200 may", FederatedShop, X[:100], y[:100], least=200)
    refused("20 customers are too few", FederatedShop, X, y, who % 20)
    refused("shop 1 has .* customers; expected 1,000", federated_fit, rest, least=1_000)
    refused("one shop alone", federated_fit, rest[:1])
    refused("'city' is no number: give like=", FederatedShop, X.assign(city="a"), y)
    like = ResponseModel().fit(X, y)
    refused("lack column 'year'", FederatedShop, X.drop(columns="year"), y, like=like)
    refused("tree model has no coef", FederatedShop, X, y, like=ResponseModel("tree").fit(X, y))
    named = [*rest, FederatedShop(X.rename(columns={"year": "years"}), y)]
    refused(r"shop 5 has other features than the first shop .year, years", federated_fit, named)
    stated = [FederatedShop(*rows, like=ResponseModel().fit(*rows[:2])) for rows in shops[:2]]
    refused("shop 2 has other features than the first shop .age, orders", federated_fit, stated)
    for value, sentence in ((1e12, "a sum of .* overflows .*: give larger units"), (np.inf, "inf")):
        refused(sentence, federated_fit, [*rest, FederatedShop(X.assign(year=value), y)])
    refused("2,000 bytes may leave", federated_fit, [*rest, FederatedShop(X, y, most=2_000)])
    gone = [Watched(*rows, gone=("newton", 1)) for rows in shops[:2]]
    refused("shop 1 in round 5.* did not answer; too few", federated_fit, gone)
    refused("127.0.0.1:1 does not answer", federated_fit, [*rest, RemoteShop("127.0.0.1:1")])


def test_a_shop_answers_a_round_once_and_of_those_who_are_there(shops):
    one, *_ = three = [FederatedShop(*rows) for rows in shops[:3]]
    names = [json.loads(shop({"what": "begin"}))["public"] for shop in three]

    def asked(number, members):
        about = {"shift": [0] * 4, "unit": [1] * 4, "power": 1, "n": 500}
        return {"what": "moments", "round": number, "members": members, "about": about}

    assert len(one(asked(1, names))) == 8 * 12
    said = "a round does not follow the last one"
    # Once; not alone, where it would not be masked; not where it is not among them.
    for number, members in ((1, names), (2, names[:1]), (2, names[1:])):
        refused(said, one, asked(number, members))
    one(asked(2, names[:2]))
    refused(said, one, asked(3, names))  # who was out stays out
    one({"what": "begin"})
    refused("another fit began", one, asked(3, names[:2]))


def test_the_group_is_a_safe_prime_of_the_form_that_the_standard_has():
    half = (PRIME - 1) // 2  # a prime, too: no small subgroups but ±1
    assert pow(2, half, PRIME) == pow(3, half - 1, half) == 1
    assert PRIME.bit_length() == 2048 and PRIME >> 1984 == PRIME % 2**64 == 2**64 - 1
