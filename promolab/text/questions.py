"""Which template answers a question, learned from examples of each; or none, where it is unsure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import seed_of, share, whole_number
from promolab.contract import ReplyTemplate, reply_template, toml_table
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import wilson
from promolab.text.ratings import LEVEL, share_of
from promolab.text.tokens import SIGN, key_of, masked, script_of
from promolab.threads import single_threaded

FOLDS = 5
"""Parts of the examples, and of the intents, that are held out in turn."""
LETTERS = (2, 4)
"""Letters of the pieces of words that are counted beside the words."""
PENALTY = 10.0
"""Inverse strength of the ridge penalty: as good as 30 and 100 on banking questions."""
FEWEST_INTENTS, FEWEST_EXAMPLES = 3, 2
SHOWN = 3
"""Templates among which the right one is looked for, in what is said of quality."""
_LANGUAGE = {"signs": "zh", "letters": "en"}
_BETWEEN = re.compile(rf"(?<=[{SIGN}]) (?=[{SIGN}])")
Given = Mapping[str, Any]
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class ReplyQuality(Result):
    """How many questions are answered, and how many of them rightly; found by `Replies`.

    Parameters
    ----------
    frame : DataFrame
        A row per intent: intent, examples, answered (of them, held out), right (of those).
    wanted : float
        Share of the answered that should be right.
    threshold : float
        Score from which on a question is answered; nan where none is sure enough.
    answered, right, among : Estimate
        Of examples held out, the share that is answered; of those, the share whose first template
        is the right one, and the share that has the right one among the first three.
    foreign : Estimate
        Of examples whose intent was left out, the share that is answered all the same; its interval
        is clustered by intent.
    allowed : float
        Share of them that may be.
    rule : {"precision", "foreign", ""}
        Which of the two set the threshold: below it too few answers are right, or too many foreign
        questions are answered, though enough answers would be right. Empty without one.
    """

    frame: pd.DataFrame = field(repr=False)
    wanted: float
    threshold: float
    answered: Estimate
    right: Estimate
    among: Estimate
    foreign: Estimate
    allowed: float = 0.1
    rule: str = ""

    def __bool__(self) -> bool:
        return not math.isnan(self.threshold)

    def facts(self) -> Mapping[str, Any]:
        """Return whether anything is answered, and from how many intents it was learned."""
        return {"known": bool(self), "intents": self.frame, "k": SHOWN}


@dataclass(frozen=True)
class Suggestion(Result):
    """Templates for a question, the best first, or why there are none; by `Replies.suggest`.

    Parameters
    ----------
    intents, texts : tuple of str
    scores : tuple of float
        Between 0 and 1; the first decides whether there is an answer.
    offered : tuple of bool
        Whether the text names the promotion that was given.
    why : {"", "empty", "script", "unsure"}
        Why there are none: the question has no words, is written in a script of which there are no
        examples, or its score is below the threshold.
    question : str
        With a mask for whatever may name somebody.
    """

    intents: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    offered: tuple[bool, ...] = ()
    why: str = ""
    question: str = ""

    def __bool__(self) -> bool:
        return not self.why

    def to_frame(self) -> pd.DataFrame:
        """Return a row per template: intent, score, text."""
        return pd.DataFrame({"intent": self.intents, "score": self.scores, "text": self.texts})


class Replies:
    """Templates that answer customers' questions; it never writes a text of its own.

    Parameters
    ----------
    templates : mapping of str to mapping
        Intent → ``text``, ``examples`` (questions, two or more) and, where a promotion may be
        named, ``offer``, as ``[replies.intents]`` of a ``shop.toml`` has them. A text may be a
        mapping of ``en`` and ``zh``: a question in Chinese is answered in Chinese.
    precision : float
        Share of the answered questions whose first template should be the right one.
    foreign : float
        Share of the questions that no template is for that may be answered all the same. A larger
        one answers more questions: where somebody reads what is suggested before it is sent.
    seed : int
        Deals examples and intents to the parts that are held out.

    Attributes
    ----------
    templates : dict of str to ReplyTemplate
    quality_ : ReplyQuality
        What came of examples held out, and the threshold that was chosen on them.

    Raises
    ------
    InputError
        Fewer than three intents, an intent with fewer than two different examples, an example
        without words or under two intents, two intents with one text, or a template that is none.

    Notes
    -----
    A logistic regression with a ridge penalty on words and pieces of two to four letters, weighted
    by tf–idf, gives each intent a chance; the score is that chance times the cosine to the
    intent's most similar example, which is small for what nobody gave an example of. The threshold
    is the lowest at which, of the examples held out, one more wrong answer than was found would
    still leave the precision wanted, and at which the share answered of those whose whole intent
    was left out, and a standard error more (of its mean by intent), is no larger than ``foreign``.
    ``quality_.rule`` says which of the two decides. Equal texts are one example.

    References
    ----------
    Barber & Candès (2015), Annals of Statistics 43(5), on counting one more; Larson et al. (2019),
    EMNLP, on questions that no intent is for.

    Examples
    --------
    >>> def asked(these, those):
    ...     return [f"{one} {other}" for one in these.split() for other in those.split()]
    >>> replies = Replies(
    ...     {
    ...         "late": {"text": "Soon.", "examples": asked("parcel package", "late missing lost")},
    ...         "size": {"text": "A chart.", "examples": asked("size fit", "large small tight")},
    ...         "back": {"text": "Post it.", "examples": asked("return refund", "shoes hat bag")},
    ...     }
    ... )
    >>> replies.suggest("my PACKAGE is late?? 😡", k=1).texts
    ('Soon.',)
    >>> replies.suggest("do you sell vouchers").why, replies.suggest("😡").why
    ('unsure', 'empty')
    """

    def __init__(
        self, templates: Given, *, precision: float = 0.9, foreign: float = 0.1, seed: int = 0
    ) -> None:
        self.precision = share("precision", precision, zero=False, one=False)
        self.foreign = share("foreign", foreign, zero=False)
        if len(toml_table("templates", templates, None)) < FEWEST_INTENTS:
            raise InputError(
                f"templates has too few intents ({len(templates)}); expected {FEWEST_INTENTS} or "
                "more, so that one can be left out to see whether its questions are answered"
            )
        read = {str(intent): reply_template(str(intent), t) for intent, t in templates.items()}
        self.templates: dict[str, ReplyTemplate] = dict(sorted(read.items()))
        examples = _examples(self.templates)
        self._model = _Model(examples)
        self._scripts = frozenset(map(script_of, examples["key"]))
        self.quality_ = _quality(examples, self.precision, self.foreign, seed_of(seed))

    def summary(self) -> str:
        """Say how many examples held out are answered, and how many of them rightly."""
        return self.quality_.summary()

    def suggest(self, question: str, k: int = SHOWN, *, offer: Given | None = None) -> Suggestion:
        """Return the templates that answer a question best, or why there are none.

        Parameters
        ----------
        question : str
        k : int
            Templates at most.
        offer : mapping of str to value, optional
            A promotion that may be named to this customer: what it is called (``offer``) and its
            terms (``ends_at`` as text, ``discount_rate``, …). Without it, or where it lacks a term
            that a template names, the template's text without a promotion is given.

        Returns
        -------
        Suggestion
        """
        k, key = whole_number("k", k, least=1), key_of(question)
        shown = masked(question) if isinstance(question, str) else ""
        script = script_of(key)
        if not key or script not in self._scripts:
            return Suggestion(why="script" if key else "empty", question=shown)
        scores = self._model.scores(pd.Series([key]))[0]
        if not scores.max() >= self.quality_.threshold:
            return Suggestion(why="unsure", question=shown)
        best = np.argsort(-scores, kind="stable")[:k]
        intents = tuple(str(intent) for intent in self._model.intents[best])
        told = [_text(self.templates[each], _LANGUAGE[script], offer or {}) for each in intents]
        texts, offered = zip(*told, strict=True)
        return Suggestion(intents, texts, tuple(scores[best].tolist()), offered, question=shown)


def _text(template: ReplyTemplate, language: str, offer: Given) -> tuple[str, bool]:
    """Return a template's text, and whether it names the promotion."""
    plain, told = (
        texts.get(language) or texts.get("", "") for texts in (template.text, template.offer)
    )
    if told and offer and {*_PLACE.findall(told)} <= {*offer}:
        return _PLACE.sub(lambda place: _written(place[1], offer[place[1]]), told), True
    return plain or next(iter(template.text.values())), False


