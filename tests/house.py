"""What the house weighs: lines of code, modules, names and words by room, and what it may weigh.

`make lint` prints it, and fails where the house is heavier than it may be.
"""

import ast
import sys
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "promolab"
MANY = 15  # files in a folder, past which it is named
WORDS = ("*.toml", "*.po", "*.txt")  # sentences and the glossary, as data
MOST = {"lines": 70_500, "modules": 491, "names": 216, "words": 5_600}
"""What all rooms together may weigh; a change that needs more takes it away elsewhere."""
CEILINGS = {
    "metrics": 3_300,
    "effects": 3_300,
    "model": 3_100,
    "abtest": 2_500,
    "segmentation": 2_500,
    "compare": 1_800,
    "recommend": 2_100,
    "promotions": 2_300,
    "policy": 2_100,
    "profiles explain scoring": 2_250,
    "features plots sales cleaning results stats (ground)": 4_000,
    "campaign": 5_000,
    "loop": 3_100,
    "report": 2_600,
    "contract": 2_150,
    "sources onboarding": 3_800,
    "serve": 2_200,
    "widgets": 1_850,
    "simulated engines folder cli display glossary language": 5_700,
}
"""Lines of code that each room should come to; rooms may exchange them."""


@cache
def tree(path: Path) -> ast.Module:
    """Return a module's source, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def lines_of_code(path: Path) -> int:
    """Count lines that hold code: no docstrings, comments, blanks."""
    said: set[int] = set()
    for node in ast.walk(tree(path)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            said |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    held: set[int] = set()
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in empty | {tokenize.ENDMARKER}:
                held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - said)


def literal_all(path: Path) -> list[str] | None:
    """Return what a module's ``__all__`` says; None where it says nothing."""
    for node in tree(path).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if [ast.unparse(target) for target in targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return None


def offered(folder: Path) -> list[str]:
    """Return the names that the face of a folder offers."""
    for face in (folder / "__init__.pyi", folder / "__init__.py"):
        if face.exists() and (names := literal_all(face)) is not None:
            return names
    return []


def room_of(path: Path) -> str:
    """Return the room that a file is in; modules beside the rooms are the ground."""
    room = path.relative_to(PACKAGE).parts[0]
    return room if (PACKAGE / room).is_dir() else "(ground)"


def weigh() -> dict[str, Counter[str]]:
    """Count lines, modules, names and words (lines of the files that hold them), by room."""
    found = {what: Counter[str]() for what in MOST}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        found["lines"][room] += lines_of_code(path)
        found["modules"][room] += 1
        if path.name == "__init__.py" and path.parent != PACKAGE:
            found["names"][room] += len(offered(path.parent))
    for pattern in WORDS:
        for path in PACKAGE.rglob(pattern):
            lines = path.read_text(encoding="utf-8").splitlines()
            found["words"][room_of(path)] += sum(1 for line in lines if line.strip())
    return found


def large_folders() -> list[str]:
    """Return folders of many files, with how many."""
    folders = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    return [f"{f.relative_to(PACKAGE)} ({n})" for f, n in sorted(folders.items()) if n > MANY]


def weight(found: dict[str, Counter[str]]) -> str:
    """Return a table of rooms and what each should come to; and folders of many files."""
    head = f"{'room':<14}" + "".join(f"{what:>9}" for what in MOST) + "  ceiling of lines"
    rows = [head]
    ceilings = {names.split()[-1]: (names, most) for names, most in CEILINGS.items()}
    for room in found["lines"]:
        row = f"{room:<14}" + "".join(f"{found[what][room]:>9,}" for what in MOST)
        if room in ceilings:
            names, most = ceilings[room]
            together = sum(found["lines"][name] for name in names.split())
            beside = f" ({names.replace(' ', ', ')}: {together:,})" if " " in names else ""
            row += f"  {most:,}{beside}"
        rows.append(row)
    rows.append(f"{'all':<14}" + "".join(f"{found[what].total():>9,}" for what in MOST))
    rows.append(f"{'at most':<14}" + "".join(f"{most:>9,}" for most in MOST.values()))
    return "\n".join(
        [*rows, f"folders of more than {MANY} files: {', '.join(large_folders()) or '–'}"]
    )


def too_heavy(found: dict[str, Counter[str]]) -> list[str]:
    """Return a sentence for each total above what it may be."""
    return [
        f"{found[what].total():,} {what}, at most {most:,}: take as much away elsewhere"
        for what, most in MOST.items()
        if found[what].total() > most
    ]


if __name__ == "__main__":
    found = weigh()
    print(weight(found))
    sys.exit("\n".join(too_heavy(found)) or None)
