"""An explorer on the screen: its controls as ipywidgets, its figure as one HTML widget.

A control only says what is wanted. One thread at a time draws, and draws the newest wish: of a
burst of moves the last is shown, and those between only where there is time for them. Work runs in
a thread of its own; past half a second a bar and a button to cancel it appear, and a newer wish
ends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812 - as its own pages call it

from promolab.display import Html
from promolab.widgets.controls import (
    Choose,
    Control,
    Figure,
    Press,
    Several,
    Slide,
    Steps,
    Tick,
    Words,
)
from promolab.widgets.explorer import SOON, STYLE, Cancelled, Explorer, Progress, told

if TYPE_CHECKING:
    from traitlets import Bunch

_WORKING = threading.Lock()
"""Explorers prepare one after the other: together none would be sooner."""
_STYLE = {"description_width": "initial"}
_LAYOUT = {"width": "auto", "min_width": "15em", "max_width": "100%"}


class View:
    """The widgets of one explorer.

    Parameters
    ----------
    explorer : Explorer
        What they show and move.
    """

    def __init__(self, explorer: Explorer[Any, Any]) -> None:
        self._explorer = explorer
        self._wanted: tuple[Any, str] | None = None  # the newest state, and the button pressed
        self._running: Progress | None = None
        self._working_for: Any = None
        self._asked = explorer.state
        self._busy = self._quiet = False
        self._lock = threading.Lock()
        self.inputs = {
            name: _widget_of(c, explorer.state, name) for name, c in explorer.controls.items()
        }
        for name, widget in self.inputs.items():
            if isinstance(widget, W.Button):
                widget.on_click(lambda _, name=name: self._ask(self._now(), name))
            else:
                widget.observe(self._heard(name), names="value")
        self.output = W.HTML()
        self.bar = W.FloatProgress(min=0, max=1, layout={"width": "14em"})
        self.words = W.Label()
        self.cancel = W.Button(description="Cancel")
        self.cancel.on_click(lambda _: self._stop())
        self.waiting = W.HBox([self.bar, self.cancel, self.words], layout={"display": "none"})
        head = W.HTML(f"{STYLE}<div class='promolab-explorer'><h4>{explorer.title}</h4></div>")
        rows = W.Box(
            list(self.inputs.values()), layout={"flex_flow": "row wrap", "grid_gap": "2px 26px"}
        )
        self.box = W.VBox([head, rows, self.waiting, _manners(), self.output])
        self.box.add_class("promolab-explorer")
        self._ask(explorer.state)

    def mimebundle(self) -> dict[str, Any]:
        """Return what a notebook needs to show the widgets."""
        return dict(self.box._repr_mimebundle_())

    def follow(self, shown: Html) -> None:
        """Show a figure that code moved to, and put the controls where the state is."""
        self.output.value = shown.text
        self._place()

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until what was asked for is shown; for scripts and tests."""
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            time.sleep(0.002)

    def _heard(self, name: str) -> Callable[[Bunch], None]:
        def heard(change: Bunch) -> None:
            if self._quiet:
                return
            try:
                moved = self._explorer.changed({name: change["new"]}, self._now())
            except Exception as error:
                self.output.value = told(error).text
                return
            self._ask(moved)

        return heard

    def _now(self) -> Any:
        """Return where the controls stand, drawn already or not."""
        return self._asked if self._busy else self._explorer.state

    def _ask(self, state: Any, press: str = "") -> None:
        """Say what is wanted from now on; a thread that draws already will see it."""
        with self._lock:
            self._wanted, self._asked = (state, press), state
            running, alike = self._running, self._explorer.prepared_alike
            if running is not None and not press and not alike(self._working_for, state):
                running.cancel()  # what it prepares is not wanted any more
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
            try:
                shown = self._answer(state, press)
            except Cancelled:
                if self._wanted is None:
                    self._place()  # back to where the figure is
            except Exception as error:
                self.output.value = told(error).text
                if self._wanted is None:
                    self._asked = self._explorer.state
            else:
                self.output.value = shown.text
                if press:
                    self._place()

    def _answer(self, state: Any, press: str) -> Html:
        explorer = self._explorer
        if explorer.needs_work(state):
            explorer.keep(state, self._work(state, lambda p: explorer.work(state, p)))
        if press:
            control, ready = explorer.controls[press], explorer.prepared
            assert isinstance(control, Press)
            state, made, note = self._work(state, lambda p: control.act(state, ready, p))
            explorer.keep(state, made, note)
        return explorer.figure(state)

    def _work(self, state: Any, work: Callable[[Progress], Any]) -> Any:
        """Run work beside the screen; what is cancelled is left behind at once."""
        progress, over = Progress(), threading.Event()
        found: list[tuple[Any, BaseException | None]] = []

        def run() -> None:
            try:
                with _WORKING:
                    found.append((work(progress), None))
            except BaseException as error:
                found.append((None, error))
            over.set()

        with self._lock:
            self._running, self._working_for = progress, state
        begun = time.monotonic()
        threading.Thread(target=run, name="promolab-work", daemon=True).start()
        try:
            while not over.wait(0.05):
                # Work that is soon done is not given up: where a key is held, figures go along.
                if (seconds := time.monotonic() - begun) > SOON:
                    if progress.cancelled:
                        raise Cancelled
                    self._tell(progress, seconds)
        finally:
            with self._lock:
                self._running = None
            self.waiting.layout.display = "none"
        result, error = found[0]
        if error is not None:
            raise error
        return result

    def _tell(self, progress: Progress, seconds: float) -> None:
        share = progress.share
        self.bar.value = 1.0 if share is None else share
        self.bar.bar_style = "info" if share is None else ""
        self.words.value = f"{progress.words or 'working'} · {seconds:.0f} s"
        self.waiting.layout.display = "flex"

    def _stop(self) -> None:
        with self._lock:
            if self._running is not None:
                self._running.cancel()

    def _place(self) -> None:
        """Put the controls where the state is, without hearing of it."""
        self._quiet, self._asked = True, self._explorer.state
        try:
            for name, widget in self.inputs.items():
                if not isinstance(widget, W.Button):
                    widget.value = getattr(self._explorer.state, name)
        finally:
            self._quiet = False


