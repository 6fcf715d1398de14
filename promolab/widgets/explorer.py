"""One explorer: a state that controls move, what is prepared once, and the figure they give.

A control only says what is wanted. One thread at a time draws, and draws the newest wish: of a
burst of moves the last is shown, and those between only where there is time for them. Work runs in
a thread of its own; past half a second a bar and a button to cancel it appear, and a newer wish
ends it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, Generic, TypeVar

from promolab.display import Html, chart, say
from promolab.errors import InputError, PromolabError, nearest
from promolab.folder import ReportsFolder, RunFolder
from promolab.language import language, speaking
from promolab.results import Facts, words_of
from promolab.weeks import Week
from promolab.widgets.controls import checked, control, ipywidgets, written

S = TypeVar("S")
P = TypeVar("P")

STYLE = f"<style>{(Path(__file__).parent / 'explorer.css').read_text('utf-8')}</style>"
"""Of JupyterLab's theme, and of a page's own colours elsewhere."""
MANNERS = (Path(__file__).parent / "manners.js").read_text("utf-8")
"""What ipywidgets leave undone in JupyterLab: it takes a list's arrow keys, D twice would delete
the cell, Escape does not lead back to it, and sliders have no name for those who cannot see."""
SOON = 0.5
"""Seconds after which work shows its progress."""
_WORKER = ThreadPoolExecutor(1, "promolab-work")
"""Explorers prepare one after the other: together none would be sooner."""


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
        self.cancelled = False

    def __call__(self, share: float | None = None, words: str = "") -> None:
        """Say how far the work is (0–1, None where that is not known) and what it does."""
        if self.cancelled:
            raise Cancelled
        self.share, self.words = share, words or self.words


class Explorer(Generic[S, P]):
    """A figure with controls, shown as the value of a notebook's cell.

    Parameters
    ----------
    title : str
        What it is called.
    state : frozen dataclass
        Where the controls stand at first.
    controls : mapping of str to ipywidget
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
        Takes a state and returns what of it decides what is prepared; by default nothing.
    presses : mapping of str to callable, optional
        Button → what takes the state, what is prepared and a `Progress`, perhaps for long, and
        returns the state and what is prepared from then on, and a sentence (empty for none).

    Examples
    --------
    >>> from promolab.widgets import slide
    >>> @dataclasses.dataclass(frozen=True)
    ... class State:
    ...     half: float = 2.0
    >>> def double(state, prepared):
    ...     return say(f"{2 * state.half:g}")
    >>> twice = Explorer("Twice", State(), {"half": slide("half of it", 0.0, 9.0)}, double)
    >>> twice.move(half=3.5).text
    '<p>7</p>'
    >>> twice.move(half=11).text
    '<p class="error" role="alert">half = 11; expected a number from 0 to 9</p>'
    """

    def __init__(
        self,
        title: str,
        state: S,
        controls: Mapping[str, Any],
        render: Callable[[S, P], Html],
        prepared: P | None = None,
        prepare: Callable[[S, Progress], P] | None = None,
        needs: Callable[[S], Any] = lambda _: None,
        presses: Mapping[str, Callable[[S, Any, Progress], tuple[S, P, str]]] | None = None,
    ) -> None:
        self.title, self.controls, self._presses = title, dict(controls), dict(presses or {})
        self.state = self._asked = state
        self._render, self._prepare, self._needs = render, prepare, needs
        self._prepared: Any = prepared
        self._prepared_for: S | None = None if prepared is None and prepare else state
        self._note, self._language = "", language()
        self._wanted: tuple[S, str] | None = None  # the newest state, and the button pressed
        self._running: Progress | None = None
        self._working_for: Any = None
        self._busy = self._quiet = False
        self._lock = threading.RLock()
        W = self._library = ipywidgets()
        self.output, self.words = W.HTML(), W.Label()
        self.bar = W.FloatProgress(min=0, max=1, layout={"width": "14em"})
        self.cancel = control("Button", words_of(__name__, "explorer").word("cancel"))
        parts = [self.bar, self.cancel, self.words]
        self.waiting = W.HBox(parts, layout={"display": "none"})
        self._place()
        self.cancel.on_click(lambda _: self._stop())
        for name, widget in self.controls.items():
            if name in self._presses:
                widget.on_click(lambda _, name=name: self._ask(self._now(), name))
            else:
                widget.observe(functools.partial(self._heard, name), names="value")

    def prepared_now(self) -> P:
        """Return what is prepared for the state; prepares it where it is not."""
        self._make_ready(self.state, _at_once)
        return self._prepared  # type: ignore[no-any-return]

    def move(self, **changes: Any) -> Html:
        """Move controls as a hand would, and return the figure as it is then.

        Parameters
        ----------
        **changes : object
            Values by the controls' names. What is refused leaves the state as it was, and its
            sentence is returned.
        """
        return self._shown(lambda: self._answer(self._changed(changes)))

    def press(self, name: str) -> Html:
        """Press a button as a hand would, and return the figure as it is then.

        Parameters
        ----------
        name : str
            Of the button.
        """
        return self._shown(lambda: self._answer(self.state, name))

    def static(self) -> Html:
        """Return the figure without controls, for pages that stand still."""
        return self._standing(_guarded(lambda: self._answer(self.state)))

    def _standing(self, shown: Html) -> Html:
        with speaking(self._language):
            fields = [
                f"{widget.description}: {written(widget)}"
                for name, widget in self.controls.items()
                if name not in self._presses
            ]
        head = say(self.title, "h4") + say(" · ".join(fields), css="controls")
        return Html(f"{STYLE}<div class='promolab-explorer'>{head.text}{shown.text}</div>")

    @functools.cached_property
    def box(self) -> Any:
        """The controls and the figure as one ipywidget; it is drawn in a moment."""
        head = f"{STYLE}<div class='promolab-explorer'><h4>{escape(self.title)}</h4></div>"
        W = self._library
        looks = {"flex_flow": "row wrap", "grid_gap": "2px 26px"}
        rows = W.Box(list(self.controls.values()), layout=looks)
        told = {"application/javascript": MANNERS}  # elsewhere than in JupyterLab it does nothing
        output = {"output_type": "display_data", "data": told, "metadata": {}}
        manners = W.Output(outputs=(output,), layout={"display": "none"})
        made = W.VBox([W.HTML(head), rows, self.waiting, manners, self.output])
        made.add_class("promolab-explorer")
        self._ask(self.state)
        return made

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until what was asked for is shown; for scripts and tests."""
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            time.sleep(0.002)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        with speaking(self._language):
            words = words_of(__name__, "explorer", title=self.title)
            bundle: dict[str, Any] = {"text/plain": words.say("name")}
            if not _somebody_is_there():
                return bundle | {"text/html": self.static().text}
            # What must be prepared first is prepared under the controls, where it can be cancelled.
            later = say(words.say("later"), css="absent")
        waits = self._stale(self.state)
        shown = self._standing(later) if waits else self.static()
        widgets: dict[str, Any] = self.box._repr_mimebundle_()
        return bundle | widgets | {"text/html": shown.text}

    def _repr_html_(self) -> str:
        return self.static().text

    # --- what a state shows ----------------------------------------------------------------------

    def _changed(self, changes: Mapping[str, Any]) -> S:
        """Return the state with some values changed, or refuse them."""
        movable = [name for name in self.controls if name not in self._presses]
        for name in changes:
            if name not in movable:
                raise InputError(f"there is no control {name!r}; {nearest(name, movable)}")
        given = {name: checked(self.controls[name], name, v) for name, v in changes.items()}
        return _replaced(self.state, given)

    def _stale(self, state: S) -> bool:
        """Tell whether something must be prepared for a state."""
        return self._prepare is not None and (
            self._prepared_for is None or self._needs(self._prepared_for) != self._needs(state)
        )

    def _keep(self, state: S, prepared: P, note: str = "") -> None:
        with self._lock:
            self._prepared, self._prepared_for, self._note = prepared, state, note

    def _make_ready(self, state: S, work: Callable[..., Any]) -> None:
        prepare = self._prepare
        if prepare is not None and self._stale(state):
            with speaking(self._language):
                self._keep(state, work(state, lambda progress: prepare(state, progress)))

    def _answer(self, state: S, press: str = "", work: Callable[..., Any] | None = None) -> Html:
        """Prepare what a state needs, press a button, and return the figure as it is then."""
        work = work or _at_once
        if press and press not in self._presses:
            raise InputError(f"there is no button {press!r}; {nearest(press, self._presses)}")
        self._make_ready(state, work)
        with speaking(self._language):
            if press:
                act = functools.partial(self._presses[press], state, self._prepared)
                state, *made = work(state, act)
                self._keep(state, *made)
            with self._lock:
                shown = self._render(state, self._prepared)
                self.state, note, self._note = state, self._note, ""
        return say(note, css="note") + shown if note else shown

    def _shown(self, answer: Callable[[], Html]) -> Html:
        shown = _guarded(answer)
        self.output.value = shown.text
        self._place()
        return shown

    def _place(self) -> None:
        """Put the controls where the state is, without hearing of it."""
        self._quiet, self._asked = True, self.state
        try:
            for name, widget in self.controls.items():
                if name not in self._presses:
                    widget.value = getattr(self.state, name)
        finally:
            self._quiet = False

    # --- what hands ask for ----------------------------------------------------------------------

    def _heard(self, name: str, change: Any) -> None:
        if not self._quiet:
            self._ask(_replaced(self._now(), {name: change["new"]}))

    def _now(self) -> S:
        """Return where the controls stand, drawn already or not."""
        return self._asked if self._busy else self.state

    def _ask(self, state: S, press: str = "") -> None:
        """Say what is wanted from now on; a thread that draws already will see it."""
        with self._lock:
            self._wanted, self._asked = (state, press), state
            unlike = self._needs(self._working_for or state) != self._needs(state)
            if self._running is not None and not press and unlike:
                self._running.cancelled = True  # what it prepares is not wanted any more
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._draw, name="promolab-explorer", daemon=True).start()

    def _draw(self) -> None:
        while True:
            with self._lock:
                if self._wanted is None:
                    self._busy = False
                    return
                (state, press), self._wanted = self._wanted, None
            moves = bool(press)
            try:
                self.output.value = self._answer(state, press, self._aside).text
            except Cancelled:
                moves = True  # back to where the figure is
            except Exception as error:
                self.output.value, moves = _told(error).text, False
            if self._wanted is None:
                self._asked = self.state
                if moves:
                    self._place()

    def _aside(self, state: S, work: Callable[[Progress], Any]) -> Any:
        """Run work beside the screen; what is cancelled is left behind at once."""
        progress, begun = Progress(), time.monotonic()
        with self._lock:
            self._running, self._working_for = progress, state
        found = _WORKER.submit(self._spoken, work, progress)
        try:
            while not wait([found], 0.05).done:
                # Work that is soon done is not given up: where a key is held, figures go along.
                if (seconds := time.monotonic() - begun) > SOON:
                    if progress.cancelled:
                        raise Cancelled
                    self._tell(progress, seconds)
            return found.result()
        finally:
            with self._lock:
                self._running = None
            self.waiting.layout.display = "none"

    def _spoken(self, work: Callable[[Progress], Any], progress: Progress) -> Any:
        with speaking(self._language):  # of the thread
            return work(progress)

    def _tell(self, progress: Progress, seconds: float) -> None:
        share, said = progress.share, progress.words
        self.bar.value = 1.0 if share is None else share
        self.bar.bar_style = "info" if share is None else ""
        doing = said or words_of(__name__, "explorer").word("working")
        self.words.value = f"{doing} · {seconds:.0f} s"
        self.waiting.layout.display = "flex"

    def _stop(self) -> None:
        with self._lock:
            if self._running is not None:
                self._running.cancelled = True


