"""The week's first sentences in the words of a language model: checked, or not used.

Only what the built-in sentences say is sent: aggregates, masked; no row, no review, no pseudonym.
An answer is used where each of its figures is one that was sent, beside a word that it was sent
beside, and each of its words is one of those sent or of the house's own sentences: whatever is not
known to be harmless is refused, and the built-in sentence stands.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import unicodedata
import urllib.request
from functools import cache
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.folder import read_json, write_json
from promolab.language import language
from promolab.text import masked
from promolab.wording import word_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from promolab.contract import Settings
    from promolab.folder import RunFolder

FILE = "assistant.json"
TIMEOUT, LARGEST, LONGEST = 10.0, 200_000, 900
"""Seconds that an answer may take in all; its bytes and its text's characters, at most."""
_MARKS = frozenset(" .,;:!?'\"()-–—%&·…’‘“”，。；：、！？（）《》「」")
_BETWEEN = r"\s\[\](){}“”\"，。；：、！？（）《》「」\u3400-\u9fff"
_CHUNK = rf"[^{_BETWEEN}]*[0-9](?:[^{_BETWEEN}]*[^{_BETWEEN}.,;:!?'’…])?"
_FIGURE = (
    rf"(?:[-+−–±<>≤≥~≈×$€£¥]\s?)?{_CHUNK}"
    rf"(?:\s?[%‰]|\s?[A-Z]{{3}}\b|\s?\[[^\]]*\]|\s+{_CHUNK})*"
)
_TOKEN = re.compile(rf"(?P<figure>{_FIGURE})|[^\W\d_\u3400-\u9fff]+|[\u3400-\u9fff]")
_ROMAN = re.compile(r"(?=..)m{0,3}(cm|cd|d?c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")


def phrased(run: RunFolder, settings: Settings, lead: str, others: Iterable[str] = ()) -> str:
    """Return a week's first sentences as a language model says them; empty where it is not used.

    Parameters
    ----------
    run : RunFolder
        Keeps what was sent and answered, or why it is not used, in ``assistant.json``: where the
        same was asked before, nothing is asked anew.
    settings : Settings
        ``assistant`` is the address; without one nothing is sent.
    lead : str
        The built-in sentences. An answer says each of their figures.
    others : iterable of str
        What else it may say.
    """
    if not settings.assistant:
        return ""
    sent = [masked(sentence) for sentence in (lead, *others) if sentence]
    asked = _request(settings, sent)
    told = {"asked": hashlib.sha256(asked).hexdigest(), "address": settings.assistant, "sent": sent}
    earlier = run.reports.path / str(run.week) / FILE
    found = (read_json(path) for path in (run.path / FILE, earlier))
    kept = next((k for k in found if isinstance(k, dict) and k.get("asked") == told["asked"]), {})
    answer, reason = str(kept.get("answer") or ""), str(kept.get("reason") or "")
    if not kept:
        answer, reason = _answer(settings.assistant, asked)
    if not reason:  # of what was kept, too: anybody may have written there
        answer = " ".join(answer.split())
        reason = why_refused(answer, sent)
    write_json(run.path / FILE, {**told, "answer": answer, "reason": reason})
    return "" if reason else answer


def _request(settings: Settings, sent: Sequence[str]) -> bytes:
    about = json.dumps({"language": language(), "sentences": sent}, ensure_ascii=False)
    rules = " ".join(_lists()["rules",])
    messages = [{"role": "system", "content": rules}, {"role": "user", "content": about}]
    body = {"model": settings.assistant_model or "default", "messages": messages, "temperature": 0}
    return json.dumps({**body, "stream": False}).encode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address that is allowed may not send elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _answer(address: str, body: bytes) -> tuple[str, str]:
    """Return what an endpoint answers, and why there is no answer."""
    found: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: found.append(_read(address, body)), daemon=True)
    reader.start()
    reader.join(TIMEOUT)  # in all: one that sends a byte now and then is no faster
    return found[0] if found else ("", f"it took more than {TIMEOUT:g} seconds")


