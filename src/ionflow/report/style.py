"""How every figure looks: one palette, one type, no ornament."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from ionflow.report.rounding import power

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2328"
SOFT = "#6b7280"
HAIR = "#d8dce2"
SHADE = "#e8eef7"

#: Distinct to colour-blind readers: Okabe and Ito (2008), then Paul Tol's muted scheme.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#999933",
    "#332288",
    "#777777",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")

_RC: Any = {
    # comes with matplotlib, so that a figure is laid out alike on every machine
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "ionflow",
    "path.simplify_threshold": 0.5,
}

#: What a reader's machine may show instead; all of them are narrower.
_FONTS = "Inter, 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@contextmanager
def drawing() -> Iterator[None]:
    """The look of ionflow's figures, for as long as the context lasts."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no window knows of."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height))
    FigureCanvasSVG(fig)
    return fig


def svg(fig: Figure) -> str:
    """The figure as an SVG document without dates, links or document type."""
    buffer = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    fig.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("'DejaVu Sans'", _FONTS)


def inline(document: str, prefix: str) -> str:
    """An SVG document as part of an HTML page: ids made unique, widths in the page's measure."""
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", document).replace("xlink:href", "href")
    text = re.sub(r'(\sid=")', rf"\g<1>{prefix}-", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    return re.sub(r'<svg [^>]*?viewBox="0 0 ([\d.]+) [\d.]+"[^>]*>', _sized, text, count=1)


def _sized(match: re.Match[str]) -> str:
    """The opening tag of a figure that keeps its letters readable on any screen."""
    box = match.group(0).split('viewBox="')[1].split('"')[0]
    inches = float(match.group(1)) / 72
    widths = f"max-width:{7.4 * inches:.1f}rem;min-width:{4.2 * inches:.1f}rem"
    return f'<svg viewBox="{box}" style="{widths}">'


def plain(text: object) -> str:
    """Text without the characters that XML forbids."""
    return _CONTROL.sub("�", str(text))


def colors(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, the same in every figure that is given the same names."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(names))}


def ordered(handles: dict[str, Any]) -> dict[str, Any]:
    """Names of a legend in the order of their colours, guides last."""
    place = {color: index for index, color in enumerate(PALETTE)}
    return dict(sorted(handles.items(), key=lambda item: place.get(_color(item[1]), len(place))))


def _color(handle: Any) -> str:
    return str(handle.get_color()) if hasattr(handle, "get_color") else ""


def heat(values: Sequence[float]) -> dict[float, str]:
    """A colour for each temperature, from cool to hot, told apart by lightness too."""
    import matplotlib as mpl

    ordered = sorted(set(values))
    scale = mpl.colormaps["plasma"](np.linspace(0.05, 0.78, max(len(ordered), 2)))
    shades = scale[: len(ordered)] if len(ordered) > 1 else scale[:1]
    return {v: mpl.colors.to_hex(c) for v, c in zip(ordered, shades, strict=True)}


def log_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis with its decades written as powers of ten or as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set_xscale("log") if which == "x" else axes.set_yscale("log")
    axis.set_major_locator(LogLocator(numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: decade(value)))
    axis.set_minor_formatter(NullFormatter())


def decade(value: float) -> str:
    """A power of ten as a tick is labelled.

    >>> decade(0.1), decade(100.0), decade(1e-6)
    ('0.1', '100', '10⁻⁶')
    """
    if value <= 0:
        return ""
    exponent = round(np.log10(value))
    return f"{value:g}" if -2 <= exponent <= 3 else power(exponent)
