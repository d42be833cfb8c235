"""Drawings as SVG text for a page: its colours are the page's, and it needs no script, font or network.

Each has a title and a description for those who do not see it; the page has its numbers as a table too. Drawn
with matplotlib (the extra ``audit``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from assent.errors import UsageError
from assent.evaluation.result import AuditResult, Det, GalleryRow, GroupAttribute, GroupRow, Rate
from assent.types import Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _GRID, _FIRST, _SECOND, _PAPER = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
_VARIABLES = {_INK: "--ink", _GRID: "--rule", _FIRST: "--first", _SECOND: "--second", _PAPER: "--paper"}
"""Colours that nobody chooses, each the place of a variable of the page's style."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing.

    Attributes:
        name: of the file it would be, and the prefix of its ids.
        title: short.
        description: what it shows, for those who do not see it.
        svg: an ``svg`` element.
    """

    name: str
    title: str
    description: str
    svg: str


def require_matplotlib() -> None:
    """Check that the extra is there.

    Raises:
        UsageError: it is not.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a report needs {error.name}, which is not installed; run: pip install 'assent[audit]'"
        ) from error


def det_figure(det: Det, point: tuple[float | None, float | None]) -> Figure | None:
    """False matches against misses, both on log axes, with bands; None where there is nothing to draw.

    Args:
        det: the trade-off.
        point: fmr and fnmr at the audit's threshold, marked.
    """
    fmr, fnmr = np.array(det.fmr), np.array(det.fnmr)
    floor = max(det.fmr_floor, 1e-12)
    low = max(min(_least(np.array(det.fnmr_lower)), _least(fnmr)), 1e-6)
    if not ((fmr > 0) & (fnmr > 0)).any():
        return None

    def draw(axes: Axes) -> None:
        seen = fmr >= floor
        x = fmr[seen]
        bands = [np.clip(np.array(side)[seen], low / 2, 1) for side in (det.fnmr_lower, det.fnmr_upper)]
        axes.fill_between(x, *bands, color=_FIRST, alpha=0.22, linewidth=0, label="interval of misses")
        sides = [np.clip(np.array(side)[seen], floor / 2, 1) for side in (det.fmr_lower, det.fmr_upper)]
        axes.fill_betweenx(
            np.clip(fnmr[seen], low / 2, 1), *sides, color=_SECOND, alpha=0.22, linewidth=0,
            label="interval of false matches",
        )  # fmt: skip
        axes.plot(x, np.clip(fnmr[seen], low / 2, 1), color=_FIRST, linewidth=2)
        if point[0] and point[1]:
            axes.plot(
                [point[0]], [point[1]], "o", color=_INK, markersize=7, label="the threshold of this audit"
            )
        _det_axes(axes, floor, low)

    return _figure(
        "det",
        "Error trade-off (DET)",
        f"Misses fall from {fnmr.max():.2g} to {fnmr.min():.2g} as false matches rise from {floor:.2g} to 1; both axes "
        "are logarithmic, shaded bands are 95 % intervals that count people.",
        draw,
    )


def two_dets_figure(dets: Sequence[Det | None], names: Sequence[str]) -> Figure | None:
    """The trade-offs of two systems with their bands of misses; None where one has nothing to draw."""
    known = [det for det in dets if det is not None]
    if len(known) < 2 or not all((np.array(det.fmr) * np.array(det.fnmr) > 0).any() for det in known):
        return None
    floor = max(max(det.fmr_floor for det in known), 1e-12)
    low = max(min(_least(np.array(det.fnmr)) for det in known), 1e-6)

    def draw(axes: Axes) -> None:
        styles = ((_FIRST, "-"), (_SECOND, "--"))
        for det, name, (colour, line) in zip(known, names, styles, strict=True):
            seen = np.array(det.fmr) >= floor
            x = np.array(det.fmr)[seen]
            middle, *ends = (
                np.clip(np.array(side)[seen], low / 2, 1)
                for side in (det.fnmr, det.fnmr_lower, det.fnmr_upper)
            )
            axes.fill_between(x, *ends, color=colour, alpha=0.18, linewidth=0)
            axes.plot(x, middle, color=colour, linewidth=2, linestyle=line, label=name)
        _det_axes(axes, floor, low)

    return _figure(
        "det",
        "Error trade-off (DET) of both",
        f"{names[0]} drawn through, {names[1]} dashed; both axes are logarithmic, shaded bands are 95 % intervals of "
        "misses that count people.",
        draw,
    )


def groups_figure(
    attribute: GroupAttribute, rate_of: Callable[[GroupRow], Rate | None], what: str
) -> Figure | None:
    """One bar a group with its interval, from 0; None where no group has the rate.

    Args:
        attribute: the groups.
        rate_of: which rate of a group.
        what: the rate in words.
    """
    known = [
        (row, rate) for row in attribute.rows if (rate := rate_of(row)) is not None and rate.value is not None
    ]
    if not known:
        return None
    names = [row.name for row, _ in known]
    values = np.array([100 * (rate.value or 0.0) for _, rate in known])
    ends = np.array([[100 * (rate.lower or 0.0), 100 * (rate.upper or 0.0)] for _, rate in known])

    def draw(axes: Axes) -> None:
        places = np.arange(len(names))[::-1]
        axes.barh(places, values, height=0.5, color=_FIRST, alpha=0.55)
        reach = np.maximum(np.abs(ends.T - values) * [[1], [1]], 0)
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor=_INK, elinewidth=1.4, capsize=5)
        axes.set_yticks(places, names)
        axes.set_xlim(0, max(float(ends.max()) * 1.08, 1e-9))
        axes.set_xlabel(f"{what}, per cent")
        axes.grid(True, axis="x")

    return _figure(
        f"groups-{_slug(attribute.attribute)}-{_slug(what)}",
        f"{what} by {attribute.attribute}",
        "; ".join(
            f"{name}: {value:.3g} %, interval {low:.3g} to {high:.3g}"
            for name, value, (low, high) in zip(names, values, ends, strict=True)
        ),
        draw,
        height=1.1 + 0.5 * len(names),
    )


