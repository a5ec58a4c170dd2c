"""The results as a figure: cost against number of connections, and latency against load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams |= {"svg.hashsalt": "signaling", "font.size": 9}

from matplotlib import pyplot  # noqa: E402  (after the choice of its backend)
from matplotlib.axes import Axes  # noqa: E402
from report import Results  # noqa: E402
from scenarios import Step  # noqa: E402

SERVERS = {"ours": ("this server", "#0b6e4f"), "node": ("Node.js", "#b8562b"), "c": ("C relay", "#6b7280")}
Value = Callable[[Step], float]


@dataclass(frozen=True)
class Panel:
    """One plot: a scenario, what is drawn over what, and by which style of line."""

    scenario: str
    title: str
    x_label: str
    y_label: str
    x: Value
    lines: tuple[tuple[str, Value], ...]
    scale: str = "linear"


LATENCIES = (("-", lambda step: step["p99_us"] / 1e3), (":", lambda step: step["p50_us"] / 1e3))
PANELS = (
    Panel(
        "idle",
        "CPU of the server, plain",
        "idle connections beside 50 pairs",
        "µs a relayed message",
        lambda step: step["idle"],
        (("-", lambda step: step["cost_us"]),),
    ),
    *(
        Panel(
            scenario,
            f"latency, {transport}",
            "thousand messages a second",
            "ms (solid: p99, dotted: median)",
            lambda step: step["offered"] / 1e3,
            LATENCIES,
            "log",
        )
        for scenario, transport in (("latency", "plain"), ("latency-tls", "TLS"))
    ),
)
SCENARIOS = tuple(panel.scenario for panel in PANELS)


def draw(results: Results, path: Path) -> None:
    """Draw what of the panels was measured: medians of the rounds, and a band from the least to the greatest."""
    panels = [panel for panel in PANELS if panel.scenario in results]
    sheet, plots = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.6), squeeze=False)
    for plot, panel in zip(plots[0], panels, strict=True):
        for server, rounds in results[panel.scenario].items():
            _draw_server(plot, panel, server, list(zip(*rounds, strict=True)))
        plot.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title, yscale=panel.scale)
        plot.set_ylim(bottom=0 if panel.scale == "linear" else None)
        plot.locator_params(axis="x", nbins=5)
        plot.xaxis.set_major_formatter("{x:,.0f}")
        plot.yaxis.set_major_formatter("{x:,g}")
        plot.grid(alpha=0.25)
        plot.spines[["top", "right"]].set_visible(False)
    sheet.legend(*plots[0][0].get_legend_handles_labels(), loc="lower center", ncols=len(SERVERS), frameon=False)
    sheet.tight_layout(rect=(0, 0.07, 1, 1))
    sheet.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)


def _draw_server(plot: Axes, panel: Panel, server: str, points: list[tuple[Step, ...]]) -> None:
    name, color = SERVERS[server]
    across = [median(map(panel.x, point)) for point in points]
    for style, value in panel.lines:
        series = [list(map(value, point)) for point in points]
        low, high = list(map(min, series)), list(map(max, series))
        plot.fill_between(across, low, high, alpha=0.12, lw=0, color=color)
        label = name if style == "-" else None
        plot.plot(across, list(map(median, series)), style, marker="o", ms=3, color=color, label=label)
