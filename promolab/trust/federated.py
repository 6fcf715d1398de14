"""Learning together: shops send masked sums, never rows; the model is that of all their rows."""

from __future__ import annotations

import hashlib
import json
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pandas as pd

from promolab import __version__
from promolab.errors import InputError
from promolab.folder import append_lines
from promolab.model import ResponseModel, inputs, learners, solvers
from promolab.threads import single_threaded

Shop = Callable[[Mapping[str, Any]], bytes]
"""What answers messages, here or elsewhere."""
LEAST = 100
"""Customers that a shop must have: sums over fewer tell too much of each."""
MOST = 4 << 20
"""Bytes that may leave a shop."""
FRACTION = 2.0**36
"""Sums are whole multiples of one part in so many."""
TOLERANCE = 1e-10
"""Excess of the log-loss of all rows at which the last step follows; the fixed point tells less."""
WAIT = 30.0
"""Seconds that a shop has for an answer."""
PRIME = int("".join(Path(__file__).with_name("group14.txt").read_text("ascii").split()), 16)
"""The group in which shops agree on keys: number 14 of RFC 3526, 2,048 bits, generator 2."""


def to_fixed(values: Any, members: int) -> np.ndarray:
    """Return sums as fixed point numbers modulo 2⁶⁴, with room to add those of so many shops.

    Raises
    ------
    InputError
        A sum for which there is no room, or that is no number.

    Examples
    --------
    >>> to_fixed([0.5, -1.0], 2).tolist() == [2**35, 2**64 - 2**36]
    True
    """
    largest, room = float(np.abs(values).max()), 2.0**63 / members / FRACTION
    if not largest < room:
        raise InputError(f"a sum of {largest:.3g} overflows {room:.3g}: give larger units")
    return np.asarray(np.rint(np.multiply(values, FRACTION)).astype(np.int64).view(np.uint64))


@lru_cache
def agreed_key(public: str, private: int) -> bytes:
    """Return the key that two shops share, of which a listener knows nothing (Diffie & Hellman)."""
    return pow(int(public, 16), private, PRIME).to_bytes(256, "big")


