"""The cluster-robust covariance, against statsmodels."""

import numpy as np
import pytest
from scipy.special import expit

from promolab.model.covariance import sandwich
from promolab.model.logistic import fit_logistic


def simulate(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    return X, (rng.uniform(size=n) < expit(X @ rng.normal(size=p) - 1)).astype(float)


@pytest.mark.parametrize("clustered", [True, False])
def test_sandwich_agrees_with_statsmodels(clustered: bool) -> None:
    import statsmodels.api as sm

    X, y = simulate(n=900, p=3)
    cluster = np.random.default_rng(2).integers(0, 120, len(y)) if clustered else np.arange(len(y))
    l2 = 1e-9
    w, b, _ = fit_logistic(X, y, l2)
    reference = sm.Logit(y, sm.add_constant(X, prepend=False)).fit(
        disp=0, tol=1e-14, cov_type="cluster", cov_kwds={"groups": cluster}
    )
    np.testing.assert_allclose(np.append(w, b), reference.params, atol=1e-6)
    mine = sandwich(X, y, w, b, l2, cluster if clustered else None)
    np.testing.assert_allclose(mine, reference.cov_params(), rtol=1e-5)


def test_sandwich_needs_two_clusters() -> None:
    X, y = simulate(n=50, p=2)
    w, b, _ = fit_logistic(X, y, 1.0)
    assert np.isnan(sandwich(X, y, w, b, 1.0, np.zeros(50))).all()
