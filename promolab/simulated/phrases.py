"""What the world's customers write: sentences on planted topics, in Chinese and English."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from promolab.simulated.keyed import Keyed
from promolab.simulated.people import Customers
from promolab.simulated.world import World
from promolab.wording import word_lists

TOPICS = ("delivery", "size", "quality", "price")
MENTIONED = (0.18, 0.08, 0.25, 0.15)
"""How often a review speaks of each; of a price that was not as promised only with three stars or
less."""
PLANTED = {"limited_time_discount": ("delivery", 0.40), "full_reduction": ("price", 0.70)}
"""Kinds of promotions whose reviews speak more often of a topic; of none where none has effects."""
GROWING = 0.30
"""How often they speak of size in the last four of each twelve weeks."""
STARLESS, OPPOSITE, SILENT = 0.25, 0.03, 0.3
"""Shares of the reviews without stars, with words that say the opposite of their stars; of openings
and of closings left out."""
_WORDS, WEEK = 21, 7 * 86_400


@functools.cache
def _phrases(language: str, part: str, tone: str) -> np.ndarray:
    lists = word_lists(Path(__file__).with_name("phrases.csv"))
    return np.array([w.replace("_", " ") for w in lists[language, part, tone]], dtype=object)


def review_words(
    world: World, customers: Customers, found: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return texts, which of `TOPICS` each speaks of, shape (n, 4), and whether it has stars.

    A review's words hang on itself alone, and move no other random number.

    Parameters
    ----------
    found : mapping
        owner, product, second, rating, promotion of each review, as they are drawn.
    """
    owner, second, rating = found["owner"], found["second"], found["rating"]
    product, promotion = found["product"], found["promotion"]
    n, number = len(owner), customers.number[owner]
    draw = Keyed(world.seed, _WORDS, 1).of(number, second, product)
    kinds = np.array([p.kind for p in world.promotions] + ["none"], dtype=object)[promotion]
    chance = np.tile(MENTIONED, (n, 1))
    for kind, (topic, share) in PLANTED.items() if world.effect_scale else ():
        chance[kinds == kind, TOPICS.index(topic)] = share
    chance[second // WEEK % 12 >= 8, TOPICS.index("size")] = GROWING
    chance[rating > 3, TOPICS.index("price")] = 0.0
    on = draw.uniform(size=(n, len(TOPICS))) < chance
    starred = draw.uniform(size=n) >= STARLESS
    seems = np.where(draw.uniform(size=n) < OPPOSITE, 6 - rating, rating)
    tone = np.select([seems <= 2, seems == 3], ["bad", "fair"], "good")
    harsh = np.where(seems == 3, draw.uniform(size=n) < 0.5, seems <= 2)
    chinese = Keyed(world.seed, _WORDS, 2).of(number).uniform(size=n) < 0.5
    parts = []
    for part in ("opening", *TOPICS, "closing"):
        which, kept = draw.uniform(size=n), draw.uniform(size=n) >= SILENT
        kept = on[:, TOPICS.index(part)] if part in TOPICS else kept
        said = np.full(n, "", dtype=object)
        for language in ("zh", "en"):
            for each in ("bad", "fair", "good"):
                tones = np.where(harsh, "bad", "good") if part in TOPICS else tone
                tones = np.full(n, "bad") if part == "price" else tones
                mine = np.nonzero(kept & (chinese == (language == "zh")) & (tones == each))[0]
                if len(mine):
                    phrases = _phrases(language, part, each)
                    said[mine] = phrases[(which[mine] * len(phrases)).astype(int)]
        parts.append(said)
    told = [[phrase for phrase in row if phrase] for row in zip(*parts, strict=True)]
    marks = [("，", "。") if zh else (", ", ".") for zh in chinese]
    bare = np.where(chinese, "好的", "Well")
    texts = [(m[0].join(t) or b) + m[1] for t, m, b in zip(told, marks, bare, strict=True)]
    return np.array([t[:1].upper() + t[1:] for t in texts], dtype=object), on, starred