def _written(place: str, value: Any) -> str:
    if place == "discount_rate":
        return f"{100 * value:.4g} %"
    return value if isinstance(value, str) else f"{value:,.2f}".removesuffix(".00")


def _examples(templates: Mapping[str, ReplyTemplate]) -> pd.DataFrame:
    """Return each different example once: intent, key; by intent."""
    of: dict[str, str] = {}
    texts: dict[str, str] = {}
    for intent, template in templates.items():
        for text in template.text.values():
            if (other := texts.setdefault(" ".join(text.split()).lower(), intent)) != intent:
                raise InputError(
                    f"intents {other!r} and {intent!r} have one text; make them one intent with "
                    "the examples of both"
                )
        for example in template.examples:
            key = key_of(example)
            if not key:
                raise InputError(f"{intent}: example {masked(example)!r} has no words; write some")
            if (other := of.setdefault(key, intent)) != intent:
                raise InputError(
                    f"{masked(example)!r} is an example of {other!r} and of {intent!r}; leave it "
                    "with one"
                )
    rows = pd.DataFrame(of.items(), columns=["key", "intent"])
    counts = rows["intent"].value_counts()
    for intent in templates:
        if counts.get(intent, 0) < FEWEST_EXAMPLES:
            raise InputError(
                f"intent {intent!r} has too few different examples ({counts.get(intent, 0)}); "
                f"expected {FEWEST_EXAMPLES} or more, so that one can be held out"
            )
    return rows


