"""What products of the variants ``media`` look like and callers sound like, and who likes which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from promolab.simulated.effects import usual_orders
from promolab.simulated.keyed import Keyed
from promolab.simulated.people import Customers, Goods
from promolab.simulated.world import World

SHOWN = ("media", "media_null")
STYLES = {"rustic": (150, 100, 50), "modern": (60, 90, 170), "playful": (220, 80, 150)}
"""Words of titles and colours of pictures; no other column tells a product's style."""
LATE, NEW = 6, 8
"""Every sixth product is sold in the last eight weeks alone."""
TASTE = 0.6
"""Share of lines that are of the customer's own style; of ``media_null`` none are."""
TONES, RATE, HUSH, LOUD = (400, 1_600), 8_000, 0.1, 0.2  # of a voice; spread of what says nothing
_SHOWN = 31


def _style(world: World, purpose: int, number: np.ndarray) -> np.ndarray:
    return Keyed(world.seed, _SHOWN, purpose).of(number).integers(0, len(STYLES), len(number))


def to_taste(world: World, customers: Customers, goods: Goods, line: Any, rng: Any) -> np.ndarray:
    """Return the lines' products (owner, week, product): on sale, and mostly to the owner's taste.

    Each remains in its category. In other variants nothing changes, nor is anything drawn.
    """
    owner, week, product = line
    if world.variant not in SHOWN:
        return np.asarray(product)
    number, product = np.arange(len(goods.price)), product.copy()
    style, late = _style(world, 1, number), number % LATE == 0
    over, u = week >= world.weeks - NEW, rng.uniform(size=(len(owner), 2))
    taste = _style(world, 2, customers.number)[owner]
    wanted = np.where(u[:, 0] < TASTE * (world.variant == "media"), taste, -1)
    category, again = goods.category[product], (wanted >= 0) | (late[product] & ~over)
    for kind, new in np.ndindex(len(STYLES) + 1, 2):
        mine = again & (wanted == kind - 1) & (over == bool(new))
        weight = goods.popularity * ((style == kind - 1) | (kind == 0)) * (~late | bool(new))
        ends = np.cumsum(weight / np.bincount(goods.category, weight)[goods.category])
        product[mine] = np.searchsorted(ends, category[mine] + u[mine, 1] * (1 - 1e-9))
    return np.asarray(product)


def write_pictures(world: World, folder: Path, goods: Goods) -> dict[str, list[str]]:
    """Write a picture of each product; return the columns title and image."""
    from PIL import Image

    (folder / "images").mkdir(exist_ok=True)
    number = np.arange(len(goods.price))
    style, rng = _style(world, 1, number), np.random.default_rng([world.seed, _SHOWN])
    names, colours = list(STYLES), np.array(list(STYLES.values()))[style]
    seen = colours[:, None, None] + rng.integers(-60, 60, (len(number), 24, 24, 3))
    paths = [f"images/{n + 1}.png" for n in number]
    for path, pixels in zip(paths, seen.clip(0, 255).astype(np.uint8), strict=True):
        Image.fromarray(pixels).save(folder / path)
    return {"title": [f"{names[style[n]]} {n % 60 + 1}" for n in number], "image": paths}


def write_calls(world: World, folder: Path, customers: Customers) -> dict[str, Any]:
    """Write a short call of each customer; return the table ``questions``, its times in seconds.

    How bright a voice is tells, of the variant ``media``, how many orders a week are expected of
    the customer with a promotion; of ``media_null`` it tells nothing. Loudness never does.
    """
    from scipy.io import wavfile

    (folder / "calls").mkdir(exist_ok=True)
    rng, n = Keyed(world.seed, _SHOWN, 3).of(who := customers.number), len(customers.number)
    own = rng.normal(size=n)
    if world.variant == "media":
        told = np.log(customers.rate + usual_orders(world, customers).mean(axis=1))
        own = (told - told.mean()) / told.std() + HUSH * own
    level = np.exp(np.outer(own.clip(-3, 3), [-0.5, 0.5]) + rng.normal(0, LOUD, (n, 1)))
    tone = np.sin(2 * np.pi * np.outer(TONES, np.arange(RATE // 10) / RATE))
    heard = level @ tone + np.random.default_rng(_SHOWN).normal(0, 0.05, RATE // 10)
    paths = [f"calls/{each}.wav" for each in who]
    for path, wave in zip(paths, (heard * 1_500).clip(-32_767, 32_767), strict=True):
        wavfile.write(folder / path, RATE, wave.astype(np.int16))
    second = rng.integers(0, (NEW - 2) * 7 * 86_400, n)
    return {"customer_id": who, "ts": second, "text": ["Where is it?"] * n, "sound": paths}
