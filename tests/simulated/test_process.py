"""The customer with a memory: its tables, its draws, and the same as an environment."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from promolab.adaptive import exact_plan
from promolab.simulated import CustomerProcess, World
from tests.refused import refused

PROCESS = CustomerProcess()


class Weeks(gymnasium.Env[np.ndarray, np.int64]):
    """A customer's weeks as gymnasium has them."""

    def __init__(self, process: CustomerProcess) -> None:
        self.process = process
        self.states = process.states[["stock", "fatigue", "reference"]].to_numpy(np.float32)
        self.observation_space = gymnasium.spaces.Box(self.states.min(0), self.states.max(0))
        self.action_space = gymnasium.spaces.Discrete(len(process.actions))

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = self.np_random.choice(len(self.process.start), 1, p=self.process.start)
        return self.states[self.state[0]].copy(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        drawn = self.process.step(self.state, np.array([action]), self.np_random)
        self.state, reward = drawn
        gone = bool(self.process.states["gone"].iloc[self.state[0]])
        return self.states[self.state[0]].copy(), float(reward[0]), gone, False, {}


def test_the_process_passes_gymnasiums_check_and_earns_there_what_is_worked_out():
    check_env(Weeks(PROCESS), skip_render_check=True)
    short = CustomerProcess(levels=2)
    found, env = [], Weeks(short)
    env.reset(seed=0)
    for _ in range(100):
        (_, _), total, worth, gone = env.reset(), 0.0, 1.0, False
        while not gone and worth > 1e-2:
            _, reward, gone, _, _ = env.step(0)
            total, worth = total + worth * reward, worth * 0.8
        found.append(total)
    exact = exact_plan(short, 0.8, plan=["none"] * 9).value
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / 10


def test_each_weeks_outcomes_are_those_of_the_formulas():
    """A state and an action worked out by hand, between levels in all three parts."""
    at = PROCESS.states.query("stock == 1 and 0.3 < fatigue < 0.4 and 0.09 < reference < 0.11")
    state, action = at.index[0], 2  # contacted, 15 % off
    buys = 1 / (1 + np.exp(0.4 - 17 * (0.15 - 0.3 * 0.1) - 1.7 * (2 / 3) + 0.6))
    reward = buys * 1.45 * (12 - 30 * 0.15) - 0.3
    assert PROCESS.rewards[state, action] == pytest.approx(reward)
    row = PROCESS.transitions[[state * 4 + action]].toarray()[0]
    leaves = 0.01 + 0.06 / 9
    assert row[-1] == pytest.approx(leaves)
    stay = row[:-1] @ PROCESS.states.iloc[:-1, :3].to_numpy() / (1 - leaves)
    assert stay == pytest.approx([1.45 * buys, 2 / 3, 0.125])


def test_rows_sum_to_one_and_who_is_gone_stays_gone_and_earns_nothing():
    for process in (PROCESS, CustomerProcess(3, (0.1, 0.2, 0.25, 0.4))):
        assert np.allclose(process.transitions.sum(axis=1), 1)
        actions = len(process.actions)
        last = process.transitions[-actions:].toarray()
        assert (last[:, -1] == 1).all() and (process.rewards[-1] == 0).all()
        assert process.start[-1] == 0 and process.start.sum() == pytest.approx(1)


def test_draws_agree_with_the_tables():
    rng, n = np.random.default_rng(0), 20_000
    for state, action in ((5, 2), (40, 1), (63, 3)):
        after, reward = PROCESS.step(np.full(n, state), np.full(n, action), rng)
        chances = PROCESS.transitions[[state * 4 + action]].toarray()[0]
        shares = np.bincount(after, minlength=65) / n
        assert (np.abs(shares - chances) <= 4.5 * np.sqrt(chances * (1 - chances) / n)).all()
        assert abs(reward.mean() - PROCESS.rewards[state, action]) < 4 * reward.std() / n**0.5


def test_a_log_holds_each_customers_weeks_until_they_leave():
    log = PROCESS.log(300, 12, [0.55, 0.15, 0.15, 0.15], seed=3)
    assert log.equals(PROCESS.log(300, 12, [0.55, 0.15, 0.15, 0.15], seed=3))
    by = log.groupby("customer_id")
    weeks = by["week"].agg(["min", "max", "size"])
    assert len(by) == 300 and (weeks["min"] == 0).all()
    assert (weeks["max"] == weeks["size"] - 1).all()
    assert ((weeks["max"] < 11) <= by["gone"].last()).all() and log["gone"].sum() > 10
    assert set(log.groupby("action")["propensity"].unique().explode()) == {0.55, 0.15}
    assert abs((log["action"] == "none").mean() - 0.55) < 0.05


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: CustomerProcess(levels=1), "levels = 1"),
        (lambda: CustomerProcess(depths=(15,)), "depths = 15; expected a share"),
        (lambda: PROCESS.log(chances=[0.5, 0.5]), "4 chances of 0 or more, or so many per state"),
        (lambda: PROCESS.log(chances=[0.5, 0.5, 0.5, 0.5]), "chances that sum to 1"),
        (lambda: PROCESS.log(weeks=0), "weeks = 0"),
        (lambda: World(variant="dynamic"), "no shop but a process: .*CustomerProcess"),
    ],
)
def test_what_is_no_process_is_said(call, sentence):
    refused(sentence, call)