# What ipywidgets leave undone in JupyterLab: it takes a list's arrow keys, D twice would delete the
# cell, Escape does not lead back to it, and sliders have no name for those who cannot see them.
MANNERS = (Path(__file__).parent / "manners.js").read_text("utf-8")


def _manners() -> W.Output:
    """Return what runs `MANNERS` beside the controls; elsewhere than in JupyterLab nothing."""
    told = {"application/javascript": MANNERS}
    output = {"output_type": "display_data", "data": told, "metadata": {}}
    return W.Output(outputs=(output,), layout={"display": "none"})


def _widget_of(control: Control, state: Any, name: str) -> Any:
    """Return the ipywidget of a control."""
    given: dict[str, Any] = {"description": control.label, "style": _STYLE, "layout": _LAYOUT}
    given["tooltip"] = control.hint or control.label
    if isinstance(control, Press):
        look = "primary" if control.primary else ""
        looks = {"button_style": look, "layout": {"width": "auto"}}
        return W.Button(description=control.label, tooltip=control.hint, **looks)
    value = getattr(state, name)
    if isinstance(control, Figure):
        ends = {"min": control.low, "max": control.high, "step": control.step}
        if not isinstance(control, Slide):
            return W.BoundedFloatText(value=value, **ends, **given)
        given["layout"] = _sliding(control)
        whole = all(isinstance(v, int) for v in (value, *ends.values()))
        kind, form = (W.IntSlider, ",d") if whole else (W.FloatSlider, _form(control.step, 0, "f"))
        form = _form(control.step, 2, "%") if control.share else form
        return kind(value=value, **ends, readout_format=form, **given)
    if isinstance(control, Steps):
        given["layout"] = _sliding(control)
        return W.SelectionSlider(options=list(control.options.items()), value=value, **given)
    if isinstance(control, Choose):
        return W.Dropdown(options=list(control.options.items()), value=value, **given)
    if isinstance(control, Several):
        rows = min(max(len(control.options), 2), 6)  # of one, browsers make a list to be opened
        options = list(control.options.items())
        return W.SelectMultiple(options=options, value=value, rows=rows, **given)
    if isinstance(control, Tick):
        return W.Checkbox(value=value, indent=False, description=control.label, layout=_LAYOUT)
    proposed = control.proposed if isinstance(control, Words) else ()
    return W.Combobox(value=value, options=proposed, continuous_update=False, **given)


def _sliding(control: Control) -> dict[str, str]:
    """Return a width that leaves the slider a way to go beside its label and figure."""
    return _LAYOUT | {"width": f"{17 + 0.55 * len(control.label):.0f}em"}


def _form(step: float, shift: int, sign: str) -> str:
    """Return how a figure is written beside its slider: with as many decimals as its step has."""
    digits = (d for d in range(4) if abs(round(step * 10 ** (d + shift), 6) % 1) < 1e-6)
    return f",.{next(digits, 3)}{sign}"
