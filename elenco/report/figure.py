"""What all plots have in common: colours, letters, and PNG whose bytes depend on the figures alone.

Drawn without pyplot, which keeps figures in the process. Small, with large letters: readable where
a phone shows them 360 pixels wide. Colours are those of Okabe and Ito (2008), told apart with any
kind of colour blindness; lines differ in their marks too.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b6b6b"
SIZE = (4.5, 3.3)  # inches
DPI = 160
STYLE: "dict[RcKeyType, Any]" = {
    "font.family": "DejaVu Sans",  # comes with the library: the same letters everywhere
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}

Draw = Callable[["Axes"], None]


def draw_plot(draw: Draw) -> bytes:
    """PNG of one plot."""
    return draw_figure(lambda figure: draw(figure.subplots()))


def draw_figure(draw: "Callable[[Figure], None]", size: tuple[float, float] = SIZE) -> bytes:
    """PNG of a figure that may have several plots; `size` in inches."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()
