"""One explorer: a state that controls move, what is prepared once, and the figure they give."""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from promolab.display import Html, say
from promolab.errors import InputError, MissingExtraError, PromolabError, nearest
from promolab.widgets.controls import Control, Press

if TYPE_CHECKING:
    from promolab.widgets.view import View

S = TypeVar("S")
P = TypeVar("P")
T = TypeVar("T")

STYLE = f"<style>{(Path(__file__).parent / 'explorer.css').read_text('utf-8')}</style>"
"""Of JupyterLab's theme, and of a page's own colours elsewhere."""
SOON = 0.5
"""Seconds after which work shows its progress."""


class Cancelled(Exception):  # noqa: N818 - no error: somebody pressed Cancel
    """Work was told to stop."""


class Progress:
    """How far work is: called with a share and words, and stops the work that was cancelled.

    Examples
    --------
    >>> progress = Progress()
    >>> progress(0.5, "drawing halves of the customers")
    >>> progress.share, progress.words
    (0.5, 'drawing halves of the customers')
    """

    def __init__(self) -> None:
        self.share: float | None = None
        self.words = ""
        self._stopped = threading.Event()

    def __call__(self, share: float | None = None, words: str = "") -> None:
        """Say how far the work is (0–1, None where that is not known) and what it does."""
        if self._stopped.is_set():
            raise Cancelled
        self.share, self.words = share, words or self.words

    def cancel(self) -> None:
        """Stop the work at its next call."""
        self._stopped.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was told to stop."""
        return self._stopped.is_set()


class Explorer(Generic[S, P]):
    """A figure with controls, shown as the value of a notebook's cell.

    Parameters
    ----------
    title : str
        What it is called.
    state : frozen dataclass
        Where the controls stand at first.
    controls : mapping of str to Control
        By field of the state, in the order to show them; buttons by a name of their own.
    render : callable
        Takes a state and what is prepared, and returns the figure as `Html`; pure, and quick enough
        to be called at each move.
    prepared : object, optional
        What was sorted, cumulated or fitted once.
    prepare : callable, optional
        Takes a state and a `Progress`, and returns what is prepared; called at first where
        ``prepared`` is not given, and whenever ``needs`` differs.
    needs : callable, optional
        Takes a state and returns what of it decides what is prepared; by default the values of the
        controls that are ``slow``.

    Examples
    --------
    >>> from promolab.widgets import Slide
    >>> @dataclasses.dataclass(frozen=True)
    ... class State:
    ...     half: float = 2.0
    >>> def double(state, prepared):
    ...     return say(f"{2 * state.half:g}")
    >>> twice = Explorer("Twice", State(), {"half": Slide("half of it", 0, 9)}, double)
    >>> twice.move(half=3.5).text
    '<p>7</p>'
    >>> twice.move(half=11).text
    '<p class="error" role="alert">half = 11; expected a number from 0 to 9</p>'
    """

    def __init__(
        self,
        title: str,
        state: S,
        controls: Mapping[str, Control],
        render: Callable[[S, P], Html],
        prepared: P | None = None,
        prepare: Callable[[S, Progress], P] | None = None,
        needs: Callable[[S], Any] | None = None,
    ) -> None:
        self.title, self.controls = title, dict(controls)
        self._state, self._render, self._prepare = state, render, prepare
        self._needs = needs or self._slow
        self._prepared = prepared
        self._prepared_for: S | None = None if prepared is None and prepare else state
        self._note = ""
        self._lock = threading.RLock()

    @property
    def state(self) -> S:
        """Where the controls stand."""
        return self._state

    def prepared_now(self) -> P:
        """Return what is prepared for the state; prepares it where it is not."""
        with self._lock:
            return self._ready(self._state, Progress())

    def move(self, **changes: Any) -> Html:
        """Move controls as a hand would, and return the figure as it is then.

        Parameters
        ----------
        **changes : object
            Values by the controls' names. What is refused leaves the state as it was, and its
            sentence is returned.
        """
        with self._lock:
            shown = self._guarded(lambda: self._moved_to(self.changed(changes)))
        self._show(shown)
        return shown

    def press(self, name: str) -> Html:
        """Press a button as a hand would, and return the figure as it is then.

        Parameters
        ----------
        name : str
            Of the button.
        """
        with self._lock:
            shown = self._guarded(lambda: self._pressed(name, Progress()))
        self._show(shown)
        return shown

    def static(self) -> Html:
        """Return the figure without controls, for pages that stand still."""
        with self._lock:
            return self._standing(self._guarded(lambda: self._moved_to(self._state)))

    def _standing(self, shown: Html) -> Html:
        fields = [
            f"{control.label}: {control.written(getattr(self._state, name))}"
            for name, control in self.controls.items()
            if not isinstance(control, Press)
        ]
        head = say(self.title, "h4") + say(" · ".join(fields), css="controls")
        return Html(f"{STYLE}<div class='promolab-explorer'>{head.text}{shown.text}</div>")

    @functools.cached_property
    def view(self) -> View:
        """The controls and the figure as one ipywidget.

        Raises
        ------
        MissingExtraError
            The extra ``lab`` is not installed.
        """
        try:
            import ipywidgets  # noqa: F401
        except ImportError:
            raise MissingExtraError("an explorer with controls", "lab") from None
        from promolab.widgets.view import View

        return View(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": f"{self.title} (an explorer)"}
        if not _somebody_is_there():
            return bundle | {"text/html": self.static().text}
        # What must be prepared first is prepared under the controls, where it can be cancelled.
        later = say("The figure is drawn where the notebook is run.", css="absent")
        waits = self.needs_work(self._state)
        try:
            bundle |= self.view.mimebundle()
        except MissingExtraError as error:
            return bundle | {"text/html": self.static().text + say(str(error), css="absent").text}
        return bundle | {"text/html": (self._standing(later) if waits else self.static()).text}

    def _repr_html_(self) -> str:
        return self.static().text

    # What follows is what `View` needs; it holds the lock no longer than it must.

    @property
    def prepared(self) -> P:
        """What is prepared, for whatever state."""
        return self._prepared  # type: ignore[return-value]

    def changed(self, changes: Mapping[str, Any], state: S | None = None) -> S:
        """Return a state (by default its own) with some values changed, or refuse them."""
        movable = [name for name, one in self.controls.items() if not isinstance(one, Press)]
        for name in changes:
            if name not in movable:
                raise InputError(f"there is no control {name!r}; {nearest(name, movable)}")
        given = {name: self.controls[name].checked(name, v) for name, v in changes.items()}
        base: Any = self._state if state is None else state
        return dataclasses.replace(base, **given)  # type: ignore[no-any-return]

    def needs_work(self, state: S) -> bool:
        """Tell whether something must be prepared for a state."""
        if self._prepare is None:
            return False
        return self._prepared_for is None or not self.prepared_alike(self._prepared_for, state)

    def prepared_alike(self, one: S, other: S) -> bool:
        """Tell whether the same is prepared for two states."""
        return bool(self._needs(one) == self._needs(other))

    def work(self, state: S, progress: Progress) -> P:
        """Return what a state needs prepared; keeps nothing."""
        if self._prepare is None:
            raise InputError("nothing is to be prepared here")
        return self._prepare(state, progress)

    def keep(self, state: S, prepared: P, note: str = "") -> None:
        """Keep what was prepared for a state."""
        with self._lock:
            self._prepared, self._prepared_for, self._note = prepared, state, note

    def figure(self, state: S) -> Html:
        """Move to a state whose needs are prepared, and return its figure or a sentence."""
        with self._lock:
            return self._guarded(lambda: self._moved_to(state))

    def _slow(self, state: S) -> tuple[Any, ...]:
        slow = [name for name, control in self.controls.items() if control.slow]
        return tuple(getattr(state, name, None) for name in slow)

    def _ready(self, state: S, progress: Progress) -> P:
        if self.needs_work(state):
            self.keep(state, self.work(state, progress))
        return self._prepared  # type: ignore[return-value]

    def _moved_to(self, state: S) -> Html:
        shown = self._render(state, self._ready(state, Progress()))
        self._state = state
        note, self._note = self._note, ""
        return say(note, css="note") + shown if note else shown

    def _pressed(self, name: str, progress: Progress) -> Html:
        control = self.controls.get(name)
        if not isinstance(control, Press):
            presses = [one for one, c in self.controls.items() if isinstance(c, Press)]
            raise InputError(f"there is no button {name!r}; {nearest(name, presses)}")
        state, prepared, note = control.act(
            self._state, self._ready(self._state, progress), progress
        )
        self.keep(state, prepared, note)
        return self._moved_to(state)

    def _guarded(self, make: Callable[[], Html]) -> Html:
        try:
            return make()
        except Exception as error:
            return told(error)

    def _show(self, shown: Html) -> None:
        if "view" in self.__dict__:
            self.view.follow(shown)


def told(error: Exception) -> Html:
    """Return an error as the sentence that a widget shows; what was not foreseen is logged, too."""
    if isinstance(error, PromolabError):
        return Html(f'<p class="error" role="alert">{escape(str(error))}</p>')
    logging.getLogger("promolab.widgets").error("an explorer failed", exc_info=error)
    words = f"This went wrong, and promolab did not foresee it: {type(error).__name__}: {error}"
    return Html(f'<p class="error" role="alert">{escape(words)}</p>')


def _somebody_is_there() -> bool:
    """Tell whether a cell runs in a notebook that is open, where controls can be moved.

    Papermill and its kin answer no questions, and say so in each request; their pages stand still.
    """
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)  # type: ignore[no-untyped-call]
    request = {} if kernel is None else kernel.get_parent()
    return bool(request.get("content", {}).get("allow_stdin"))