class FederatedShop:
    """A shop's side of `federated_fit`: its rows stay in this object, which answers messages.

    What leaves it: as a fit begins, how features are defined, and how many rows and customers it
    has; then, round by round, sums over all its rows, to which it adds numbers that look random and
    cancel only in the total of all shops of the round.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
        Features.
    y : array of 0 and 1, shape (n,)
        Whether each customer responded; both occur.
    customers : array, shape (n,), optional
        Customer of each row; by default each row is one.
    like : ResponseModel, optional
        A logistic model that all shops have: its features, and how it prepares them, are used. By
        default all columns of X, which must be numbers, more plainly than `ResponseModel` encodes
        them: scaled by mean and spread of all shops' rows, but none is bent, and no text has codes.
    least : int
        Customers that the shop must have.
    most : int
        Bytes that may leave it as long as the object lives, whatever is asked.
    log : str or Path, optional
        File that gets a line of JSON for each answer: what was asked, how many sums and bytes left.

    Raises
    ------
    InputError
        Fewer customers than ``least``, or what `promolab.ResponseModel.fit` refuses.

    Examples
    --------
    >>> shop = FederatedShop(pd.DataFrame({"orders": range(200)}), [0, 1] * 100)
    >>> told = json.loads(shop({"what": "begin"}))
    >>> told["codes"][0]["name"], told["rows"], told["customers"]
    ('orders', 200, 200)
    """

    def __init__(
        self, X: pd.DataFrame, y: Any, customers: Any = None, *,
        like: ResponseModel | None = None,
        least: int = LEAST, most: int = MOST, log: str | Path | None = None,
    ) -> None:  # fmt: skip
        self.X, self.stated = inputs.as_frame(X), like is not None
        if like is None:
            names = inputs.feature_columns(self.X)
            if texts := [name for name in names if not inputs.is_numeric(self.X[name])]:
                raise InputError(f"{texts[0]!r} is no number: give like= a model that all have")
            codes = tuple(inputs.ColumnCode(name, "numeric") for name in names)
        else:
            like.coefficients()  # which a model that is not fitted, or not logistic, refuses
            codes = like.encoder_.codes
            inputs.check_present(self.X, like.encoder_.columns)
        self.codes, self.y = [asdict(code) for code in codes], inputs.check_labels(y, self.X)
        who = inputs.check_beside(customers, "customers", self.X)
        self.who = np.arange(len(self.y)) if who is None else pd.factorize(who)[0]
        self.people, self.most, self.log, self.sent = int(self.who.max()) + 1, most, log, 0
        if self.people < least:
            raise InputError(f"{self.people:,} customers are too few to share sums: {least:,} may")
        self.public, self.encoded, self.round, self.members = "", "", 0, set[str]()

    def __call__(self, message: Mapping[str, Any]) -> bytes:
        """Answer a message: ``what`` is asked ``about`` what, in which ``round`` of which shops.

        Raises
        ------
        InputError
            Another fit began, a round was answered before, its members were out before or are fewer
            than two, a sum overflows, or more than ``most`` bytes would have left.
        """
        what, number, members = (message.get(name, 0) for name in ("what", "round", "members"))
        if what == "begin":
            answer = json.dumps(self._begin()).encode()
        else:
            before = self.members or {*members}
            if number <= self.round or not {self.public} < {*members} <= before:
                said = "another fit began, or a round does not follow the last one; begin again"
                raise InputError(said)
            self.round, self.members = number, {*members}
            answer = self._masked(getattr(self, f"_sum_{what}")(**message["about"]))
        self.sent += len(answer)
        if self.sent > self.most:
            raise InputError(f"{self.most:,} bytes may leave the shop, and this would be more")
        if self.log is not None:
            told = {"round": number, "what": what, "sums": len(answer) // 8 if number else 0}
            append_lines(Path(self.log), [told | {"bytes": len(answer)}])
        return answer

    def _begin(self) -> dict[str, Any]:
        """Begin anew, with another key; tell what the features are, and how many rows there are."""
        self._private, self.round, self.members = secrets.randbits(256), 0, set[str]()
        self.public = f"{pow(2, self._private, PRIME):x}"
        digest = hashlib.sha256(json.dumps([__version__, self.codes]).encode()).hexdigest()
        told = {"public": self.public, "rows": len(self.y), "customers": self.people}
        return told | {"codes": self.codes, "stated": self.stated, "digest": digest}

    def _masked(self, found: np.ndarray) -> bytes:
        """Return sums with a mask for each of the others, who takes off what this one adds."""
        total = to_fixed(found, len(self.members))
        asked = f"{self.round} {' '.join(sorted(self.members))}".encode()
        for other in self.members - {self.public}:
            drawn = hashlib.shake_256(agreed_key(other, self._private) + asked)
            mask = np.frombuffer(drawn.digest(total.nbytes), dtype="<u8")
            total = total + mask if self.public < other else total - mask
        return total.astype("<u8").tobytes()

    def _sum_moments(self, shift: Any, unit: Any, power: int, n: int) -> np.ndarray:
        """Of each column: values, their sum, shifted and in a unit, over n, and of a power."""
        columns = self.X[[code["name"] for code in self.codes]]
        z = (columns.to_numpy(float, na_value=np.nan) - shift) / unit
        sums = np.nansum(z, axis=0) / n, np.nansum(np.abs(z) ** power, axis=0) / n
        return np.concatenate([(~np.isnan(z)).sum(axis=0), *sums])

    def _sum_newton(self, codes: Sequence[Any], theta: Sequence[float]) -> np.ndarray:
        """Rows, responses, log-loss at θ; its gradient and Hessian, customers' scores squared."""
        if self.encoded != (encoded := json.dumps(codes)):
            encoder = inputs.Encoder(tuple(inputs.ColumnCode(**code) for code in codes))
            with inputs.unseen_expected():
                self.rows, self.encoded = encoder.transform(self.X), encoded
        ones = np.ones(len(self.y))
        problem = solvers.Problem(solvers.Data(self.rows, self.y, ones), 0.0)
        point = problem.evaluate(np.array(theta))
        residual = (1 / (1 + np.exp(-point.linear)) - self.y)[:, None]
        scores = np.column_stack([self.rows, ones]) * residual
        summed = pd.DataFrame(scores).groupby(self.who).sum().to_numpy()
        squares = problem.hessian(point.linear), summed.T @ summed
        return np.hstack([len(ones), self.y.sum(), point.value, point.gradient, np.ravel(squares)])


class RemoteShop:
    """A shop elsewhere, where ``promolab federate --share`` answers.

    Parameters
    ----------
    address : str
        Such as ``https://shop.example``, or ``127.0.0.1:8000`` for plain HTTP.
    token : str
        What the shop asks for.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address if address.startswith("http") else f"http://{address}"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        # Past any proxy: the token is for the shop alone.
        self._open = build_opener(ProxyHandler({})).open

    def __call__(self, message: Mapping[str, Any]) -> bytes:
        """Hand a message on; what the shop refuses is an input error."""
        url, body = f"{self.address.rstrip('/')}/federate", json.dumps(message).encode()
        try:
            return bytes(self._open(Request(url, body, self._headers), timeout=WAIT).read())
        except HTTPError as error:
            if error.code >= 500:
                raise
            said = error.read().decode(errors="replace")
            told = json.loads(said)["detail"] if said.startswith("{") else error.reason
            raise InputError(f"{self.address} says: {told}") from None


class ShopLeft(Exception):  # noqa: N818
    """A shop did not answer a round, of which nothing can be read."""


class Federation:
    """Asks shops round by round.

    Parameters
    ----------
    shops : sequence of callable
        Each answers messages as a `FederatedShop` does.
    least : int
        Customers that each must have.
    """

    def __init__(self, shops: Sequence[Shop], least: int) -> None:
        self.shops, self.round, self.left = dict[str, tuple[str, Shop, Any]](), 0, list[str]()
        for number, shop in enumerate(shops, 1):
            label = getattr(shop, "address", f"shop {number}")
            try:
                told = json.loads(shop({"what": "begin"}))
            except (OSError, HTTPException, json.JSONDecodeError) as error:
                raise InputError(f"{label} does not answer ({error}); is it started?") from None
            first = next(iter(self.shops.values()), (label, shop, told))[2]
            if told["customers"] < least:
                raise InputError(f"{label} has {told['customers']:,} customers; expected {least:,}")
            if told["digest"] != first["digest"]:
                both = first["codes"] + told["codes"]
                names = ", ".join(sorted({code["name"] for code in both if both.count(code) < 2}))
                said = f"{label} has other features than the first shop ({names or 'version'})"
                raise InputError(f"{said}: give all the same columns, or like= the same model")
            self.shops[told["public"]] = label, shop, told
        if len(self.shops) < 2:
            raise InputError("one shop alone has no other to hide its sums: give two or more")

    def ask(self, what: str, *, again: bool = True, **about: Any) -> np.ndarray:
        """Return sums over all shops that are there.

        Raises
        ------
        ShopLeft
            One did not answer, and the same is not to be asked ``again``.
        """

        def answer(shop: tuple[str, Shop, Any]) -> Any:
            try:
                return np.frombuffer(shop[1](message), dtype="<u8")
            except (OSError, HTTPException):
                return None

        while True:
            self.round, self.about = self.round + 1, about
            message = {"round": self.round, "members": [*self.shops], "what": what, "about": about}
            with ThreadPoolExecutor(len(self.shops)) as pool:
                found = dict(zip(self.shops, pool.map(answer, self.shops.values()), strict=True))
            gone = [self.shops.pop(name)[0] for name, sums in found.items() if sums is None]
            self.left += [f"{label} in round {self.round}" for label in gone]
            if not gone:
                total = np.sum([*found.values()], axis=0, dtype=np.uint64)
                return np.asarray(total.view(np.int64) / FRACTION)
            if len(self.shops) < 2:
                raise InputError(f"{', '.join(self.left)} did not answer; too few are left")
            if not again:
                raise ShopLeft

    def codes(self) -> list[dict[str, Any]]:
        """Return how columns are encoded: as stated, or by means and spreads of all rows."""
        codes, stated = map(next(iter(self.shops.values()))[2].get, ("codes", "stated"))
        if stated:
            return list(codes)
        n, shift, unit = self.total("rows"), np.zeros(k := len(codes)), np.ones(k)
        for power in (1, 1, 2):  # a mean; a unit of what is around it; a finer mean, a variance
            found = self.ask("moments", shift=shift.tolist(), unit=unit.tolist(), power=power, n=n)
            there, mean, size = found.reshape(3, k)
            mean, size = mean * n / there.clip(min=1), size * n / there.clip(min=1)
            variance, shift = (size - mean**2) * unit**2, shift + mean * unit
            unit = unit * np.where(size > 0, size, 1.0)
        q, varies = 1 - there / self.total("rows"), variance > 1e-18 * shift**2  # less is rounding
        table = pd.DataFrame({"missing_share": q, "median": shift, "mean": shift})
        table["sd"] = np.where(varies, np.sqrt(variance.clip(min=0) * (1 - q)), 0.0)
        table["dropped"] = np.where(varies | (q > 0) & (q < 1), "", "constant")
        table["low"], table["high"] = -inputs.LIMIT, inputs.LIMIT
        return [old | new for old, new in zip(codes, table.to_dict("records"), strict=True)]

    def total(self, what: str) -> int:
        """Return how many rows or customers the shops have that are there."""
        return sum(told[what] for _, _, told in self.shops.values())


@dataclass(frozen=True)
class Summed(solvers.Problem):
    """The objective over all shops: a point's ``linear`` is its Hessian, which came with it."""

    ask: Callable[..., np.ndarray]

    def evaluate(self, theta: np.ndarray) -> solvers.Point:
        """Ask for the sums at θ."""
        size, found = len(theta), self.ask(theta=theta.tolist())
        value, slope = float(found[2] + self.penalty @ theta**2 / 2), self.penalty * theta
        hessian = found[3 + size :][: size**2].reshape(size, size)
        return solvers.Point(value, found[3:][:size] + slope, hessian + np.diag(self.penalty))

    def hessian(self, linear: np.ndarray) -> np.ndarray:
        """Return what came."""
        return linear


def federated_fit(shops: Sequence[Shop], *, l2: float = 30.0, least: int = LEAST) -> ResponseModel:
    r"""Fit the logistic response model of all shops' rows; no row leaves its shop.

    Newton's method on :math:`\sum_k g_k(\theta)` and :math:`\sum_k H_k(\theta)`, the gradients and
    Hessians of shops k: the same optimum, to rounding, as of all rows in one place, and the same
    standard errors, customers of different shops being different ones. Each sum is a fixed point
    number (multiples of 2⁻³⁶, modulo 2⁶⁴) to which shop k adds masks m_kj = −m_jk, one for every
    other shop j of the round, drawn by SHAKE-256 from a key that only k and j know (Bonawitz et al.
    2017, without their recovery of who drops out): they cancel in the total alone.

    Parameters
    ----------
    shops : sequence of FederatedShop or RemoteShop
        Two or more; or whatever answers messages as they do.
    l2 : float
        Penalty, as of ``ResponseModel(l2=…)``.
    least : int
        Customers that each shop must say that it has.

    Returns
    -------
    ResponseModel
        It predicts, tells its coefficients and is saved like any other. Without ``like=`` its
        numbers are standardised by means and spreads of all rows, a missing one is the mean, and
        none is bent: it equals ``ResponseModel(l2=…)`` of all rows where that bends and fills none.

    Raises
    ------
    InputError
        Fewer than two shops, one that is too small, does not answer at the start or has other
        features, a sum that overflows, or no optimum.

    Warns
    -----
    UserWarning
        A shop left. A round that it did not answer is asked again of the others, and counts
        nothing of it; how columns are encoded stays as agreed before.

    Notes
    -----
    *Protected:* who asks follows the protocol but looks at all it gets, and learns totals, never
    those of one shop. *Not protected:* of two shops, either knows the other's sums by taking its
    own off the total; so do all but one shop together with who asks. Who asks and cheats can make
    up shops, or ask the same of fewer, and so read one shop's sums; the log tells what was asked.
    Nor does the model itself hide that somebody was in (`promolab.trust` has noise for that).
    A late answer of a shop that was left out must not be subtracted: it is not listened to, and
    the fit goes on from other coefficients than those that it was asked about.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": np.arange(400) % 7, "visits": np.arange(400) % 11})
    >>> y = ((X["orders"] + X["visits"]) % 3 == 0).astype(int)
    >>> shops = [FederatedShop(X[part], y[part]) for part in (slice(0, 150), slice(150, 400))]
    >>> together, central = federated_fit(shops), ResponseModel().fit(X, y)
    >>> np.allclose(together.predict_proba(X), central.predict_proba(X), rtol=0, atol=1e-8)
    True
    """
    model = ResponseModel(l2=l2)
    with single_threaded("blas"):
        federation = Federation(shops, least)
        codes = federation.codes()
        encoder = inputs.Encoder(tuple(inputs.ColumnCode(**code) for code in codes))
        theta = -np.eye(size := len(encoder.names) + 1)[-1]  # a chance of 27 % for everybody
        ask = partial(federation.ask, "newton", again=False, codes=codes)
        weight = np.array([float(federation.total("rows"))])
        problem = Summed(solvers.Data(np.empty((0, size - 1)), np.empty(0), weight), l2, ask)
        found = None
        while found is None:
            try:
                theta, info = solvers.minimise(problem, theta, TOLERANCE / weight[0])
                found = ask(theta=theta.tolist())
            except ShopLeft:  # from another point, of which no late answer can be subtracted
                theta = np.array(federation.about["theta"]) / 2
    solvers.require_optimum(info, "logistic regression", l2)
    hessian, squares = found[3 + size :].reshape(2, size, size)
    inverse = solvers.solver(hessian + np.diag(problem.penalty))
    theta = theta - inverse(found[3:][:size] + problem.penalty * theta)  # all that is left to gain
    people = federation.total("customers")
    factor = solvers.small_sample_factor(people, int(found[0]), size)
    errors = np.sqrt(np.diag(inverse(inverse(squares).T))[:-1] * factor)
    told = {"encoder": encoder, "l1": 0.0, "l2": l2, "info": info, "standard_errors": errors}
    learner = learners.make_learner("logistic", {"l2": l2})
    learner.restore(told | {"weights": theta[:-1].copy(), "intercept": float(theta[-1])})
    made: Any = {"learners_": [learner], "calibrators_": [], "single_": True, "n_": int(found[0])}
    made |= {"outcomes_": ("response",), "positives_": int(found[1]), "clusters_": people}
    made |= {"feature_names_in_": np.array(encoder.columns, dtype=object), "classes_": np.arange(2)}
    model.__dict__.update(made, n_features_in_=len(codes))
    model._expose()
    if federation.left:
        warnings.warn(f"{', '.join(federation.left)} left: the model is of others", stacklevel=2)
    return model
