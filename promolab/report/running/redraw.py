"""Pages that show codes of an earlier key: drafts are rendered again, released ones are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.errors import InputError, PromolabError
from promolab.folder import (
    KEY_FILE,
    follows_from_inputs,
    good_weeks,
    new_key,
    read_json,
    write_json,
    write_secret,
)
from promolab.loop import state_of
from promolab.report.running.parameters import check_parameters
from promolab.weeks import Week
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.report.running.call import Request

__all__ = ["check_codes", "draw_again", "drawn", "renew_key"]

_TO_DRAW = ".redraw.json"


def renew_key(out: Path, inputs: Mapping[str, str]) -> list[str]:
    """See that a reports folder has a key that nobody can compute, and say what follows from it.

    Parameters
    ----------
    out : Path
        The reports folder, held.
    inputs : mapping of str to str
        SHA-256 of each input file of the run.

    Returns
    -------
    list of str
        Sentences, where pages stand there that show codes of another key; the drafts among them
        are noted, for `draw_again`.
    """
    made = new_key(out, inputs)
    if made is None:
        return []
    key, why = made
    weeks = good_weeks(out)
    states = {week: state_of(read_json(out / str(week) / "manifest.json")) for week in weeks}
    drafts = [week for week, state in states.items() if state == "draft"]
    _note(out, {*_to_draw(out), *drafts})  # first, so that a run killed in between loses none
    write_secret(out / KEY_FILE, key)
    if not weeks:
        return []
    said = [why]
    if drafts:
        said.append(
            f"{plural(len(drafts), 'draft')} with codes of the earlier key {_are(drafts)} rendered "
            f"again: {_listed(drafts)}"
        )
    released = [week for week, state in states.items() if state != "draft"]
    if released:
        said.append(
            f"a released plan never changes: the pages of {_listed(released)} keep the codes of "
            "the earlier key; do not pass them on, and take back what was passed on"
        )
    return said


def draw_again(
    out: Path,
    request: Request,
    make: Callable[[Request], object],
    say: Callable[[str], object],
) -> None:
    """Render the drafts that `renew_key` noted, each from its own parameters.

    Parameters
    ----------
    out : Path
        The reports folder.
    request : Request
        Another week's of the same source.
    make : callable
        Makes the week of a request.
    say : callable
        Told which week is rendered, and why one could not be.
    """
    for week in _to_draw(out):
        manifest = read_json(out / str(week) / "manifest.json")
        if week not in good_weeks(out) or state_of(manifest) != "draft":
            drawn(out, week)
            continue
        say(f"rendering the draft of {week} again, with codes of the new key")
        try:
            make(_request(request, week, manifest["parameters"]))
        except PromolabError as error:
            say(
                f"the draft of {week} still shows codes of the earlier key: {error}; make it "
                f"again: promolab report --week {week}"
            )


def drawn(out: Path, week: Week) -> None:
    """Note that a week's pages show codes of the folder's key."""
    if week in (left := _to_draw(out)):
        _note(out, {*left} - {week})


def check_codes(out: Path, week: Week) -> None:
    """Refuse to release pages whose codes lead back to customers.

    Raises
    ------
    InputError
        If the folder's key could be computed, or the week's pages show codes of such a key.
    """
    key = out / KEY_FILE
    known = key.exists() and follows_from_inputs(key.read_bytes(), out, {})
    if known or week in _to_draw(out):
        raise InputError(
            f"the pages of {week} show codes that can be traced back to customers; make them again "
            f"first: promolab report --week {week}"
        )


def _request(request: Request, week: Week, told: Mapping[str, object]) -> Request:
    own = ("source", "week", "seed", "shop_file")
    given = {name: value for name, value in told.items() if name not in own}
    file = told.get("shop_file")
    return replace(
        request,
        week=week,
        seed=int(str(told.get("seed", request.seed))),
        shop_file=None if file is None else str(file),
        parameters=check_parameters(request.steps, given),
    )


def _to_draw(out: Path) -> list[Week]:
    return [Week.parse(text) for text in read_json(out / _TO_DRAW) or []]


def _note(out: Path, weeks: set[Week]) -> None:
    if weeks:
        write_json(out / _TO_DRAW, sorted(map(str, weeks)))
    else:
        (out / _TO_DRAW).unlink(missing_ok=True)


def _are(weeks: Sequence[Week]) -> str:
    return "is" if len(weeks) == 1 else "are"


def _listed(weeks: Sequence[Week]) -> str:
    return ", ".join(map(str, weeks))
