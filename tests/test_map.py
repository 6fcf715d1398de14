"""docs/map.md names every public name, and no other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.house import PACKAGE, offered


def public_names() -> set[str]:
    """Return what the faces offer; what the top offers too is called by its shorter name."""
    top = {name for name in offered(PACKAGE) if not (PACKAGE / name).is_dir()}
    found = {f"promolab.{name}" for name in top}
    for face in PACKAGE.rglob("__init__.py"):
        room = ".".join(face.parent.relative_to(PACKAGE).parts)
        if room:
            found |= {f"promolab.{room}.{name}" for name in offered(face.parent) if name not in top}
    return found


def test_the_map_names_every_public_name_once_in_one_line(repository: Path) -> None:
    text = (repository / "docs" / "map.md").read_text(encoding="utf-8")
    rows = Counter(re.findall(r"^\| `(promolab[\w.]+)` \| .+ \|$", text, re.MULTILINE))
    assert set(rows) == public_names()
    assert [name for name, times in rows.items() if times > 1] == []