def _read(address: str, body: bytes) -> tuple[str, str]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body, headers)  # http(s) alone: Settings checks it
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            content = response.read(LARGEST + 1)
        if len(content) > LARGEST:
            return "", f"its answer has more than {LARGEST:,} bytes"
        answer = json.loads(content)["choices"][0]["message"]["content"]
    except (OSError, HTTPException) as error:
        status = getattr(error, "code", None)
        return (
            "",
            f"it answered with status {status}" if status else f"no answer: {type(error).__name__}",
        )
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return "", "its answer is no JSON of the form of chat completions"
    return (answer, "") if isinstance(answer, str) else ("", "its answer holds no text")


@cache
def _lists() -> dict[tuple[str, ...], list[str]]:
    return word_lists(Path(__file__).with_suffix(".csv"))


def _words(kind: str) -> set[str]:
    return set(_lists()[kind,])


@cache
def _vocabulary() -> frozenset[str]:
    """Return the words and signs of the house's own sentences, and some more; none is a number."""
    files = sorted(Path(__file__).parents[2].rglob("words.toml"))
    text = "".join(re.sub(r"\{[^{}=]*\}", " ", file.read_text(encoding="utf-8")) for file in files)
    known = {t for t, figure in _tokens(" ".join([text.lower(), *_words("plain")])) if not figure}
    return frozenset(known | {"a"} - _words("number") - _words("claim") - _words("negation"))


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Return words in small letters, signs, and figures with their units and intervals."""
    return [
        (re.sub(r"(?<![0-9])\s|\s(?![0-9])", "", one[0]), True)
        if one["figure"]
        else (one[0].lower(), False)
        for one in _TOKEN.finditer(re.sub(r"['’]s\b", "", text))
    ]


def _is_number(word: str) -> bool:
    return (
        word in _words("number")
        or unicodedata.numeric(word[0], None) is not None
        or _ROMAN.fullmatch(word) is not None
    )


def why_refused(answer: str, sent: Sequence[str]) -> str:
    """Return why a text is not used; empty where it may be.

    Parameters
    ----------
    answer : str
        On one line.
    sent : sequence of str
        What it may say: the first of them in full.

    Examples
    --------
    >>> sent = ["Contact 925 customers. Expect 220 [150, 300] redemptions."]
    >>> why_refused("Please contact 925 customers and expect 220 [150, 300] redemptions.", sent)
    ''
    >>> why_refused("Please contact 952 customers.", sent)
    "'952' was not sent"
    """
    if not answer or len(answer) > LONGEST:
        return f"its text has {len(answer)} characters, expected 1 to {LONGEST}"
    whole = "\n".join(sent)
    for sign in answer:
        digit = unicodedata.category(sign)[0] == "N" and not sign.isascii()
        foreign = "\u3400" <= sign <= "\u9fff" and not re.search("[\u3400-\u9fff]", whole)
        plain = sign.isalnum() or sign in _MARKS or (sign in whole and sign != "*")
        if digit or foreign or not plain:
            return f"it has the sign {sign!r}"
    lines = [_tokens(sentence) for sentence in sent]
    known = {token for line in lines for token, _ in line}
    beside = {pair for line in lines for pair in pairwise(token for token, _ in line)}
    said = _tokens(answer)
    free = [("", False), *said, ("", False)]
    for (left, _), (token, figure), (right, _) in zip(free, said, free[2:], strict=False):
        bound = (left, token) in beside or (token, right) in beside
        if figure or _is_number(token):
            bent = left in _words("bound") and (left, token) not in beside
            united = figure and re.search(r"%|[A-Z]{3}", token)
            if token not in known or bent or not (bound or united):
                return f"{token!r} was not sent" + " beside these words" * (token in known)
        elif token not in known and token in _words("claim"):
            return f"it claims {token!r}, which was not sent"
        elif token not in known and not {token, token.removesuffix("s")} & _vocabulary():
            return f"{token!r} is no word of those that may be used"
    left_out = {token for token, figure in lines[0] if figure} - {token for token, _ in said}
    if left_out:
        return f"it leaves out {min(left_out)!r}"
    denies = [bool({t for t, _ in each} & _words("negation")) for each in (lines[0], said)]
    why = "it denies what was sent, or says what was denied"
    return why if denies[0] != denies[1] else ""
