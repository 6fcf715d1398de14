"""Words of results: each sentence in both languages, whatever the figures; and what words name."""

import functools
import importlib
import inspect
import itertools
import math
import re
import string
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from promolab import plots
from promolab.language import LANGUAGES, speaking
from promolab.results import Estimate, Facts
from promolab.results.drawn import FIGURE, LAYER, draw
from promolab.results.facts import ELSE, OF, file_words, words_for
from promolab.results.formats import FORMATS, OF_LISTS
from promolab.wording import answer_to
from tests import wording_lint
from tests.house import PACKAGE

FILES = sorted(PACKAGE.rglob("words.toml"))
SECTIONS = [(path, name) for path in FILES for name in file_words(path)]
TABLE = {"of", "rows", "columns", "heads", "formats", "cells", "caption", "otherwise", "most"}
TABLE |= {"file", "file_text"}
TERMS = (
    "AUC AUTOC TOC Qini NDCG Holm ROC Brier DeLong Wilson Optuna SHAP RFM DBSCAN HDBSCAN "
    "budget_risk list_size search_trials radcliffe ips snips dm dr sndr switch dros"
).split()
"""What a Chinese page calls as it is called everywhere."""
COMMON = file_words(PACKAGE / "results" / "words.toml")["shared"]["word"]
NOUGHT = ("none of one", "nothing of nothing", 'a word twice: "August')
"""Counts of 0, which a result may never have; and names that are all the same here."""
NAN = math.nan
ENDS = [(0.0, 0.0, 0.0), (1.0, NAN, NAN, 1), (NAN,), (1.0, 0.98, 1.02), (-3.0, -5.0, -1.0, 9)]
ENDS += [(0.3, -0.1, 0.7), (0.21, 0.18, 0.24, 900), (-54_321.0, -6e4, -5e4)]
FIGURES = [Estimate(*ends) for ends in (*ENDS, (1.2e9, 1.1e9, 1.3e9, 10**7))]
COUNTS = [1, 2, 12_345, 0]
SHARES = [Estimate(0.0), Estimate(1.0), Estimate(0.5, 0.44, 0.56), Estimate(1e-6, 0.0, 1e-5)]


# Most lines read the same whatever the figures are: each text is looked at once.
nonsense = functools.cache(wording_lint.nonsense)
english_left = functools.cache(lambda said: wording_lint.english_left(said, [*TERMS, "EUR"]))


@functools.cache
def source_of(room: Path) -> str:
    return "\n".join(p.read_text("utf-8") for p in room.rglob("*.py"))


