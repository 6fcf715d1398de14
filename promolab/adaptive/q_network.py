"""What each action is worth in each state, by a network: fitted Q iteration, plain or cautious."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from promolab.adaptive.counting import Model
from promolab.model.neural import one_thread

HIDDEN = 64
"""Units of each of the two layers."""
STEPS, BATCH = 40, 4_096
"""Steps of the optimiser in a sweep, and pairs in a step."""
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-4
WINDOW = 10
"""Sweeps over which the plan must have stood still."""


class QNetwork(torch.nn.Module):
    """A dueling network (Wang et al. 2016): the state's worth, and each action's beside the mean.

    Parameters
    ----------
    columns, actions : int
    """

    def __init__(self, columns: int, actions: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(columns, HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN, HIDDEN),
            torch.nn.ReLU(),
        )
        self.worth, self.ahead = torch.nn.Linear(HIDDEN, 1), torch.nn.Linear(HIDDEN, actions)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return a value per action, shape (n, K)."""
        found = self.body(states)
        ahead = self.ahead(found)
        return torch.as_tensor(self.worth(found) + ahead - ahead.mean(dim=1, keepdim=True))


@dataclass(frozen=True)
class FittedNetwork:
    """A network that was fitted, and how that went.

    Parameters
    ----------
    network : QNetwork
        Of states less ``centre``, over ``scale``; its values are of centred rewards, over ``unit``.
    centre, scale : ndarray of shape (columns,)
    unit : float
    curves : DataFrame
        ``sweep, loss, drift, moved`` (`fit_network`).
    """

    network: QNetwork
    centre: np.ndarray
    scale: np.ndarray
    unit: float
    curves: pd.DataFrame

    def values(self, states: np.ndarray) -> np.ndarray:
        """Return what actions are worth beside each other, in the reward's unit, shape (n, K)."""
        return self.unit * _values(self.network, _tensor((states - self.centre) / self.scale))


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)


def _values(network: QNetwork, inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad(), one_thread():
        return np.concatenate([network(part).numpy() for part in inputs.split(65_536)])


def fit_network(
    model: Model,
    states: np.ndarray,
    discount: float,
    *,
    alpha: float,
    price: float,
    sweeps: int,
    seed: int,
) -> FittedNetwork:
    r"""Fit the network in sweeps, each towards what the sweep before makes of the next week.

    In a sweep the target of a pair of state and action is the mean of
    :math:`r - \bar r + \gamma Q'(s', \arg\max_a Q(s', a))` over its rows: Q chooses, and Q', the
    network of the sweep before, values (double Q-learning, van Hasselt et al. 2016). Rewards are
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
        Its curves tell of each sweep the loss; ``drift``, how far the best action's lead
        over the mean of all moved in `WINDOW` sweeps, in standard deviations of the reward; and
        ``moved``, the share of the rows whose best action changed in them.
    """
    per_pair = model.weight / model.weight.sum()
    reward = model.reward - price * np.tile(model.contact, model.states)
    mean = float(per_pair @ reward)
    unit = float(
        np.sqrt(max(per_pair @ model.squared - float(per_pair @ model.reward) ** 2, 1e-12))
    )
    stays = np.asarray(model.following.sum(axis=1))
    base = (reward - mean) / unit - (1 - stays) * discount * mean / unit / (1 - discount)
    centre, scale = states.mean(axis=0), np.maximum(states.std(axis=0), 1e-12)
    inputs = _tensor((states - centre) / scale)
    seen = np.flatnonzero(model.rows)
    generator, draw = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    network = QNetwork(inputs.shape[1], model.actions)
    with torch.no_grad():
        for weight in network.parameters():
            bound = 1 / math.sqrt(weight.shape[-1])
            weight.uniform_(-bound, bound, generator=generator)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, sweeps, LEARNING_RATE / 20)
    pairs, weights = torch.as_tensor(seen), _tensor(model.rows[seen] / model.rows.sum())
    before = copy.deepcopy(network)
    told: list[tuple[int, float, float, float]] = []
    history: list[tuple[np.ndarray, np.ndarray]] = []
    with one_thread():
        for sweep in range(1, sweeps + 1):
            q = _values(network, inputs)
            action = model.best(q)
            value = _values(before, inputs)[model.code, action]
            target = _tensor((base + discount * (model.following @ value))[seen])
            before.load_state_dict(network.state_dict())
            for _ in range(STEPS):
                loss = _step(network, optimiser, inputs, pairs, weights, target, alpha, draw)
            schedule.step()
            own = q[model.code, action] - q[model.code].mean(axis=1)
            history = [*history[-WINDOW:], (own, action)]
            then, choice = history[0]
            drift, moved = (
                float(np.average(part, weights=model.visits))
                for part in (np.abs(own - then), action != choice)
            )
            told.append((sweep, loss, drift, moved))
    curves = pd.DataFrame(told, columns=["sweep", "loss", "drift", "moved"])
    return FittedNetwork(network, centre, scale, unit, curves)


def _step(
    network: QNetwork,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    pairs: torch.Tensor,
    weights: torch.Tensor,
    target: torch.Tensor,
    alpha: float,
    draw: np.random.Generator,
) -> float:
    """Take one step on all pairs, or on some drawn by chance where they are many."""
    actions = network.ahead.out_features
    if len(pairs) > BATCH:
        drawn = torch.as_tensor(draw.integers(len(pairs), size=BATCH))
        pairs, target, weights = pairs[drawn], target[drawn], weights[drawn] / weights[drawn].sum()
        all_values = network(inputs[pairs // actions])
    else:
        all_values = network(inputs)[pairs // actions]
    value = all_values.gather(1, (pairs % actions)[:, None])[:, 0]
    held_down = torch.logsumexp(all_values, dim=1) - value
    loss = weights @ ((value - target) ** 2 + alpha * held_down)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())
