"""Fonts for Chinese, Japanese and Korean names, and where a line of such text may break."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

OWN = "DejaVu Sans"
"""Matplotlib's own font, first in the list: what it holds is drawn with it."""

_WIDE = (  # Unicode's blocks of Hangul, Han, kana, and forms as wide as these
    "\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_LETTER = re.compile(f"[{_WIDE}]")
# A line begins with no closing mark and ends with no opening one (GB/T 15834, JIS X 4051).
_OPENING, _CLOSING = (
    "（〔［｛〈《「『【([“‘",
    "，、。．；：！？）〕］｝〉》」』】…—～·%％,.;:!?)]”’ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々",
)
_UNIT = re.compile(
    f"[{re.escape(_OPENING)}]*(?:[{_WIDE}]|[^\\s{_WIDE}{re.escape(_OPENING)}]+)[{re.escape(_CLOSING)}]*"
    f"|[{re.escape(_OPENING)}]+"
)
_NAMED_LIKE = re.compile(
    r"cjk|sourcehan|notosans(sc|tc|jp|kr)|wqy|wenquan|droidsansfallback|simhei|msyh|simsun|deng|"
    r"pingfang|heiti|hiragino|stheiti|yugoth|msgothic|meiryo|ipag|takao|vlgothic|malgun|nanum|"
    r"applegothic|applesdgothic|unifont|arialuni",
    re.IGNORECASE,
)
# A face without serifs, in one weight: figures need no more, and each file is 10–20 MB.
_LESS_LIKELY = re.compile(
    r"serif|mono|ming|song|bold|black|light|thin|medium|italic", re.IGNORECASE
)
_SAMPLES = {"zh": "国实验券", "ja": "あ割引", "ko": "한쿠"}


def is_wide(text: str) -> bool:
    """Tell whether a text holds Chinese, Japanese or Korean characters.

    Examples
    --------
    >>> is_wide("新鲜水果"), is_wide("果物 fruit"), is_wide("fruit")
    (True, True, False)
    """
    return _LETTER.search(text) is not None


def units(word: str) -> list[str]:
    """Return what must stay on one line: each such character with its marks, other runs whole.

    Examples
    --------
    >>> units("限时（九折），2024年")
    ['限', '时', '（九', '折），', '2024', '年']
    >>> units("fruit")
    ['fruit']
    """
    return _UNIT.findall(word) if is_wide(word) else [word]


@functools.cache
def fallback_families() -> tuple[str, ...]:
    """Return the fonts that draw Chinese, Japanese and Korean, added to Matplotlib's list once.

    Those that are installed come first, then those of the extra ``cjk``. Of all only as many as
    are needed: mostly one holds every script.
    """
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    left, families = dict(_SAMPLES), []
    for file in _candidates():
        if not left:
            break
        with suppress(OSError, RuntimeError):  # not a font, or one that FreeType cannot read
            font = FT2Font(str(file))
            draws = {k: all(font.get_char_index(ord(c)) for c in t) for k, t in left.items()}
            if any(draws.values()):
                # Matplotlib's cached list may be older than the font, so it is added in any case.
                fontManager.addfont(str(file))
                family = _face(file)
                _add_bold(file, family)
                families.append(family)
                left = {k: text for k, text in left.items() if not draws[k]}
    return tuple(dict.fromkeys(families))


def _face(file: Path) -> str:
    """Return the family of a font's file, of a collection the one for simplified Chinese."""
    from matplotlib.font_manager import fontManager

    families = [entry.name for entry in fontManager.ttflist if entry.fname == str(file)]
    return next((name for name in families if name.endswith(" SC")), families[0])


def _add_bold(file: Path, family: str) -> None:
    """Add the bold face beside a font; where there is none, the font itself stands for it."""
    from matplotlib.font_manager import fontManager

    bold = file.with_name(file.name.replace("Regular", "Bold"))
    if bold != file and bold.exists():
        fontManager.addfont(str(bold))
    else:
        mine = (e for e in fontManager.ttflist if e.fname == str(file) and e.name == family)
        fontManager.ttflist.append(dataclasses.replace(next(mine), weight="bold"))


def lacking_font(texts: Iterable[str]) -> str:
    """Return a sentence where names cannot be drawn on this machine; nothing where they can.

    Parameters
    ----------
    texts : iterable of str
        Names that figures may show.

    Examples
    --------
    >>> lacking_font(["fruit", "dairy"])
    ''
    """
    name = next((text for text in texts if is_wide(text)), None)
    if name is None or fallback_families():
        return ""
    return (
        f"no font here draws names such as {name!r}, so figures show boxes in their place: install "
        "one, such as Noto Sans CJK (fonts-noto-cjk), or pip install 'promolab[cjk]'"
    )


def _candidates() -> list[Path]:
    """Return font files that may hold these scripts, the likeliest first."""
    from matplotlib.font_manager import findSystemFonts

    found = [*map(Path, sorted(findSystemFonts())), *_of_the_extra()]
    # Of those not named like one each has to be looked into.
    return sorted(
        dict.fromkeys(found),
        key=lambda f: (not _NAMED_LIKE.search(f.stem), bool(_LESS_LIKELY.search(f.stem))),
    )


def _of_the_extra() -> list[Path]:
    # Only its files are used: importing it would write into Matplotlib's own folders.
    spec = importlib.util.find_spec("mplfonts")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "fonts").glob("*.[ot]tf"))
