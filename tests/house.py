"""What the house weighs: lines of code, modules and names by room; `make lint` prints it."""

import ast
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "promolab"
MANY = 15  # files in a folder, past which it is named


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


def weight() -> str:
    """Return a table of rooms: lines of code, modules, names offered; and folders of many files."""
    lines, modules, names = Counter[str](), Counter[str](), Counter[str]()
    large = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        room = room if (PACKAGE / room).is_dir() else "(ground)"
        lines[room] += lines_of_code(path)
        modules[room] += 1
        if path.name == "__init__.py" and path.parent != PACKAGE:
            names[room] += len(offered(path.parent))
            files = len([*path.parent.glob("*.py")])
            if files > MANY:
                large.append(f"{path.parent.relative_to(PACKAGE)} ({files})")
    head = f"{'room':<14}{'lines':>7}{'modules':>9}{'names':>7}"
    rows = [f"{room:<14}{lines[room]:>7,}{modules[room]:>9}{names[room]:>7}" for room in lines]
    total = (lines.total(), modules.total(), names.total())
    rows.append(f"{'all':<14}{total[0]:>7,}{total[1]:>9}{total[2]:>7}")
    return "\n".join([head, *rows, f"folders of more than {MANY} files: {', '.join(large) or '–'}"])


if __name__ == "__main__":
    print(weight())
