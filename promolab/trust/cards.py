"""The cards of a week: what its model and its data are and are not for, beside its page."""

from __future__ import annotations

from typing import Any

from promolab.contract import TABLES
from promolab.display import plain_markdown
from promolab.folder import RunFolder, write_whole
from promolab.glossary import label
from promolab.language import _, close_up, speaking
from promolab.results import Estimate, Facts, words_of
from promolab.wording import capital


def write_cards(run: RunFolder) -> None:
    """Write ``model_card.md`` and ``data_card.md`` beside a week's page.

    Every figure in them is one of ``metrics.json`` or ``manifest.json``. They speak the language of
    the report, and read as plain text, too. Groups of fewer customers than the shop states
    (``[privacy] least``) are not listed.

    Parameters
    ----------
    run : RunFolder
        The week's folder, its steps done; who released it stands in its manifest.

    References
    ----------
    Mitchell et al. (2019), Model Cards for Model Reporting; Pushkarna et al. (2022), Data Cards.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.folder import open_run
    >>> run = open_run(tempfile.mkdtemp(), week="2017-W44")
    >>> run.record("response", {"summary": "No promotion is over yet."})
    >>> write_cards(run)
    >>> print((run.path / "model_card.md").read_text()[:101])
    # Model card: , week 2017-W44
    <BLANKLINE>
    - No response model stands behind this week: No promotion is over yet.
    """
    with speaking(run.language):
        metrics, manifest = run.spoken, run.manifest
        told: dict[str, Any] = {name: manifest.get(name) or {} for name in ("release", "versions")}
        told |= {"shop": str(manifest.get("shop") or ""), "week": str(run.week)}
        told |= {"about": metrics.get("shop") or {}, "as_of": f"{manifest.get('as_of')} UTC"}
        told |= {"released": bool(told["release"]), "least": told["about"].get("least", 10)}
        for name, of_card in {"model_card": _of_model, "data_card": _of_data}.items():
            facts = words_of(__name__, name, **told, **of_card(metrics, manifest, told["least"]))
            write_whole(run.path / f"{name}.md", _text(facts))


_COUNTS = ("rows_kept", "rows_quarantined", "rows_dated_later")
_ENDS, _PSI = ("value", "ci_low", "ci_high"), ("psi", "psi_low", "psi_high")


def _of_model(metrics: Any, manifest: Any, least: int) -> dict[str, Any]:
    """Return the facts of the model's card; of a group its n, positives and AUC."""
    response, uplift = metrics.get("response") or {}, metrics.get("uplift") or {}
    planned, private = metrics.get("plan") or {}, metrics.get("privacy") or {}
    parts = [metrics.get(one) or {} for one in ("campaigns", "running", "economics")]
    names = {key: part.get("name") for one in parts for key, part in one.items()}
    groups = [
        {"promotion": names.get(key) or capital(f"{label('promotion_id')} {key}"), **row}
        for key, row in (response.get("by_promotion") or {}).items()
    ]
    groups += (response.get("by_segment") or {}).get("groups") or []
    known = [row for row in groups if row.get("clusters", row["n"]) >= least]
    known = [row | {"auc": Estimate.of(map(row.get, _ENDS))} for row in known]
    drift = (metrics.get("learning") or {}).get("drift") or {}
    moved = {name: map(row.get, _PSI) for name, row in (drift.get("drifted") or {}).items()}
    trained, how = response.get("trained") or {}, uplift.get("identification")
    tested, within = (response.get(name) or {} for name in ("auc", "auc_within"))
    return {
        "features": response.get("features") or [],
        "state": "some" if trained else "none",
        "why": str(response.get("summary") or "–"),
        "method": label(str(response.get("model"))),
        "starts": bool(planned.get("funnel")),
        "planned": [names.get(key) or key for key in planned.get("funnel") or ()],
        "identified": how if how in ("randomised", "adjusted") else "no",
        "trained": trained,
        "outside": trained.get("outside") or 0.0,
        "tested": tested,
        "auc": Estimate.of(map(tested.get, _ENDS)),
        "auc_within": Estimate.of(map(within.get, _ENDS)),
        "promotions": [row for row in known if "promotion" in row],
        "segments": [row for row in known if "group" in row],
        "drift": drift,
        "drifteds": [{"column": name, "psi": Estimate.of(ends)} for name, ends in moved.items()],
        "private": private,
        "guarded": bool(private),
    }


def _of_data(metrics: Any, manifest: Any, least: int) -> dict[str, Any]:
    """Return the facts of the data's card."""
    data, gaps = metrics.get("data") or {}, metrics.get("left_out") or []
    gaps = [*((metrics.get("quarantined") or {}).get("sentences") or ()), *gaps]
    rows = {key: row for key, row in data.items() if "rows_in" in (row or ())}
    called = {name: _(name.replace("_", " ")) for name in {**TABLES, **rows}}
    source = str((manifest.get("parameters") or {}).get("source", ""))
    return {
        "source": source.rstrip("/").rpartition("/")[2],  # a path says whose machine it is on
        "files": len(manifest.get("inputs") or ()),
        "tables": [{"table": called[k], **dict.fromkeys(_COUNTS, 0), **r} for k, r in rows.items()],
        "absent": [called[name] for name in TABLES if name not in data],
        "customers": metrics.get("customers") or {},
        "gaps": [{"gap": sentence} for sentence in gaps],
        "stale": bool((manifest.get("freshness") or {}).get("stale")),
        "withheld": bool((metrics.get("shop") or {}).get("personal")),
    }


def _text(words: Facts) -> str:
    """Return a card as Markdown: a line, or one for each row of a list of the line's name."""
    lines: list[str] = []
    for name in words.words["say"]["order"]:
        rows = words.get(f"{name}s")
        several = isinstance(rows, list)
        told = [row.say(name) for row in words.rows(rows)] if several else [words.say(name)]
        item = "  - " if several and lines[-1] else "- "
        for text in filter(None, map(plain_markdown, map(close_up, told))):
            lines += ["", text, ""] if text.startswith("#") else [item + text]
    return "\n".join(lines).strip() + "\n"
