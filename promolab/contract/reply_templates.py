"""The section ``[replies]`` of a ``shop.toml``: what questions are answered with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from promolab.checks import share, text
from promolab.contract.settings import Texts, by_name, section_of
from promolab.errors import InputError, nearest
from promolab.language import LANGUAGES

REPLY_PLACES = ("offer", "discount_rate", "threshold", "reduction", "ends_at")
"""What the text of a reply may name of a promotion, as ``{offer}``."""


def _in_languages(place: str, value: Any) -> dict[str, str]:
    """Return a text by language; by an empty name where it is of none."""
    if isinstance(value, str):
        return {"": text(place, value)}
    if not isinstance(value, Mapping) or not value:
        raise InputError(f'{place} = {value!r}, must be a text, or {{ en = "…", zh = "…" }}')
    return by_name(text, LANGUAGES)(place, value)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ReplyTemplate:
    """One table of ``[replies.intents]``: what is answered to questions of one kind.

    Parameters
    ----------
    text : mapping of str to str
        Language → the reply; by an empty name the only one. It names no promotion.
    examples : tuple of str
        Questions that it answers.
    offer : mapping of str to str
        Likewise, where a promotion may be named: ``{offer}`` stands for what it is called, and the
        other `REPLY_PLACES` for its terms.
    """

    text: Annotated[Mapping[str, str], _in_languages]
    examples: Texts
    offer: Annotated[Mapping[str, str], _in_languages] = field(default_factory=dict)


_TEMPLATE = 'text = "It is on its way.", examples = ["Where is my parcel?", "Not here yet"]'


def reply_template(place: str, said: Any) -> ReplyTemplate:
    """Return a template of replies, as TOML has it or as it was read before.

    Raises
    ------
    InputError
        A key is unknown or lacks, or a text names a promotion where it may not.

    Examples
    --------
    >>> reply_template("late", {"text": "Sorry!", "examples": ["Where is it?"]}).text
    {'': 'Sorry!'}
    """
    if isinstance(said, ReplyTemplate):
        return said
    read = section_of(ReplyTemplate, place, said, example=_TEMPLATE)
    for name, known in (("text", ()), ("offer", REPLY_PLACES)):
        for told in getattr(read, name).values():
            found = re.findall(r"\{(.*?)\}", told)
            if unknown := [each for each in found if each not in known]:
                hint = nearest(unknown[0], known) if known else "that belongs into offer"
                raise InputError(f"{place} {name} names {{{unknown[0]}}}; {hint}")
            if known and "offer" not in found:
                raise InputError(f"{place} offer does not name {{offer}}, the promotion; write it")
    return read


@dataclass(frozen=True)
class ReplyTerms:
    """The section ``[replies]``: what questions are answered with.

    Parameters
    ----------
    precision : float
        Share of the answered questions whose first template should be the right one.
    foreign : float
        Share of the questions that no template is for that may be answered all the same.
    intents : mapping of str to ReplyTemplate
    """

    precision: Annotated[float, partial(share, zero=False, one=False)] = 0.9
    foreign: Annotated[float, partial(share, zero=False)] = 0.1
    intents: Annotated[Mapping[str, ReplyTemplate], by_name(reply_template)] = field(
        default_factory=dict, hash=False
    )
