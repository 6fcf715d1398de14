"""Sentences of a room's ``words.toml``: facts put in by name, in the language that is spoken."""

from __future__ import annotations

import functools
import string
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from promolab.display import ends_beside
from promolab.glossary import label, named
from promolab.language import ENGLISH, language, remembered
from promolab.results.estimate import Estimate
from promolab.results.formats import write
from promolab.wording import capital, count

FILE = "words.toml"
SHARED = "shared"
OF, ELSE = "of", "else"
"""In a line: the fact that decides, and what is said of every other code."""

Line = str | Mapping[str, Any]


@functools.cache
def file_words(path: Path) -> dict[str, Any]:
    """Return what a file of words holds; nothing where there is no such file."""
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def words_for(module: str, *sections: str) -> dict[str, Any]:
    """Return sections of the words beside a module and above it, the later ones before others.

    Parameters
    ----------
    module : str
        Name of the module that asks.
    *sections : str
        Of its file; what the files share comes first.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    folders = [Path(__file__).parent]
    for folder in reversed(Path(file).parents if file else ()):
        if (folder / "__init__.py").exists() and folder not in folders:
            folders.append(folder)
    found: dict[str, Any] = {}
    for section in (SHARED, *sections):
        for folder in folders:
            found = _merged(found, file_words(folder / FILE).get(section, {}))
    return found


def _merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(first[key], value)
        for key, value in then.items()
        if isinstance(value, Mapping) and isinstance(first.get(key), Mapping)
    }
    return {**first, **then, **both}


def words_of(module: str, section: str = SHARED, /, **given: Any) -> Facts:
    """Return the words of one section, with facts: for what is said and is no result.

    Parameters
    ----------
    module : str
        The asking module's ``__name__``.
    section : str
        Of the room's ``words.toml``.
    **given
        Facts.
    """
    return Facts(words_for(module, section), given)


class Facts:
    """Facts by name, and the lines that are said of them.

    A fact is what was given, else an attribute of the result; one that can be called is called when
    it is first needed.

    Parameters
    ----------
    words : mapping
        Of `words_for`: ``say`` holds lines, ``word`` codes in words.
    given : mapping
        Facts by name.
    of : object, optional
        What else has facts, as attributes: a result.
    above : Facts, optional
        Where to look for what neither has: the result whose row this is.

    Examples
    --------
    >>> words = {"say": {"told": {"of": "gap", "above": {"en": "{gap:number} more{left}."}},
    ...                  "left": {"en": "; {left:count row} left out"}}}
    >>> Facts(words, {"gap": Estimate(2.0, 1.0, 3.0), "left": 1}).say("told")
    '2.0 [1.0, 3.0] more; 1 row left out.'
    >>> Facts(words, {"gap": Estimate(2.0, 1.0, 3.0), "left": 0}).say("told")
    '2.0 [1.0, 3.0] more.'
    """

    def __init__(
        self,
        words: Mapping[str, Any],
        given: Mapping[str, Any],
        of: Any = None,
        above: Facts | None = None,
    ) -> None:
        self.words, self._of, self._above = words, of, above
        self._given = dict(given)

    def __contains__(self, name: str) -> bool:
        known = name in self._given or self._has(name)
        return known or (self._above is not None and name in self._above)

    def _has(self, name: str) -> bool:
        # Not hasattr: a property that is dear to compute is not computed to be asked for.
        return hasattr(type(self._of), name) or name in getattr(self._of, "__dict__", {})

    def __getitem__(self, name: str) -> Any:
        if name not in self._given:
            if self._of is not None and self._has(name):
                self._given[name] = getattr(self._of, name)
            elif self._above is not None:
                return self._above[name]
            else:
                raise KeyError(
                    f"words name {name!r}, which is no fact of {type(self._of).__name__}"
                )
        if callable(self._given[name]):
            self._given[name] = self._given[name]()
        return self._given[name]

    def get(self, name: str, otherwise: Any = None) -> Any:
        """Return a fact, or something else where there is none of that name."""
        known = name in self
        return self[name] if known else otherwise

    def at(self, name: str) -> Any:
        """Return a fact, or a part of it: ``gap.value``."""
        first, *inner = name.split(".")
        value = self[first]
        for part in inner:
            value = value[part] if isinstance(value, Mapping) else getattr(value, part)
        return value

    def say(self, name: str) -> str:
        """Return one of the lines under ``say``."""
        line = self.words["say"][name]
        return remembered(self.line(line, name), lambda: self.line(line, name))

    def summary(self) -> str:
        """Return the sentences in their ``order``; by default ``told``, else all as they stand."""
        lines = self.words["say"]
        names = lines.get("order") or (["told"] if "told" in lines else list(lines))
        return self.joined(map(self.say, names), "sentences")

    def line(self, line: Line, name: str = "", within: frozenset[str] = frozenset()) -> str:
        """Return a line in words: the case that its fact decides, in the language spoken.

        Parameters
        ----------
        line : str or mapping
            A template; one in each language; or cases, by the code of a fact.
        name : str
            The fact that decides, where the line names no other with ``of``.
        within : frozenset of str
            Lines that this one is put into.
        """
        codes: list[str] = []
        chosen = False
        while isinstance(line, Mapping) and ENGLISH not in line:
            if not codes or OF in line:
                codes = _code(self.at(line.get(OF, name))).split(".")
            code, *codes = codes
            if code not in line and ELSE not in line:
                if code in ("", "false"):
                    return ""
                raise KeyError(f"the words say nothing of {line.get(OF, name)} = {code!r}")
            line, chosen = line.get(code, line.get(ELSE, "")), True
        if isinstance(line, Mapping):
            decides = line.get(OF, "" if chosen else name)
            if (OF in line or decides in self) and _absent(self.at(decides)):
                return ""
            line = line.get(language(), line[ENGLISH])
        return self.fill(str(line), within | {name})

    def fill(self, template: str, within: frozenset[str] = frozenset()) -> str:
        """Return a template with its places filled: lines, and facts in their formats."""
        told = []
        for text, name, spec, conversion in string.Formatter().parse(template):
            told.append(text)
            if name is not None:
                placed = self._placed(name, spec or "", within)
                told.append(capital(placed) if conversion == "c" else placed)
        return "".join(told)

    def _placed(self, name: str, spec: str, within: frozenset[str]) -> str:
        lines = self.words.get("say", {})
        of_row = self._above is not None and name in self._given
        if not spec and name in lines and name not in within and not of_row:
            return self.line(lines[name], name, within)
        value = self.at(name)
        kind, _, rest = spec.partition(" ")
        if kind == "each":
            one, _, how = rest.partition(" ")
            told = (row.line(lines[one], one, within) for row in self.rows(value))
            return self.joined(told, how or "each")
        return self.written(value, spec)

    def written(self, value: Any, spec: str = "") -> str:
        """Return a value in a format; codes and lists in words."""
        kind, _, rest = spec.partition(" ")
        if not spec and isinstance(value, (list, tuple)):
            kind = "and"
        if kind == "word":
            return (
                self.word(value) if isinstance(value, str) else self.written([*value], "and word")
            )
        if kind in ("and", "or", "list"):
            return self.joined([self.written(one, rest) for one in value], kind)
        if kind == "label":
            return label(str(value))
        if kind == "few":  # `promolab.stats.hide_few`
            n, least = getattr(value, "value", value), self.get("least", 1)
            return "–" if n != n else f"< {least}" if 0 < n < least else count(n)
        if kind == "more":
            return Facts(self.words, {}, value, self).line(self.words["join"]["so_much"])
        if kind.partition(".")[0] == "points":
            spec = f"{spec} {self.word('points')}"
        if isinstance(value, str) and spec in ("", "text"):
            return named(value)
        return write(value, spec, str(self.get("currency", "")))

    def word(self, code: Any) -> str:
        """Return what a code is called: of the room's words, else as the glossary labels it."""
        known = self.words.get("word", {}).get(str(code))
        return self.line(known) if known is not None else named(label(str(code)))

    def joined(self, told: Iterable[str], how: str) -> str:
        """Return texts that are not empty as one: sentences, and, or, list or each."""
        texts = [text for text in told if text]
        between = self.line(self.words["join"][how])
        if how in ("and", "or") and len(texts) > 2:
            comma = self.line(self.words["join"]["list"])
            texts = [comma.join(texts[:-1]), texts[-1]]
        return between.join(texts)

    def rows(self, value: Any) -> Iterator[Facts]:
        """Give the rows of a frame, or the items of a list, as facts; intervals as estimates."""
        if not hasattr(value, "columns"):
            for one in value:
                given = one if isinstance(one, Mapping) else {}
                yield Facts(self.words, given, None if given else one, self)
            return
        held = [str(column) for column in value.columns]
        ends = {c: pair for c in held if (pair := ends_beside(c, held))}
        for row in value.rename(columns=str).to_dict("records"):
            known = {c: Estimate.of((row[c], row[a], row[b])) for c, (a, b) in ends.items()}
            yield Facts(self.words, {**row, **known}, None, self)


def _code(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Estimate):
        return value.side
    return str(value).lower() if isinstance(value, bool) else str(value)


def _absent(value: Any) -> bool:
    if value is None or value is False:
        return True
    if isinstance(value, Estimate):
        return value.value != value.value
    if hasattr(value, "__len__"):
        return len(value) == 0
    return isinstance(value, (int, float)) and (value == 0 or value != value)