class _Model:
    """Scores of intents by question."""

    def __init__(self, examples: pd.DataFrame) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_union

        how: dict[str, Any] = {"lowercase": False, "sublinear_tf": True, "dtype": np.float32}
        self._words = make_union(
            TfidfVectorizer(analyzer="char_wb", ngram_range=LETTERS, preprocessor=_joined, **how),
            TfidfVectorizer(tokenizer=str.split, token_pattern=None, **how),
        )
        self._X = self._words.fit_transform(examples["key"])
        intent = examples["intent"].to_numpy(dtype=str)
        self.intents, self._starts = np.unique(intent, return_index=True)
        with single_threaded("blas"):
            self._logistic = LogisticRegression(C=PENALTY, max_iter=300).fit(self._X, intent)

    def scores(self, keys: pd.Series) -> np.ndarray:
        """Return each intent's chance times the cosine to its most similar example."""
        X = self._words.transform(keys)
        near = (X @ self._X.T).toarray() / 2  # of words and of pieces of them: each has length 1
        nearest = np.maximum.reduceat(near, self._starts, axis=1)
        return np.asarray(self._logistic.predict_proba(X) * nearest)


def _joined(key: str) -> str:
    """Return a key whose signs stand together, as they are written."""
    return _BETWEEN.sub("", key)


def _quality(examples: pd.DataFrame, wanted: float, foreign: float, seed: int) -> ReplyQuality:
    """Hold out examples, and then whole intents, and choose the threshold by what came of them."""
    rng, n = np.random.default_rng(seed), len(examples)
    intents, code = np.unique(examples["intent"].to_numpy(dtype=str), return_inverse=True)
    order = rng.permutation(n)
    fold, part = np.empty(n, dtype=int), rng.permutation(len(intents))[code] % FOLDS
    fold[order] = pd.Series(code[order]).groupby(code[order]).cumcount() % FOLDS
    score, place, far = np.empty(n), np.empty(n, dtype=int), np.empty(n)
    for each in range(FOLDS):
        for out, strange in ((fold == each, False), (part == each, True)):
            if not out.any():
                continue
            found = _Model(examples[~out]).scores(examples["key"][out])
            if strange:
                far[out] = found.max(axis=1)
            else:
                score[out] = found.max(axis=1)
                place[out] = (found >= found[np.arange(len(found)), code[out]][:, None]).sum(axis=1)
    threshold, rule = _threshold(score, place == 1, pd.Series(far, code), 1 - wanted, foreign)
    told, answered = score >= threshold, (far >= threshold).astype(float)
    frame = examples.assign(examples=1, answered=told, right=told & (place == 1))
    frame = frame.groupby("intent")[["examples", "answered", "right"]].sum().reset_index()
    said, right, among = map(_share, (told, (place == 1)[told], (place <= SHOWN)[told]))
    strangers = Estimate.of(share_of(answered, code, LEVEL, len(intents)), n)
    return ReplyQuality(frame, wanted, threshold, said, right, among, strangers, foreign, rule)


def _share(flags: np.ndarray) -> Estimate:
    n = len(flags)
    low, high = wilson(flags.sum(), n) if n else (math.nan, math.nan)
    return Estimate(float(flags.mean()) if n else math.nan, float(low), float(high), n)


def _threshold(
    score: np.ndarray, right: np.ndarray, far: pd.Series, wrong: float, foreign: float
) -> tuple[float, str]:
    """Return the lowest score at which few enough answers are wrong, and the rule that set it.

    Examples
    --------
    >>> score, far = np.arange(30)[::-1] / 30, pd.Series(0.1, np.arange(50) // 5)
    >>> found = _threshold(score, np.arange(30) != 12, far, 0.1, 0.1)
    >>> round(30 * found[0]), found[1]
    (4, 'foreign')
    """
    order = np.argsort(-score, kind="stable")
    at, n = score[order], np.arange(1, len(score) + 1)
    last = np.append(at[1:] < at[:-1], True)  # of equal scores all are answered, or none
    few = last & (np.cumsum(~right[order]) + 1 <= wrong * (n + 1))
    size = np.bincount(far.index)  # by intent
    hits = np.zeros((len(at) + 1, len(size)))
    np.add.at(hits, (np.searchsorted(-at, -far), far.index), 1 / size[far.index])
    answered = hits[:-1].cumsum(axis=0)  # of each intent that was left out, by threshold
    error = answered.std(axis=1, ddof=1) / math.sqrt(len(size))
    likely = answered.mean(axis=1) + np.maximum(error, 1 / len(far))
    both = few & (np.minimum(likely, 1) <= foreign)
    if not both.any():
        return math.nan, ""
    lowest = np.flatnonzero(both)[-1]
    return float(at[lowest]), "foreign" if few[lowest + 1 :].any() else "precision"