def _at_once(_: Any, work: Callable[[Progress], Any]) -> Any:
    return work(Progress())


def _replaced(state: S, given: Mapping[str, Any]) -> S:
    one: Any = state
    return dataclasses.replace(one, **given)  # type: ignore[no-any-return]


def _guarded(make: Callable[[], Html]) -> Html:
    try:
        return make()
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> Html:
    """Return an error as the sentence that is shown; what was not foreseen is logged, too."""
    if isinstance(error, PromolabError):
        return Html(f'<p class="error" role="alert">{escape(str(error))}</p>')
    logging.getLogger("promolab.widgets").error("an explorer failed", exc_info=error)
    words = words_of(__name__, "explorer", kind=type(error).__name__, error=str(error))
    return Html(f'<p class="error" role="alert">{escape(words.say("unforeseen"))}</p>')


def drawn(
    words: Facts, name: str, marks: Sequence[Any], axes: tuple[str, str] | None = None, **looks: Any
) -> Html:
    """Draw a chart whose title, description and axes stand among the lines of words.

    Parameters
    ----------
    words : Facts
    name : str
        Of its lines: ``NAME_title``, ``NAME_xlabel`` and ``NAME_ylabel``; they describe it.
    marks : sequence
        As `promolab.display.chart` takes them, and its other options.
    axes : (str, str), optional
        Other lines that say what lies across and up.
    """
    axes = axes or (f"{name}_xlabel", f"{name}_ylabel")
    title, across, up = (words.say(line) for line in (f"{name}_title", *axes))
    return chart(marks, title, " · ".join((title, across, up)), across, up, **looks)