def lines(words: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each line that says something, and where it stands."""
    if isinstance(words, Mapping) and set(words) & set(LANGUAGES):
        yield place, words
    elif isinstance(words, Mapping):
        for key, value in words.items():
            yield from lines(value, f"{place}.{key}".lstrip("."))
    elif isinstance(words, list):
        for value in words:
            yield from lines(value, place)
    elif isinstance(words, str) and "{" in words:
        yield place, words


@functools.cache
def places(template: str) -> list[tuple[str, str]]:
    return [(n, s or "") for _, n, s, _ in string.Formatter().parse(template) if n is not None]


def templates(words: Any) -> Iterator[str]:
    for _, line in lines(words):
        yield from [line] if isinstance(line, str) else (line[k] for k in LANGUAGES if k in line)


def cases(words: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return which codes each fact that decides may have."""
    found: dict[str, list[str]] = {}

    def look(line: Any, name: str) -> None:
        if not isinstance(line, Mapping) or set(line) & set(LANGUAGES):
            return
        decides = line.get(OF, name)
        for code, inner in line.items():
            if code == OF:
                continue
            deeper = cases({"say": {code: inner}}).get(code, [""])
            codes = [".".join(filter(None, (code, each))) for each in deeper]
            found.setdefault(decides, []).extend("9" if c == ELSE else c for c in codes)
            if isinstance(inner, Mapping) and OF in inner:
                look(inner, code)

    for name, line in words.get("say", {}).items():
        look(line, name)
    return found


def made_of(words: Mapping[str, Any], spec: str, turn: int) -> Any:
    """Return the ``turn``-th value that fits a format."""
    kind, _, rest = spec.partition(" ")
    kind = kind.partition(".")[0]
    codes = [code for code in words["word"] if code not in COMMON] or ["points"]
    several: dict[str, Any] = {"each": SimpleNamespace(), "and": "某", "or": "某", "list": "某"}
    if kind in several:
        one = codes[-1] if rest == "word" else several[kind]
        return [one] * (1, 3, 2)[turn % 3]
    found: dict[str, Any] = {
        **dict.fromkeys(("count", "one"), COUNTS),
        **dict.fromkeys(("day", "month"), (date(2017, 1, 2),)),
        **dict.fromkeys(("", "text", "label"), ("某",)),
        **{"percent": SHARES, "p": (1e-9, 0.04, 1.0, NAN), "word": codes},
    }
    values = found.get(kind, FIGURES)
    return values[turn % len(values)]


def made_up(words: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """Return facts for every place of the words: the ``turn``-th of each kind."""
    known = cases(words)
    given: dict[str, Any] = {}
    for name, spec in sorted({p for t in templates(words) for p in places(t)}):
        root, _, inner = name.partition(".")
        value = made_of(words, spec, turn)
        if inner in ("verb", "past", "done", "noun", "who"):
            given[root] = lambda: answer_to("coupon")  # asked in the language spoken
        elif inner and inner not in "value ci_low ci_high n size side direction".split():
            vars(given.setdefault(root, SimpleNamespace()))[inner] = value
        elif inner and not isinstance(given.get(root), Estimate):
            given[root] = FIGURES[turn % len(FIGURES)]
        elif spec and not spec.startswith(("count", "one ")):
            given[root] = value
        else:
            given.setdefault(root, value)
    for _, line in lines(words):
        if isinstance(line, Mapping) and OF in line:
            given.setdefault(line[OF].partition(".")[0], True)
    for name, codes in known.items():
        root, _, inner = name.partition(".")
        code = codes[turn % len(codes)]
        sides = {"above", "below", "unsure", "unknown"}
        if inner or (isinstance(given.get(root), Estimate) and set(codes) <= {*sides, "9"}):
            fits = [e for e in FIGURES if getattr(e, inner or "side") == code]
            given[root] = (fits or FIGURES)[turn % len(fits or FIGURES)]
        elif not (isinstance(given.get(root), int) and code == "9"):
            given[root] = int(code) if code.isdigit() else code
    return {"currency": "EUR", **given}


@pytest.mark.parametrize(("path", "section"), SECTIONS, ids=lambda x: getattr(x, "parent", x))
def test_each_line_stands_in_both_languages_and_reads_well(path: Path, section: str):
    words = words_for(module_of(path), section)
    own = file_words(path)[section]
    for place, line in lines(own):
        if isinstance(line, Mapping):
            assert set(line) - {OF} == set(LANGUAGES), f"{place} lacks a language"
            roots = [{n.partition(".")[0] for n, _ in places(line[k])} for k in LANGUAGES]
            # What decides between one and many, which Chinese does not tell apart.
            numbers = {n for n, spec in places(line["en"]) if spec.startswith("one ")}
            assert roots[0] ^ roots[1] <= numbers, f"{place}: other facts in Chinese"
    for turn in range(len(FIGURES) * 2):
        facts = made_up(words, turn)
        for place, line in lines(own):
            if place.startswith(("word.", "join.")):
                continue
            with speaking("en"):
                said = Facts(words, facts).line(line).replace("某", "August").strip()
                wrong = nonsense(re.sub(r"^[,;:.)] ?", "", said))
                assert not [w for w in wrong if not w.startswith(NOUGHT)], place
            with speaking("zh"):
                said = Facts(words, facts).line(line)
                assert english_left(said) == [], place


def module_of(path: Path) -> str:
    name = ".".join(["promolab", *path.parent.relative_to(PACKAGE).parts])
    return importlib.import_module(name).__name__


@pytest.mark.parametrize(("path", "section"), SECTIONS, ids=lambda x: getattr(x, "parent", x))
def test_what_words_name_is_there(path: Path, section: str):
    words = file_words(path)[section]
    source, above = source_of(path.parent), list[str]()
    assert all(re.match("plot|table|(say|word|head|cell|keep|join)$", name) for name in words)
    if section[0].isupper():
        (bases,) = re.findall(rf"(?m)^class {section}\b([^:]*):", source)
        above = re.findall(r"\w+", bases)
    both = words_for(module_of(path), *above, section)
    for name in both.get("say", {}).get("order", []):
        assert name in both["say"], f"order names {name}, which is no line"
    for template in templates(words):
        for name, spec in places(template):
            root, (kind, _, rest) = name.partition(".")[0], spec.partition(" ")
            kind = kind.partition(".")[0]
            assert kind in ("", *FORMATS, *OF_LISTS), f"{name}:{spec} has no such format"
            assert kind != "each" or rest.split()[0] in both["say"], f"{spec}: no such line"
            there = root in both.get("say", {}) or re.search(rf"\b{root}\b", source)
            assert there, f"{root} in {template!r} is no fact of the room"
    tables = [words[name] for name in words if name.startswith("table")]
    for table in itertools.chain(*(t if isinstance(t, list) else [t] for t in tables)):
        assert set(table) <= TABLE | {"marked"}
        for spec in table.get("formats", {}).values():
            assert spec.partition(" ")[0].partition(".")[0] in (*FORMATS, *OF_LISTS)
    for name, drawing in words.items():
        for layer in drawing.get("layers", [drawing]) if name[:4] == "plot" else []:
            assert callable(getattr(plots, layer["draw"])), layer
            known = {*LAYER, *FIGURE, *inspect.signature(getattr(plots, layer["draw"])).parameters}
            assert set(layer) <= known, f"{name}: {set(layer) - known}"


def test_ids_are_written_as_they_are_not_as_numbers():
    told = Facts({"say": {"one": {"en": "{id:text} of {id}"}}}, {"id": 10_000_085_476})
    assert told.say("one") == "10000085476 of 10,000,085,476"
    plainly = re.compile(r"\{(customer|promotion|coupon|product|segment|id)(!c)?\}")
    found = {path: plainly.findall(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_heat_map_keeps_names_apart_that_another_language_calls_alike():
    rows = pd.DataFrame({"of": ["Lost", "lost"], "week": "1", "n": [1.0, 2.0]})
    heat = {"draw": "heat_map", "down": "of", "across": "week", "values": "n"}
    with speaking("zh"):
        ax = draw({"layers": [heat]}, Facts({}, {}), None, lambda: rows)
    assert ax.images[0].get_array().ravel().tolist() == [1.0, 2.0]
