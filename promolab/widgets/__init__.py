"""Explorers for JupyterLab: move a control and see the figure change.

    from promolab import widgets

    widgets.threshold(backtest)

Each shows itself as the value of a cell, is moved by mouse or keyboard, or from code by
``explorer.move(cut=0.2)``; in a rendered report it is a figure that stands still. The figures are
those of the library's own functions; they need the extra ``lab``.
"""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