def gallery_figure(rows: Sequence[GalleryRow], marks: Sequence[tuple[int, str]]) -> Figure | None:
    """False positive searches against the size of the gallery; None where there is no row.

    Args:
        rows: sizes ascending.
        marks: sizes to mark, with a word each.
    """
    sizes = np.array([row.gallery_size for row in rows], np.float64)
    at_most = _column([row.fpir_at_most for row in rows])
    bound = _column([row.fpir_bound for row in rows])
    measured = [row for row in rows if row.fpir is not None and row.fpir.value is not None]
    drawn = [values for values in (at_most, bound) if np.nanmax(values, initial=0.0) > 0]
    if not len(sizes) or not (drawn or measured):
        return None
    low = min([_least(values) for values in drawn] or [1e-4])

    def draw(axes: Axes) -> None:
        axes.plot(
            sizes, bound, color=_SECOND, linewidth=2, linestyle="--", label="can be promised (upper bound)"
        )
        axes.plot(sizes, at_most, color=_FIRST, linewidth=2, label="at most, from comparisons: N × fmr")
        if measured:
            x = [row.gallery_size for row in measured]
            rates = [row.fpir for row in measured if row.fpir is not None]
            lower, upper = ([getattr(rate, end) or 0.0 for rate in rates] for end in ("lower", "upper"))
            axes.fill_between(x, np.maximum(lower, low / 10), upper, color=_INK, alpha=0.16, linewidth=0)
            axes.plot(
                x, [rate.value or np.nan for rate in rates], color=_INK, linewidth=1.6, label="measured"
            )
        for size, word in marks:
            axes.axvline(size, color=_INK, linewidth=1, linestyle=":")
            axes.annotate(
                word,
                (size, 1),
                xytext=(-4, -4),
                textcoords="offset points",
                rotation=90,
                va="top",
                ha="right",
                fontsize=9,
            )
        axes.set(xscale="log", yscale="log", ylim=(max(low / 2, 1e-9), 1.3))
        axes.set(xlabel="people in the gallery (N)", ylabel="searches for a stranger\nthat name somebody")
        axes.grid(True)
        axes.legend(loc="lower right", fontsize=9)

    return _figure(
        "gallery",
        "False positive searches against gallery size",
        f"From {number_of(at_most[0])} with {sizes[0]:.0f} people to {number_of(at_most[-1])} with "
        f"{sizes[-1]:,.0f}; both axes are logarithmic.",
        draw,
    )


def number_of(value: float) -> str:
    """A share for a description."""
    return "unknown" if np.isnan(value) else f"{value:.2g}"


def figures_of(result: AuditResult) -> list[Figure]:
    """All drawings of a result."""
    marks = [(result.claim.gallery_size, "your gallery")] if result.claim.gallery_size else []
    if result.claim.n_max > 0:
        marks.append((result.claim.n_max, "largest supported"))
    found = [
        det_figure(result.det, (result.point.fmr.value, result.point.fnmr.value)) if result.det else None,
        gallery_figure(result.identification.by_size, marks) if result.identification else None,
    ]
    return [figure for figure in found if figure is not None]


def _det_axes(axes: Axes, floor: float, low: float) -> None:
    """Both rates on log axes, with a grid and a legend."""
    axes.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(low, 1))
    axes.set(xlabel="false match rate (fmr)", ylabel="misses (fnmr)")
    axes.grid(True)
    axes.legend(loc="upper right", fontsize=9)


def _figure(
    name: str, title: str, description: str, draw: Callable[[Axes], None], *, height: float = 4.2
) -> Figure:
    with _drawing(name, height) as (axes, finish):
        draw(axes)
        return Figure(name, title, description, _for_page(finish(), name, title, description))


@contextmanager
def _drawing(name: str, height: float) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Axes to draw on, and a function that gives the SVG file's text; without a display or global state."""
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    style: Any = {**_STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        canvas = Canvas(figsize=(7.2, height), layout="constrained")
        FigureCanvasSVG(canvas)

        def finish() -> str:
            buffer = io.StringIO()
            canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            return buffer.getvalue()

        yield canvas.add_subplot(), finish


def _for_page(text: str, name: str, title: str, description: str) -> str:
    """The ``svg`` element alone, with ids of its own, the page's colours and a name for those who do not see it."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    head, _, body = text.partition(">")
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = f'{head} role="img" aria-labelledby="{name}-title {name}-desc">'
    words = (
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    return f"{label}{words}{body}"


def _column(values: Sequence[float | None]) -> Float64:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _least(values: Float64) -> float:
    """The least value above 0."""
    above = values[np.isfinite(values) & (values > 0)]
    return float(above.min()) if len(above) else 1e-4


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
