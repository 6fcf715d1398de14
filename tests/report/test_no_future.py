"""Changing any row that is dated later changes nothing in a run: not a table, not a page."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from promolab.contract import TABLES
from promolab.sources import load_shop, save_shop
from promolab.weeks import Week
from tests.in_process import value_of

WEEK = "2024-W33"  # a week in which promotions start, the last but one of the made-up shop
STEPS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))[1:]  # 00 is none
LATER = re.compile(r"Dated later, and not read: [^.]*\.")


@pytest.fixture(scope="module")
def two_runs(made_once, tmp_path_factory) -> dict[str, Path]:
    """The week's run on a shop without a table of customers, and on one with another future."""
    kept = made_once("no_future", _plain, "tests/report/test_no_future.py", "tests/in_process.py")
    root = tmp_path_factory.mktemp("future")
    as_of = Week.parse(WEEK).start(load_shop(kept / "plain").zone)
    shutil.copytree(kept / "plain", root / "changed")
    for name in ("events", "exposures", "responses", "decisions", "contact_rights", "reviews"):
        path = root / "changed" / f"{name}.parquet"
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
        _with_another_future(name, frame, as_of).to_parquet(path)
    return {"plain": kept / "reports" / WEEK, "changed": _run(root, "changed")}


def _plain(root: Path) -> None:
    save_shop(load_shop("simulated", customers=90, weeks=12), root / "plain")
    (root / "plain" / "customers.parquet").unlink()
    settings = root / "plain" / "shop.toml"
    settings.write_text(settings.read_text(encoding="utf-8").split("[customers.attributes]")[0])
    _run(root, "plain")


def _with_another_future(name: str, frame: pd.DataFrame, as_of: Any) -> pd.DataFrame:
    """Take most later rows away, change the others, and add some of customers never seen before."""
    ts = "ts" if "ts" in TABLES[name] else "since"
    later = frame[ts] >= as_of
    kept = frame[~later]
    changed = frame[later].iloc[::3]
    new = frame.sample(40, replace=True, random_state=0)
    new = new.assign(customer_id=[10**6 + i % 7 for i in range(len(new))])
    new[ts] = [as_of + timedelta(minutes=i * i) for i in range(len(new))]
    for column in {"amount", "quantity", "rating"} & set(frame):
        changed[column], new[column] = changed[column] * 1000 + 1, 1e6
    for column in {"allowed"} & set(frame):
        changed[column], new[column] = ~changed[column].astype(bool), False
    for column in {"decision_id", "order_id"} & set(frame):
        numbers = range(10**9, 10**9 + len(new))
        new[column] = pd.Series(numbers, new.index).astype(frame[column].dtype)
    every = pd.concat([new, kept, changed], ignore_index=True)
    return pd.DataFrame(every.astype(frame.dtypes))


def _run(root: Path, shop: str) -> Path:
    """Run the notebooks' cells in this process; what each shows goes to a file beside the tables.

    Figures are told by what they draw: to paint them takes longer than all else.
    """
    folder = root / "reports" / WEEK
    folder.mkdir(parents=True)
    (folder.parent / ".key").write_bytes(b"k" * 32)
    parameters = {"source": str(root / shop), "week": WEEK, "folder": str(folder), "threads": 1}
    shown: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promolab.display.figures.png", _drawn)
        patch.setattr("promolab.display.page.png", _drawn)
        patch.setattr("IPython.display.display", lambda value, **_: shown.append(value))
        for step in STEPS:
            shown.clear()
            known: dict[str, Any] = {}
            for cell in nbformat.read(step, as_version=4).cells:
                if cell.cell_type == "code":
                    shown.append(value_of(cell.source, known))
                if "parameters" in cell.metadata.get("tags", []):
                    known.update({k: v for k, v in parameters.items() if k in known})
            text = "\n".join(_html(each) for each in shown)
            (folder / f"{step.stem}.txt").write_text(text, encoding="utf-8")
    return folder


def _html(value: Any) -> str:
    shown = getattr(value, "_repr_html_", None)
    return "" if value is None else shown() if shown else str(value)


def _drawn(figure: Any) -> bytes:
    """Return what a figure draws: its lines, bars, points and words."""
    said = []
    for ax in figure.axes:
        said += [line.get_xydata().tolist() for line in ax.lines]
        said += [patch.get_path().vertices.tolist() for patch in ax.patches]
        said += [each.get_offsets().tolist() for each in ax.collections]
        said += [(text.get_text(), text.get_position()) for text in ax.texts]
        said += [ax.get_title(), ax.get_xlim(), ax.get_ylim()]
    return repr(said).encode()


def _files(folder: Path) -> dict[str, bytes]:
    """Return the files but for the manifest, which holds the fingerprints of the input."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {n: data for n, data in found.items() if not n.startswith(".") and n != "manifest.json"}


def test_every_table_file_and_page_is_the_same(two_runs):
    plain, changed = (_files(folder) for folder in two_runs.values())
    assert set(plain) == set(changed)
    assert {f"{step.stem}.txt" for step in STEPS} < set(plain)
    assert "shop/events.parquet" in plain
    for name in ("features", "segments", "pairs", "planned"):
        assert len(pd.read_parquet(two_runs["plain"] / "tables" / f"{name}.parquet")), name
    for name in plain.keys() - {"metrics.json"}:
        told = [plain[name], changed[name]]
        if name.endswith((".txt", ".md")):
            texts = [data.decode() for data in told]
            assert name != "01_data.txt" or all(map(LATER.search, texts))
            told = [LATER.sub("", text).encode() for text in texts]
        assert told[0] == told[1], name


def test_every_number_is_the_same_but_the_rows_dated_later(two_runs):
    found = [json.loads((folder / "metrics.json").read_text()) for folder in two_runs.values()]
    counted = []
    for metrics in found:
        metrics["left_out"] = [LATER.sub("", said) for said in metrics["left_out"]]
        told = {
            name: (r.pop("rows_in"), r.pop("rows_dated_later"))
            for name, r in metrics["data"].items()
        }
        assert told["customers"][1] < told["customers"][0]
        counted.append(told)
    assert found[0] == found[1]
    differs = {name for name in counted[0] if counted[0][name] != counted[1][name]}
    assert differs >= {"events", "exposures", "responses", "decisions", "customers"}
