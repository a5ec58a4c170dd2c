"""The results as a figure: calls a second first, and what else a person notices."""

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

SERVERS = {
    "ours": ("this server", "#0b6e4f"),
    "node": ("Node.js", "#b8562b"),
    "peerjs": ("peerjs-server", "#c79a3b"),
    "flask_sock": ("flask-sock", "#4d6fa8"),
    "socketio": ("Flask-SocketIO", "#8a6fa8"),
    "c": ("C relay", "#6b7280"),
}
COLUMNS = 3
Value = Callable[[Step], float]


@dataclass(frozen=True)
class Bars:
    """One plot: a bar for each server of a scenario, with its last step's figure."""

    scenario: str
    title: str
    label: str
    key: str

    def draw(self, plot: Axes, rounds: dict[str, list[list[Step]]]) -> None:
        for server in list(rounds)[::-1]:
            name, color = SERVERS[server]
            values = [steps[-1][self.key] for steps in rounds[server]]
            middle = median(values)
            plot.barh(
                name, middle, color=color, xerr=[[middle - min(values)], [max(values) - middle]], ecolor="#374151"
            )
            plot.annotate(f"{middle:,.3g}", (max(values), name), (4, 0), textcoords="offset points", va="center")
        plot.set(xlabel=self.label, title=self.title)
        plot.margins(x=0.2)
        plot.grid(axis="x", alpha=0.25)


@dataclass(frozen=True)
class Lines:
    """One plot: a scenario, what is drawn over what, and by which style of line."""

    scenario: str
    title: str
    x_label: str
    y_label: str
    x: Value
    lines: tuple[tuple[str, Value], ...]
    scale: str = "linear"

    def draw(self, plot: Axes, rounds: dict[str, list[list[Step]]]) -> None:
        for server, steps in rounds.items():
            self._draw_server(plot, server, list(zip(*steps, strict=True)))
        plot.set(xlabel=self.x_label, ylabel=self.y_label, title=self.title, yscale=self.scale)
        plot.set_ylim(bottom=0 if self.scale == "linear" else None)
        plot.locator_params(axis="x", nbins=5)
        plot.xaxis.set_major_formatter("{x:,.0f}")
        plot.yaxis.set_major_formatter("{x:,g}")
        plot.grid(alpha=0.25)
        plot.legend(frameon=False, fontsize=8)

    def _draw_server(self, plot: Axes, server: str, points: list[tuple[Step, ...]]) -> None:
        name, color = SERVERS[server]
        across = [median(map(self.x, point)) for point in points]
        for style, value in self.lines:
            series = [list(map(value, point)) for point in points]
            low, high = list(map(min, series)), list(map(max, series))
            plot.fill_between(across, low, high, alpha=0.12, lw=0, color=color)
            label = name if style == "-" else None
            plot.plot(across, list(map(median, series)), style, marker="o", ms=3, color=color, label=label)


LATENCIES = (("-", lambda step: step["p99_us"] / 1e3), (":", lambda step: step["p50_us"] / 1e3))
PANELS: tuple[Bars | Lines, ...] = (
    Bars("peers-call-tls", "signaling of whole calls, TLS", "calls a second on one core: more is better", "calls"),
    Bars("storm-tls", "calls that go on while many come", "p99 latency in ms: less is better", "during_p99_ms"),
    Bars("peers-memory", "memory of a connection, plain", "KiB: less is better", "kib"),
    Lines(
        "idle",
        "CPU of the server, plain",
        "idle connections beside 50 pairs",
        "µs a relayed message",
        lambda step: step["idle"],
        (("-", lambda step: step["cost_us"]),),
    ),
    *(
        Lines(
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
    """Draw what of the panels was measured: medians of the rounds, and the least and the greatest."""
    panels = [panel for panel in PANELS if panel.scenario in results]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    sheet, plots = pyplot.subplots(rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False)
    for plot in plots.flat[len(panels) :]:
        plot.set_axis_off()
    for plot, panel in zip(plots.flat, panels, strict=False):
        panel.draw(plot, results[panel.scenario])
        plot.spines[["top", "right"]].set_visible(False)
    sheet.tight_layout()
    sheet.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)