def _somebody_is_there() -> bool:
    """Tell whether a cell runs in a notebook that is open, where controls can be moved.

    Papermill and its kin answer no questions, and say so in each request; their pages stand still.
    """
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)  # type: ignore[no-untyped-call]
    request = {} if kernel is None else kernel.get_parent()
    return bool(request.get("content", {}).get("allow_stdin"))


def week_of(week: str | Path | RunFolder | None, out: str | Path) -> RunFolder:
    """Return a week's folder.

    Parameters
    ----------
    week : str, Path or RunFolder, optional
        An ISO week, the path of its folder, or the folder; by default the newest week.
    out : str or Path
        The folder of all reports, for an ISO week.

    Raises
    ------
    InputError
        There is no such week, or it is not whole.
    """
    if isinstance(week, RunFolder):
        return week
    if week is not None and Path(week).is_dir():
        out, week = Path(week).resolve().parent, Path(week).resolve().name
    reports = ReportsFolder.there(out)
    if week is not None:
        return reports.whole_run(Week.parse(str(week)))
    weeks = reports.weeks()
    if not weeks:
        raise InputError(f"{out} holds no week yet; make one with: promolab report --out {out}")
    return reports.whole_run(weeks[-1])


@contextmanager
def reading(run: RunFolder) -> Iterator[None]:
    """Read a week inside of this, in the language of its report.

    Parameters
    ----------
    run : RunFolder
        The week that is read.

    Raises
    ------
    InputError
        A figure or a column is not there: an earlier promolab did not write it yet.
    """
    try:
        with speaking(run.language):
            yield
    except KeyError as error:
        raise InputError(
            f"{run.week} in {run.reports.path} does not hold {error}: an earlier promolab made it; "
            "make the week again, or explore a later one"
        ) from error
