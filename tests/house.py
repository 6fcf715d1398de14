"""What the house weighs: lines of code, modules, names and words by room, and what it may weigh.

`make lint` prints it, and fails where the house is heavier than it may be. ``python -m tests.house
--way report`` lists the modules that a newcomer reads who follows a command through the rooms that
run it.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "promolab"
WORDS = ("*.toml", "*.po", "*.txt", "*.csv")  # sentences, glossary and lists, as data
MOST = {"lines": 60_400, "modules": 390, "names": 185, "words": 4_768}
"""What all rooms together may weigh; a change that needs more takes it away elsewhere."""
BENCHMARKS = 3_800  # lines of code beside the rooms
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
    "adaptive": 1_000,
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
    "trust": 1_100,
    "text": 900,
}
"""Lines of code that each room should come to; rooms may exchange them."""


@cache
def tree(path: Path) -> ast.Module:
    """Return a module's source, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def lines_of_code(path: Path) -> int:
    """Count lines that hold code: no docstrings, comments, blanks."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    held = {n for n, line in lines if line.strip() and not line.lstrip().startswith("#")}
    said: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant | ast.JoinedStr):  # blanks and # of a long text are code
            held |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            told = node.body[0] if ast.get_docstring(node) else None
            said |= set(range(told.lineno, (told.end_lineno or 0) + 1)) if told else set()
    return len(held - said)


def literal_all(path: Path) -> list[str] | None:
    """Return what a module's ``__all__`` says; None where it says nothing."""
    for node in tree(path).body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == "__all__":
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


def weight(found: dict[str, Counter[str]]) -> str:
    """Return a table of rooms and what each should come to."""
    head = f"{'room':<14}" + "".join(f"{what:>9}" for what in MOST) + "  ceiling of lines"
    rows = [head]
    ceilings = {names.split()[-1]: (names, most) for names, most in CEILINGS.items()}
    for room in found["lines"]:
        row = f"{room:<14}" + "".join(f"{found[what][room]:>9,}" for what in MOST)
        if room in ceilings:
            names, most = ceilings[room]
            together = sum(found["lines"][name] for name in names.split())
            row += f"  {most:,}" + (f" ({names}: {together:,})" if " " in names else "")
        rows.append(row)
    rows.append(f"{'all':<14}" + "".join(f"{found[what].total():>9,}" for what in MOST))
    rows.append(f"{'at most':<14}" + "".join(f"{most:>9,}" for most in MOST.values()))
    return "\n".join(rows)


def too_heavy(found: dict[str, Counter[str]]) -> list[str]:
    """Return a sentence for each total above what it may be."""
    return [
        f"{found[what].total():,} {what}, at most {most:,}: take as much away elsewhere"
        for what, most in MOST.items()
        if found[what].total() > most
    ]


WAY = ("cli", "loop", "report", "folder")
"""The rooms that a command is followed through."""
MOST_ON_THE_WAY = {"report": 16, "release": 12, "close": 10}
"""How many modules of these rooms each command may lead through."""
Place = tuple[Path, str]
"""A module, and the name of a function or class at its top."""


@cache
def imports(module: Path) -> dict[str, tuple[ast.ImportFrom, str]]:
    """Return what a module imports from another one, deferred imports included, by its name."""
    return {
        alias.asname or alias.name: (node, alias.name)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def behind(module: Path, name: str) -> Place | None:
    """Return where a name that a module uses is written, whatever faces stand between."""
    if name in defined(module):
        return module, name
    if name not in imports(module):
        return None
    node, original = imports(module)[name]
    inside = (node.module or "").split(".") if node.module else []
    base = module.parents[node.level - 1] if node.level else PACKAGE.parent
    base = base.joinpath(*inside)
    if base.with_suffix(".py").exists():
        return behind(base.with_suffix(".py"), original)
    face = base / "__init__.pyi" if (base / "__init__.pyi").exists() else base / "__init__.py"
    return behind(face, original) if face.exists() and face != module else None


@cache
def defined(module: Path) -> dict[str, ast.AST]:
    """Return the functions and classes at a module's top."""
    return {
        node.name: node
        for node in tree(module).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def run_by(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of what runs when a function is called: no annotation, no method's body."""
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            method = isinstance(node, ast.ClassDef) and isinstance(child, ast.FunctionDef)
            if isinstance(child, ast.AST) and field not in ("annotation", "returns") and not method:
                yield from run_by(child)


def way(command: str) -> dict[Path, list[str]]:
    """Return the functions and classes that a command leads to from its function, by module.

    A method counts where its class was reached and something on the way has an attribute of its
    name. What other rooms do in between, and what a value holds, is not followed.
    """
    (begin,) = [path for path in (PACKAGE / "cli").rglob("*.py") if f"_{command}" in defined(path)]
    left: list[Place | None] = [(begin, f"_{command}")]
    reached: dict[Place, None] = {}
    attributes: set[str] = set()
    methods: dict[str, list[tuple[Path, ast.AST]]] = {}

    def look(module: Path, node: ast.AST) -> None:
        for one in run_by(node):
            if isinstance(one, ast.Attribute) and one.attr not in attributes:
                attributes.add(one.attr)
                for place, method in methods.get(one.attr, ()):
                    look(place, method)
            if isinstance(one, ast.Name):
                left.append(behind(module, one.id))

    while left:
        place = left.pop()
        if place is None or place in reached or room_of(place[0]) not in WAY:
            continue
        module, name = place
        reached[place] = None
        node = defined(module)[name]
        look(module, node)
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.FunctionDef):
                methods.setdefault(part.name, []).append((module, part))
                if part.name in attributes or part.name.startswith("__"):
                    look(module, part)
    modules = sorted({module for module, _ in reached})
    return {m: sorted(name for module, name in reached if module == m) for m in modules}


def told_way(command: str) -> str:
    """Return the modules on a command's way, a line each, and how many there may be."""
    found = way(command)
    lines = [f"{path.relative_to(PACKAGE)}: {', '.join(names)}" for path, names in found.items()]
    return "\n".join([*lines, f"{len(found)} modules, at most {MOST_ON_THE_WAY[command]}"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        sys.exit(print(told_way(sys.argv[2])))
    found = weigh()
    print(weight(found))
    sys.exit("\n".join(too_heavy(found)) or None)
