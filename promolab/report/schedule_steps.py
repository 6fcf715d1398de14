"""Run steps that do not wait for each other side by side, when there is memory for two."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from promolab.report.needs import waits_for
from promolab.report.parameters import Step

__all__ = ["available_memory", "has_room", "run_steps", "usual_workers"]

ROOM = 4.5 * 2**30  # bytes: 1.5 that a step may take, 3 for the one that runs and all else
_CGROUP = Path("/sys/fs/cgroup")


def usual_workers() -> int:
    """Return how many steps run at once where nothing else is said: two, on one core one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(2, cores or 1)


def has_room() -> bool:
    """Tell whether there is memory for a second step beside the one that runs."""
    return available_memory() >= ROOM


def available_memory() -> float:
    """Return how many bytes may still be taken without swapping.

    That is what the system says it has, or what the container has left of its limit, whichever is
    less. Where the system does not say (macOS), half of what is built in counts as available.
    """
    return min(_of_the_system(), _of_the_container(_CGROUP))


def _of_the_system() -> float:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(float(i.split()[1]) for i in lines if i.startswith("MemAvailable:"))
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return 0.0  # unknown: one after the other is always right


def _of_the_container(folder: Path) -> float:
    for limit, used, reclaimed in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # "max" is no number: there is no limit
            left = float((folder / limit).read_text()) - float((folder / used).read_text())
            lines = (folder / limit).with_name("memory.stat").read_text().splitlines()
            counts = dict(line.split(maxsplit=1) for line in lines)
            return left + float(counts.get(reclaimed, 0))
    return float("inf")


def run_steps(
    steps: Sequence[Step],
    work: Callable[[Step], None],
    *,
    workers: int,
    stop: Callable[[], None],
    room: Callable[[], bool] = has_room,
) -> None:
    """Run steps, each as soon as those that it waits for are done.

    Parameters
    ----------
    steps : sequence of Step
        In their order: what can start at the same time starts in this order.
    work : callable
        Runs one step, on a thread of its own.
    workers : int
        How many may run at once.
    stop : callable
        Makes the steps that run end soon; called when one failed or the run was interrupted.
    room : callable
        Whether there is memory for one more beside one that runs.

    Raises
    ------
    BaseException
        What the first step that failed raised. What had not begun by then never begins.
    """
    needs = waits_for(steps)
    left, done = list(steps), set[str]()
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
        try:
            while left or running:
                for step in _ready(left, needs, done):
                    if len(running) < workers and (not running or room()):
                        left.remove(step)
                        running[pool.submit(work, step)] = step
                over, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(over, key=lambda f: steps.index(running[f])):
                    done.add(running.pop(future).stem)
                    future.result()
        except BaseException:
            stop()
            raise  # once the pool's threads have come to their end


def _ready(left: Sequence[Step], needs: Mapping[str, frozenset[str]], done: set[str]) -> list[Step]:
    return [step for step in left if needs[step.stem] <= done]
