"""What each action is worth in each state, by a network: fitted Q iteration, plain or cautious."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from promolab.adaptive.counting import Model
from promolab.model.neural import Perceptron, one_thread

HIDDEN = (64, 64)
"""Units of the layers."""
STEPS, BATCH = 40, 4_096
"""Steps of the optimiser in a sweep, and pairs in a step."""
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-4
WINDOW, TIE = 10, 0.05
"""Sweeps over which the plan must have stood still, and by how much, in standard deviations of the
reward, an action must fall behind to have lost its place."""


@dataclass(frozen=True)
class FittedNetwork:
    """A network that was fitted, and how that went.

    Parameters
    ----------
    network : Perceptron
        Of states less ``centre``, over ``scale``; its values are of centred rewards, over ``unit``.
    centre, scale : ndarray of shape (columns,)
    unit : float
    curves : DataFrame
        ``sweep, loss, drift, moved`` (`fit_network`).
    """

    network: Perceptron
    centre: np.ndarray
    scale: np.ndarray
    unit: float
    curves: pd.DataFrame

    def values(self, states: np.ndarray) -> np.ndarray:
        """Return what actions are worth beside each other, in the reward's unit, shape (n, K)."""
        with torch.no_grad(), one_thread():
            return np.asarray(self.unit * dueling(self.network, self.inputs(states)).numpy())

    def inputs(self, states: np.ndarray) -> torch.Tensor:
        """Return states as the network takes them."""
        return _tensor((states - self.centre) / self.scale)


def dueling(network: Perceptron, inputs: torch.Tensor) -> torch.Tensor:
    """Return values (n, K): the state's worth, and how far each action is ahead of their mean."""
    outputs = network(inputs)
    return outputs[:, :1] + outputs[:, 1:] - outputs[:, 1:].mean(dim=1, keepdim=True)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)


def fit_network(
    model: Model,
    states: np.ndarray,
    discount: float,
    alpha: float,
    price: float,
    sweeps: int,
    seed: int,
) -> FittedNetwork:
    r"""Fit a dueling network (Wang et al. 2016), each sweep towards what the one before made of it.

    In a sweep the target of a pair of state and action is the mean of
    :math:`r - \bar r + \gamma Q'(s', \arg\max_a Q(s', a))` over its rows: Q chooses, and Q', that
    of the sweep before, values (double Q-learning, van Hasselt et al. 2016). Rewards are
    centred by their mean r̄ (Naik et al. 2024): who leaves has :math:`-\bar r / (1 - \gamma)`. The
    loss is the squared error plus
    :math:`\alpha (\log \sum_a e^{Q(s, a)} - Q(s, a_{\text{log}}))`, which holds down what the log
    seldom did (conservative Q-learning, Kumar et al. 2020); α is 0 for plain fitted Q iteration.

    Parameters
    ----------
    model : Model
        Of the log, by the codes of ``states``.
    states : ndarray of shape (S, columns)
    discount, alpha, price : float
    sweeps, seed : int

    Returns
    -------
    FittedNetwork
        Its curves tell of each sweep the loss; ``drift``, how far the best action's lead over
        the mean of all moved in `WINDOW` sweeps, in standard deviations of the reward; and
        ``moved``, the share of the rows whose best action then is behind now.
    """
    share = model.weight / model.weight.sum()
    reward = model.reward - price * np.tile(model.contact, model.states)
    mean, unit = float(share @ reward), float(share @ model.squared) ** 0.5 or 1.0
    leaves = 1 - model.following.sum(axis=1)
    base = (reward - mean) / unit - leaves * discount * mean / unit / (1 - discount)
    generator, draw = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    sizes, start = (states.shape[1], *HIDDEN, 1 + model.actions), np.zeros(1 + model.actions)
    network, told = Perceptron(sizes, start, generator), []
    scale = np.maximum(states.std(axis=0), 1e-12)
    fitted = FittedNetwork(network, states.mean(axis=0), scale, unit, pd.DataFrame())
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, sweeps, LEARNING_RATE / 20)
    inputs, pairs = fitted.inputs(states), np.flatnonzero(model.rows)
    row, action = (torch.as_tensor(part) for part in divmod(pairs, model.actions))
    weight = _tensor(model.rows[pairs] / model.rows.sum())
    before = fitted.values(states) / unit
    history: list[tuple[np.ndarray, np.ndarray]] = []
    for sweep in range(1, sweeps + 1):
        q = fitted.values(states) / unit
        best = model.best(q)
        value = before[model.code, best]
        target, before = _tensor((base + discount * (model.following @ value))[pairs]), q
        lead = q[model.code, best] - q[model.code].mean(axis=1)
        history = [*history[-WINDOW:], (lead, best)]
        drift = np.average(np.abs(lead - history[0][0]), weights=model.visits)
        behind = q[model.code, best] - q[model.code, history[0][1]]
        moved = np.average(behind > TIE, weights=model.visits)
        with one_thread():
            for _ in range(STEPS):
                some: Any = slice(None)
                if len(pairs) > BATCH:
                    some = torch.as_tensor(draw.integers(len(pairs), size=BATCH))
                    q_there = dueling(network, inputs[row[some]])
                else:
                    q_there = dueling(network, inputs)[row]
                taken = q_there.gather(1, action[some][:, None])[:, 0]
                held_down = torch.logsumexp(q_there, dim=1) - taken
                losses = (taken - target[some]) ** 2 + alpha * held_down
                loss = weight[some] @ losses / weight[some].sum()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        schedule.step()
        told.append((sweep, float(loss.detach()), float(drift), float(moved)))
    curves = pd.DataFrame(told, columns=["sweep", "loss", "drift", "moved"])
    return dataclasses.replace(fitted, curves=curves)
