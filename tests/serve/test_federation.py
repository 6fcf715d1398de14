"""``promolab federate``: shops over HTTP, one of which is killed, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab import cli
from promolab.folder import open_run
from promolab.model import ResponseModel
from promolab.model.solvers import fit_logistic
from promolab.trust import FederatedShop, RemoteShop, federated_fit
from tests.serve.conftest import listening
from tests.trust.test_federated import Watched

web = pytest.importorskip("promolab.serve.web", reason="the extra serve is not installed")
REPOSITORY, WEEK, KEYS = Path(__file__).parents[2], "2017-W44", ["customer_id", "promotion_id"]


def pairs_of(seed: int, customers: int = 130) -> pd.DataFrame:
    """Return a shop's pairs as step 04 writes them: skewed, with gaps and levels."""
    rng, n = np.random.default_rng(seed), 3 * customers
    ids = {"customer_id": np.arange(n) // 3, "promotion_id": np.arange(n) % 3}
    pairs = pd.DataFrame(ids | {name: rng.random(n) for name in ("orders", "amount", "recency")})
    pairs["amount"] **= -2
    pairs["kind"], pairs["label_complete"] = rng.choice(["a", "b", "c"], n), rng.random(n) < 0.95
    pairs["redeemed"] = (rng.random(n) < 0.2 + 0.3 * pairs["orders"]).astype(int)
    return pairs.assign(recency=pairs["recency"].where(rng.random(n) < 0.9))


FRAMES = [pairs_of(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A reports folder with the week of the first shop, and its model, which all have."""
    out: Path = tmp_path_factory.mktemp("federated") / "reports"
    (out / WEEK).mkdir(parents=True)
    open_run(out / WEEK, week=WEEK).write_table("pairs", FRAMES[0], by=KEYS)
    (out / WEEK / "index.html").write_text("<p>")
    told = {"status": "good", "parameters": {"week": WEEK}}
    (out / WEEK / "manifest.json").write_text(json.dumps(told))
    X = FRAMES[0][["amount", "kind", "orders", "recency"]]
    ResponseModel().fit(X, FRAMES[0]["redeemed"]).save(out / "like.safetensors")
    return out


def shop_of(pairs, folder, kind=FederatedShop, **options):
    done, like = pairs[pairs["label_complete"]], ResponseModel.load(folder / "like.safetensors")
    return kind(done, done["redeemed"], done["customer_id"], like=like, **options)


def remote(stack: ExitStack, shop: Any, token: str) -> RemoteShop:
    port = stack.enter_context(listening(web.federated(shop, token))).port
    return RemoteShop(f"http://127.0.0.1:{port}", token)


class Killed(RemoteShop):
    """A shop whose process is killed in its third round, between question and answer."""

    process: Any

    def __call__(self, message):
        if message.get("round") == 3:
            self.process.send_signal(signal.SIGSTOP)
            threading.Timer(0.2, self.process.kill).start()
        return super().__call__(message)


def test_five_shops_over_http_one_of_which_is_killed_while_a_round_runs(folder, tmp_path):
    line = [sys.executable, "-m", "promolab.cli", "federate", "--share", WEEK, "--port", "0"]
    line += ["--out", str(folder), "--like", str(folder / "like.safetensors")]
    env = os.environ | {"PYTHONPATH": str(REPOSITORY), "PROMOLAB_TOKEN": "fifth"}
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=env)
    logs = [tmp_path / f"{k}.jsonl" for k in range(4)]
    kept = [shop_of(p, folder, Watched, log=at) for p, at in zip(FRAMES[1:], logs, strict=True)]
    with ExitStack() as stack:
        shops = [remote(stack, shop, f"token {k}") for k, shop in enumerate(kept)]
        killed = Killed(process.stdout.readline().strip(), "fifth")
        killed.process = process
        with pytest.warns(UserWarning, match=f"{killed.address} in round 3 left"):
            together = federated_fit([killed, *shops])
    assert process.wait(20) == -signal.SIGKILL
    process.stdout.close()
    done = pd.concat(FRAMES[1:]).query("label_complete")
    matrix = together.encoder_.transform(done)
    w, b, _ = fit_logistic(matrix, done["redeemed"], 30.0, tol=1e-26)
    assert np.abs(together.weights_ - w).max() < 1e-11 and abs(together.intercept_ - b) < 1e-11
    assert (together.n_, together.clusters_) == (len(done), sum(one.shop.people for one in kept))
    # What left each: eight bytes a sum, so many sums a round, and nothing of a row.
    lines = [path.read_text().splitlines() for path in (*logs, folder / "federated.jsonl")]
    told, size = [[json.loads(row) for row in rows] for rows in lines], matrix.shape[1] + 1
    for rows in told:
        assert [row["what"] for row in rows] == ["begin", *["newton"] * (len(rows) - 1)]
        assert {row["sums"] for row in rows[1:]} == {3 + size + 2 * size**2}
        assert all(row["bytes"] == 8 * row["sums"] for row in rows[1:])
        most = 8 * 15 * (3 + size + 2 * size**2) + 1_000 + 400 * 4
        assert sum(row["bytes"] for row in rows) < most
    assert [row["round"] for row in told[4]] == [0, 1, 2]
    for one in kept:
        values = one.shop.X[["amount", "recency", "orders"]].to_numpy().ravel()
        written = [v.tobytes() for v in values] + [repr(v).encode() for v in values.tolist()]
        sent = b"".join(answer for _, answer in one.seen)
        assert len(sent) == one.shop.sent and not [number for number in written if number in sent]


def test_the_command_fits_with_each_shops_own_token_and_says_what_is_wrong(
    folder, tmp_path, monkeypatch, capsys
):
    def called(*line, tokens=""):
        monkeypatch.setenv("PROMOLAB_TOKEN", tokens)
        code = cli.main(["federate", *map(str, line)])
        return code, "".join(capsys.readouterr()).strip()

    shops, model = [shop_of(pairs, folder) for pairs in FRAMES[:2]], tmp_path / "model"
    with ExitStack() as stack:
        asked = [remote(stack, *each) for each in zip(shops, ("left", "right"), strict=True)]
        one, two = (shop.address for shop in asked)
        assert called(one, two, "--save", model, tokens="left,right") == (0, str(model))
        here = federated_fit([shop_of(pairs, folder) for pairs in FRAMES[:2]])
        assert (ResponseModel.load(model).weights_ == here.weights_).all()
        code, said = called(one, two, tokens="left,wrong")
        assert code == 2 and f"{two} says: give the service's token" in said
        shops[1].most = 0
        assert f"{two} says: 0 bytes may leave" in called(one, two, tokens="left,right")[1]
    share = ["--share", WEEK, "--out", folder, "--like", folder / "like.safetensors"]
    few = pairs_of(9, customers=90)
    open_run(folder / WEEK, week=WEEK).write_table("pairs", few, by=KEYS)
    for sentence, line in {
        f"{one} does not answer": [one, two],
        "give HOSTs to fit with, or --share WEEK --like MODEL": [],
        "or --share WEEK --like MODEL to": ["--share", WEEK],
        "there is no report of 2017-W45": [*share, "--share", "2017-W45"],
        "90 customers are too few to share sums: 100 may": share,
    }.items():
        code, said = called(*line)
        assert code == 2 and sentence in said and "Traceback" not in said
