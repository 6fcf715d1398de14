"""The plan of the house: floors, sizes, names and docstrings, read from the source."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import nbformat

import promolab
from tests import house
from tests.house import MOST_ON_THE_WAY, PACKAGE, lines_of_code, literal_all, tree

MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("*.ipynb"))

# From the ground up, and from left to right: a room imports from lower floors and from rooms left
# of it on its own, through their faces.
FLOORS = [
    "_faces errors checks language wording threads weeks plots glossary display results"
    " stats engines",
    "contract metrics folder",
    "simulated sources onboarding cleaning features profiles promotions sales text",
    "model segmentation",
    "explain scoring effects compare recommend",
    "abtest policy adaptive",
    "campaign loop trust",
    "report widgets serve",
    "cli",
]
PLACE = {
    room: (number, left)
    for number, floor in enumerate(FLOORS)
    for left, room in enumerate(floor.split())
}
MODULE_LIMIT = 400  # lines of code, without docstrings, comments and blanks


def room(path: Path) -> str:
    """Return the folder or module right under the package that ``path`` belongs to."""
    return label(path).partition("/")[0].partition(".")[0]


def label(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


@cache
def room_behind() -> dict[str, str]:
    """Return which room each name of the lazy top level comes from."""
    return {
        alias.name: (node.module or alias.name).split(".")[0]
        for node in tree(PACKAGE / "__init__.pyi").body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def folder_of(path: Path) -> list[str]:
    return ["promolab", *path.relative_to(PACKAGE).parts[:-1]]


def base_of(node: ast.ImportFrom, folder: list[str]) -> list[str]:
    """Return the dotted name behind ``from``, relative ones resolved."""
    base = folder[: len(folder) - node.level + 1] if node.level else []
    return base + (node.module.split(".") if node.module else [])


@cache
def nodes(module: ast.Module) -> list[ast.AST]:
    return list(ast.walk(module))


def taken(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what a module imports or uses of others, as dotted names, wherever it stands."""
    for node in nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = base_of(node, folder_of(path))
            yield from ((".".join([*base, alias.name]), node.lineno) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno


def breaches(path: Path) -> Iterator[str]:
    """Yield one sentence per import that a room may not make."""
    own = room(path)
    for dotted, line in taken(path):
        package, _, rest = dotted.partition(".")
        name = rest.partition(".")[0]
        if package != "promolab" or not rest or (name[:2] == "__" and not is_room(name)):
            continue  # `import promolab`, promolab.__version__
        other = name if is_room(name) else room_behind().get(name, name)
        where = f"{label(path)}:{line} imports {other}"
        if other not in PLACE:
            yield f"{where}, which stands on no floor"
        elif PLACE[other][0] > PLACE[own][0]:
            yield f"{where}, a higher floor"
        elif PLACE[other] > PLACE[own]:
            yield f"{where}, a room to the right"


def test_every_room_stands_on_a_floor_and_modules_are_at_most_400_lines_of_code():
    rooms = {room(path) for path in MODULES} - {"__init__"}
    assert rooms - set(PLACE) == set()
    assert {"errors", "contract", "features", "model", "report", "cli"} <= rooms
    lines = {label(path): lines_of_code(path) for path in MODULES}
    long = {name: count for name, count in lines.items() if count > MODULE_LIMIT}
    assert not long, f"make each a folder: {long}"


def test_the_house_is_no_heavier_than_it_may_be_and_lint_says_where_it_is(repository: Path):
    found = house.weigh()
    assert house.too_heavy(found) == []
    assert sorted(" ".join(house.CEILINGS).split()) == sorted(found["lines"])
    found["lines"]["metrics"] += house.MOST["lines"]
    (told,) = house.too_heavy(found)
    assert told.endswith(f"lines, at most {house.MOST['lines']:,}: take as much away elsewhere")
    assert sum(map(lines_of_code, (repository / "benchmarks").glob("*.py"))) <= house.BENCHMARKS


def test_a_room_imports_only_from_lower_floors_and_through_faces():
    rooms = [path for path in MODULES if room(path) != "__init__"]
    assert [sentence for path in rooms for sentence in breaches(path)] == []
    assert [found for path in MODULES for found in deep_imports(path)] == []


def deep_imports(path: Path) -> Iterator[str]:
    """Yield what a module imports from another room past the face of the folder it is in."""
    for node in nodes(tree(path)):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = base_of(node, folder_of(path))
        if base[0] != "promolab" or len(base) < 2 or base[1] == room(path):
            continue
        where = PACKAGE.joinpath(*base[1:])
        if len(base) > 2 and not where.is_dir():
            yield f"{label(path)}:{node.lineno} imports from {'.'.join(base)}, past its face"
        for alias in node.names if where.is_dir() else []:
            if (where / f"{alias.name}.py").exists():
                module = ".".join([*base, alias.name])
                yield f"{label(path)}:{node.lineno} imports the module {module}"


BLOCKED = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1:]:
            raise ImportError(f"{name} is an extra")

