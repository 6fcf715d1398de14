"""The machinery: what moves, what is refused, what is prepared anew, what is shown of an error."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from promolab.display import say
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.weeks import Week
from promolab.widgets import Explorer, control, slide
from promolab.widgets.explorer import reading

pytest.importorskip("ipywidgets", reason="the extra lab is not installed")


@dataclass(frozen=True)
class State:
    share: float = 0.5
    method: str = "a"


def controls() -> dict[str, Any]:
    methods = {"A": "a", "B": "b", "broken": "c"}
    return {
        "share": slide("share", 0.0, 1.0, 0.1, share=True),
        "method": control("Dropdown", "method", options=methods),
        "add": control("Button", "Add"),
    }


def add(state: State, found: str, _: object) -> tuple[State, str, str]:
    return state, f"{found}+", "Added."


def render(state: State, prepared: str):
    if state.share == 0.9:
        raise InputError("the share <0.9> is too much; give less")
    return say(f"{state.share:g} of {prepared}")


def explorer(prepare=lambda state, progress: state.method.upper()) -> Explorer[Any, Any]:
    slow = {"prepare": prepare, "needs": lambda state: state.method}
    return Explorer("Trial", State(), controls(), render, presses={"add": add}, **slow)


def opened(made: Explorer[Any, Any]) -> Explorer[Any, Any]:
    """Show an explorer, and wait until it is drawn."""
    assert made.box.children
    made.settle()
    return made


def test_a_move_changes_the_figure_and_what_is_refused_leaves_the_state():
    asked = []

    def prepare(state, progress):
        asked.append(state.method)
        return state.method.upper()

    made = explorer(prepare)
    assert made.move(share=0.2).text == "<p>0.2 of A</p>"
    for wrong in ({"share": 1.5}, {"method": "z"}, {"shara": 0.1}, {"add": 1}):
        assert 'role="alert"' in made.move(**wrong).text
    assert "&lt;0.9&gt; is too much" in made.move(share=0.9).text
    assert made.state == State(share=0.2)
    made.move(method="b")
    assert asked == ["a", "b"]  # only a slow control prepares anew
    opened(made)
    made.move(share=0.3, method="a")
    assert (made.controls["share"].value, made.controls["method"].value) == (0.3, "a")
    assert made.output.value == "<p>0.3 of A</p>"


def test_a_button_says_its_sentence_once_and_without_controls_the_start_is_shown():
    made = explorer()
    assert "Added." in made.press("add").text and "0.5 of A+" in made.press("add").text
    assert made.move(share=0.4).text == "<p>0.4 of A++</p>"
    assert "no button" in made.press("share").text
    text = explorer()._repr_mimebundle_()["text/html"]
    assert "share: 50.0 % · method: A" in text and "0.5 of A" in text


def test_what_nobody_foresaw_or_an_earlier_promolab_did_not_write_is_a_sentence(caplog, tmp_path):
    made = explorer(lambda state, progress: 1 / 0)
    assert "ZeroDivisionError: division by zero" in made.move(share=0.1).text
    assert "an explorer failed" in caplog.text
    run = RunFolder(tmp_path / "2024-W33", Week.parse("2024-W33"))
    why = "does not hold 'charged': an earlier promolab made it"
    with pytest.raises(InputError, match=why), reading(run):
        raise KeyError("charged")


def test_where_somebody_is_there_it_is_prepared_under_the_bar_and_not_in_the_cell(monkeypatch):
    monkeypatch.setattr("promolab.widgets.explorer._somebody_is_there", lambda: True)
    gate = threading.Event()
    made = explorer(lambda state, progress: gate.wait(5) and "A")
    shown = made._repr_mimebundle_()
    assert "drawn where the notebook is run" in shown["text/html"]
    assert until(lambda: made.waiting.layout.display == "flex")
    gate.set()
    made.settle()
    assert made.output.value == "<p>0.5 of A</p>"
    assert "0.5 of A" in made._repr_mimebundle_()["text/html"]


def test_of_a_burst_of_moves_the_last_is_shown_and_some_between():
    """Of work that is soon done, those are shown that were done while a key was held."""
    drawn = []

    def prepare(state, progress):
        time.sleep(0.06)
        return state.share

    def show(state, prepared):
        drawn.append(prepared)
        return say(f"{prepared:g}")

    shares = {"share": slide("share", 0.0, 1.0, 0.01)}
    slow = {"prepare": prepare, "needs": lambda state: state.share}
    made = opened(Explorer("Trial", State(), shares, show, **slow))
    drawn.clear()
    for step in range(40):
        made.controls["share"].value = step / 100
        time.sleep(0.01)
    made.settle()
    assert made.output.value == "<p>0.39</p>" and 3 <= len(drawn) < 20


def until(true) -> bool:
    end = time.monotonic() + 5
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(true())


def test_long_work_shows_progress_cancel_puts_everything_back_and_a_failure_is_a_sentence():
    gate = threading.Event()

    def prepare(state, progress):
        if state.method == "c":
            raise InputError("method c needs more customers; give 100 at least")
        for step in range(1000 if state.method == "b" else 0):
            progress(step / 1000, "drawing halves")
            if gate.wait(0.01):
                break
        return state.method.upper()

    view = opened(explorer(prepare))
    view.controls["method"].value = "b"
    assert view.waiting.layout.display == "none"  # not in the first half second
    assert until(lambda: view.waiting.layout.display == "flex")
    assert until(lambda: "drawing halves" in view.words.value and view.bar.value > 0)
    view.cancel.click()
    view.settle()
    assert (view.controls["method"].value, view.state.method) == ("a", "a")
    assert view.output.value == "<p>0.5 of A</p>" and view.waiting.layout.display == "none"
    view.controls["method"].value = "b"
    view.controls["share"].value = 0.2  # a move while work runs is drawn when it is done
    gate.set()
    view.settle()
    assert view.output.value == "<p>0.2 of B</p>"
    view.controls["method"].value = "c"
    view.settle()
    assert "needs more customers" in view.output.value and view.state.method == "b"
