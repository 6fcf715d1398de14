"""Open a simulated shop, made where it is not there yet."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from promolab.contract import Settings
from promolab.errors import InputError, nearest
from promolab.simulated import SimulatedShop, Truth, World

__all__ = ["simulated", "stated_world"]


def simulated(
    settings: Settings | None = None,
    threads: int | None = None,
    /,
    *,
    folder: str | Path | None = None,
    **world: Any,
) -> SimulatedShop:
    """Make a simulated shop, or open it again where it was made before.

    Parameters
    ----------
    settings : Settings, optional
        In place of its own ``shop.toml``.
    threads : int, optional
        Threads of the engine.
    folder : str or Path, optional
        Where its tables are kept, and opened from the next time; by default they go with the
        process. The truth is written nowhere.
    **world
        Fields of `World`: customers, weeks, seed, variant, exploration, dirt …

    Raises
    ------
    InputError
        A field that is unknown or out of range, or a folder that holds something else or cannot be
        written.

    Examples
    --------
    >>> shop = simulated(customers=200, weeks=12)
    >>> sorted(shop.tables)[:3]
    ['calendar', 'contact_rights', 'customers']
    >>> shop.truth.effects("W07-coupon").shape
    (200, 13)
    """
    from promolab.engines import scratch
    from promolab.simulated import holds, read_soiled, write_shop
    from promolab.sources.tables import open_folder

    known = [field.name for field in dataclasses.fields(World)]
    for name in world:
        if name not in known:
            raise InputError(
                f"a simulated shop has no {name!r}; {nearest(name, [*known, 'folder'])}"
            )
    made = World(**world)
    named = hashlib.sha256(repr(made).encode()).hexdigest()[:16]
    place = Path(str(folder)).expanduser() if folder else Path(scratch()) / f"simulated-{named}"
    try:
        if not holds(place, made):
            write_shop(made, place)
    except OSError as error:
        raise InputError(f"{place} cannot be written: {error}; give another folder") from error
    shop = open_folder(place, settings, threads)
    fields = {f.name: getattr(shop, f.name) for f in dataclasses.fields(shop)}
    return SimulatedShop(**fields, truth=Truth(made), soiled=read_soiled(place), of_world=_of_world)


def _of_world(world: World) -> SimulatedShop:
    return simulated(**{f.name: getattr(world, f.name) for f in dataclasses.fields(world)})


def stated_world(source: str) -> dict[str, Any]:
    """Read what ``simulated:name=value,…`` states.

    Parameters
    ----------
    source : str
        What was given as a source.

    Raises
    ------
    InputError
        What stands behind the colon is not of that form.

    Examples
    --------
    >>> stated_world("simulated:customers=20000,variant=hard,exploration=0.5")
    {'customers': 20000, 'variant': 'hard', 'exploration': 0.5}
    """
    stated: dict[str, Any] = {}
    for part in filter(None, source.partition(":")[2].split(",")):
        name, equals, text = part.partition("=")
        if not equals:
            raise InputError(f"{source}: {part!r} is not understood; write name=value")
        stated[name.strip()] = _value(text.strip())
    return stated


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