sys.meta_path.insert(0, Blocked())
import promolab
for found in pkgutil.walk_packages(promolab.__path__, "promolab."):
    if found.ispkg:
        room = importlib.import_module(found.name)
        for name in getattr(room, "__all__", []):
            getattr(room, name)
"""


def test_whatever_is_offered_is_there_with_every_extra_blocked(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    extras = {
        re.split(r"[^\w-]", line)[0]
        for lines in project["optional-dependencies"].values()
        for line in lines
    } - names
    known = metadata.packages_distributions()
    modules = [m for m, owners in known.items() if {o.lower() for o in owners} & extras]
    assert {"optuna", "psycopg"} <= set(modules)
    line = [sys.executable, "-c", BLOCKED, *modules]
    done = subprocess.run(line, capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr


def home_of(name: str, base: list[str]) -> str:
    """Return the module that a name is from, through the faces and modules that pass it on."""
    front = PACKAGE.joinpath(*base[1:], "__init__.pyi")
    front = front if front.exists() else PACKAGE.joinpath(*base[1:]).with_suffix(".py")
    for node in tree(front).body if front.exists() else []:
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            inner = base_of(node, base)
            return home_of(name, inner) if inner != base else ".".join(base)
    return ".".join(base)


def test_one_public_name_has_one_meaning():
    homes: dict[str, set[str]] = {}
    for front in sorted(PACKAGE.rglob("__init__.pyi")):
        for node in tree(front).body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    home = home_of(alias.name, base_of(node, folder_of(front)))
                    homes.setdefault(alias.asname or alias.name, set()).add(home)
    top = literal_all(PACKAGE / "__init__.pyi") or []
    top += literal_all(PACKAGE / "widgets" / "__init__.pyi") or []  # as in widgets.segments(…)
    twice = {name: found for name, found in homes.items() if len(found) > 1 and name not in top}
    assert twice == {}


def imported_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each name a package's front door brings in, and whether it is the module itself."""
    for node in tree(path).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                is_module = base_of(node, folder_of(path)) == folder_of(path)
                yield alias.asname or alias.name, is_module


def test_faces_alone_offer_what_they_import_and_no_name_of_a_module():
    """Importing a submodule would replace the function of its name."""
    said = [label(p) for p in MODULES if p.name != "__init__.py" and literal_all(p) is not None]
    taken, wrong = [], []
    for face in sorted(PACKAGE.rglob("__init__.py*")):
        modules = {p.stem for p in face.parent.glob("*.py")}
        modules |= {p.parent.name for p in face.parent.glob("*/__init__.py")}
        public = {name for name, is_module in imported_names(face) if not is_module}
        public |= {getattr(node, "name", "") for node in tree(face).body}
        taken += [f"{label(face)}: {name}" for name in public & modules]
        bound, names = {name for name, _ in imported_names(face)}, literal_all(face)
        if face.suffix == ".pyi" and (names is None or {*names} - bound - {"__version__"}):
            wrong.append(label(face))
    assert said == taken == wrong == []


def test_the_names_an_analyst_types_show_an_example():
    for name in literal_all(PACKAGE / "__init__.pyi") or []:
        thing = getattr(promolab, name)
        is_error = inspect.isclass(thing) and issubclass(thing, Exception)
        if not inspect.ismodule(thing) and not is_error:
            assert re.search("Examples\n--------(.|\n)*>>> ", inspect.getdoc(thing) or ""), name


def test_the_way_of_a_command_is_what_its_function_calls_and_no_longer_than_it_may_be():
    for command, most in MOST_ON_THE_WAY.items():
        assert len(house.way(command)) <= most, f"{command}: {house.told_way(command)}"
    # By hand: what a face offers, a method of a class; not what another command calls.
    told = house.told_way("report")
    assert re.search("(?m)^report/running/run.py: .*run_report", told)
    assert re.search("(?m)^folder/reports_folder.py: .*ReportsFolder", told)
    assert "release_week" not in told


def test_notebooks_show_by_two_verbs_and_import_from_faces():
    """Whoever opens one finds names that a script would use too."""
    shown = set()
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        code = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
        for node in (n for n in ast.walk(code) if isinstance(n, ast.ImportFrom)):
            package, *inner = (node.module or "").split(".")
            if package == "promolab":
                assert PACKAGE.joinpath(*inner).is_dir(), f"{path.name}: {node.module}"
            if node.module == "promolab.display":
                shown |= {alias.name for alias in node.names}
    assert shown == {"present", "tried"}
