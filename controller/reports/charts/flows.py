"""The present as a diagram: sources on the left, the site bus in the middle, loads on the right, battery below.

The width of a connection is proportional to its power; a connection without power is a thin broken line. A reading
that is missing is a dash.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from controller.reports.charts.icons import icon
from controller.reports.charts.svg import document, element, group, line, number, rect, text
from controller.reports.charts.words import figure, fit, gpu_count, percent, power_text
from controller.snapshot import GensetPhase, Snapshot

IDLE_KW = 0.002
"""Below this a connection counts as without power."""
CURTAILED_FRAC = 0.01
"""Share of the available sun below which a difference is a matter of metering."""
WIDEST_PX = 18.0


@dataclass(frozen=True, kw_only=True)
class FlowLayout:
    """Where things stand, px."""

    css_class: str
    width: float
    card_width: float
    height: float = 306.0
    bus_width: float = 16.0
    icon_px: float = 22.0
    name_px: float = 12.0
    value_px: float = 18.0


LAYOUTS: tuple[FlowLayout, ...] = (
    FlowLayout(css_class="narrow", width=342, card_width=124, icon_px=0.0, name_px=11.0, value_px=16.0),
    FlowLayout(css_class="medium wide", width=640, card_width=186),
)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A card of the diagram."""

    name: str
    icon: str
    css_class: str
    kw: float | None
    """Power into the bus; loads and charging are negative."""
    note: str


def sources(snapshot: Snapshot) -> tuple[Node, ...]:
    """Return the cards on the left."""
    nodes = []
    if snapshot.pv_kw is not None or snapshot.pv_available_kw is not None:
        nodes.append(Node(name="Sun", icon="sun", css_class="pv", kw=snapshot.pv_kw, note=_pv_note(snapshot)))
    if snapshot.gensets:
        powers = [genset.power_kw for genset in snapshot.gensets]
        total = None if any(power is None for power in powers) else sum(power or 0.0 for power in powers)
        nodes.append(Node(name="Gensets", icon="engine", css_class="genset", kw=total, note=_genset_note(snapshot)))
    return tuple(nodes)


def _pv_note(snapshot: Snapshot) -> str:
    if snapshot.pv_kw is None or snapshot.pv_available_kw is None:
        return "no reading" if snapshot.pv_kw is None else ""
    if snapshot.pv_available_kw < IDLE_KW:
        return "no sun now"
    spare = snapshot.pv_available_kw - snapshot.pv_kw
    return f"{power_text(spare)} curtailed" if spare > CURTAILED_FRAC * snapshot.pv_available_kw else "all of it used"


def _genset_note(snapshot: Snapshot) -> str:
    phases = [genset.phase for genset in snapshot.gensets]
    if GensetPhase.LOCKED_OUT in phases:
        return "locked out"
    running = phases.count(GensetPhase.RUNNING)
    starting = phases.count(GensetPhase.CRANKING) + phases.count(GensetPhase.WARMUP)
    if starting:
        return f"{running} of {len(phases)} run, {starting} starting"
    return f"{running} of {len(phases)} run" if running else "standing by"


def loads(snapshot: Snapshot) -> tuple[Node, ...]:
    """Return the cards on the right."""
    gpus = sum(pool.gpus_ok for pool in snapshot.pools)
    other = None
    if snapshot.load_kw is not None and snapshot.it_kw is not None and snapshot.cooling_kw is not None:
        other = max(snapshot.load_kw - snapshot.it_kw - snapshot.cooling_kw, 0.0)
    outdoor = "" if snapshot.outdoor_c is None else f"{figure(snapshot.outdoor_c, '°C')} outdoors"
    unserved = f"{power_text(snapshot.unserved_kw)} not served" if snapshot.unserved_kw > IDLE_KW else ""
    return (
        Node(name="Computers", icon="chip", css_class="it", kw=_draw(snapshot.it_kw), note=f"{gpu_count(gpus)} ready"),
        Node(name="Cooling", icon="snowflake", css_class="cooling", kw=_draw(snapshot.cooling_kw), note=outdoor),
        Node(name="Other", icon="plug", css_class="other", kw=_draw(other), note=unserved),
    )


def _draw(kw: float | None) -> float | None:
    return None if kw is None else -kw


def battery_node(snapshot: Snapshot) -> Node | None:
    """Return the card below; none without a battery."""
    reading = snapshot.battery
    if reading is None:
        return None
    power = reading.power_kw
    verb = "no reading" if power is None else "gives" if power > IDLE_KW else "takes" if power < -IDLE_KW else "rests"
    return Node(name=f"Battery {verb}", icon="battery", css_class="battery", kw=power, note=percent(reading.soc_frac))


def flow_diagram(layout: FlowLayout, snapshot: Snapshot) -> Markup:
    """Return the diagram of one snapshot."""
    battery = battery_node(snapshot)
    left, right = sources(snapshot), loads(snapshot)
    everything = [*left, *right, *([battery] if battery else [])]
    widest_kw = max((abs(node.kw) for node in everything if node.kw is not None), default=0.0)
    bus_bottom = layout.height - (92 if battery else 4)
    bus_x = (layout.width - layout.bus_width) / 2
    parts: list[Markup] = []
    for side, nodes in (("left", left), ("right", right)):
        room = bus_bottom / max(len(nodes), 1)
        for index, node in enumerate(nodes):
            middle = room * (index + 0.5)
            parts.append(_sideways(layout, node, side=side, middle=middle, bus_x=bus_x, widest_kw=widest_kw))
            x = 0.0 if side == "left" else layout.width - layout.card_width
            parts.append(_card(layout, node, x=x, y=middle - 30))
    if battery is not None:
        parts.append(_downwards(layout, battery, bus_bottom=bus_bottom, widest_kw=widest_kw))
        parts.append(_card(layout, battery, x=(layout.width - layout.card_width) / 2, y=layout.height - 62))
    parts.append(rect(bus_x, 2, layout.bus_width, bus_bottom - 2, rx=layout.bus_width / 2, class_="bus"))
    return document(
        parts,
        width=layout.width,
        height=layout.height,
        label="Energy flows now: " + "; ".join(_told(node) for node in everything),
        css_class=f"flows {layout.css_class}",
        role="img",
    )


def _told(node: Node) -> str:
    power = power_text(None if node.kw is None else abs(node.kw))
    return f"{node.name} {power}" + (f", {node.note}" if node.note else "")


def _thickness(kw: float | None, widest_kw: float) -> float:
    if kw is None or abs(kw) < IDLE_KW or widest_kw <= 0:
        return 0.0
    return max(WIDEST_PX * abs(kw) / widest_kw, 2.0)


def _connection(node: Node, start: tuple[float, float], end: tuple[float, float], widest_kw: float) -> list[Markup]:
    """Return the line from ``start`` to ``end``, the direction in which power flows, with moving marks on it."""
    thickness = _thickness(node.kw, widest_kw)
    (x1, y1), (x2, y2) = start, end
    if not thickness:
        return [line(x1, y1, x2, y2, class_="wire idle")]
    wire = line(x1, y1, x2, y2, class_=f"wire {node.css_class}", stroke_width=thickness)
    if thickness < 5:
        return [wire]
    return [wire, line(x1, y1, x2, y2, class_="wire-motion", stroke_width=min(thickness * 0.3, 3.0))]


def _sideways(layout: FlowLayout, node: Node, *, side: str, middle: float, bus_x: float, widest_kw: float) -> Markup:
    card_edge = layout.card_width if side == "left" else layout.width - layout.card_width
    bus_edge = bus_x if side == "left" else bus_x + layout.bus_width
    start, end = (card_edge, bus_edge) if side == "left" else (bus_edge, card_edge)
    direction = 1 if side == "left" else -1
    if node.kw is not None and node.kw * direction < -IDLE_KW:
        start, end = end, start
    return group(_connection(node, (start, middle), (end, middle), widest_kw))


def _downwards(layout: FlowLayout, node: Node, *, bus_bottom: float, widest_kw: float) -> Markup:
    x = layout.width / 2
    bus_end, card_end = (x, bus_bottom - 6), (x, layout.height - 62)
    giving = node.kw is not None and node.kw > 0
    start, end = (card_end, bus_end) if giving else (bus_end, card_end)
    return group(
        [
            *_connection(node, start, end, widest_kw),
            *_arrow(x, (bus_bottom + layout.height - 62) / 2, giving, node, widest_kw),
        ]
    )


def _arrow(x: float, y: float, upwards: bool, node: Node, widest_kw: float) -> list[Markup]:
    thickness = _thickness(node.kw, widest_kw)
    if not thickness:
        return []
    half, tip = thickness / 2 + 5, -7.0 if upwards else 7.0
    points = f"{number(x - half)},{number(y - tip)} {number(x + half)},{number(y - tip)} {number(x)},{number(y + tip)}"
    return [element("polygon", points=points, class_=f"arrow {node.css_class}")]


def _card(layout: FlowLayout, node: Node, *, x: float, y: float) -> Markup:
    inset = 12.0 + (layout.icon_px + 10 if layout.icon_px else 0.0)
    room = layout.card_width - inset - 6
    value = power_text(None if node.kw is None else abs(node.kw))
    name = fit(node.name, room, layout.name_px)
    parts = [
        rect(x + 0.5, y + 0.5, layout.card_width - 1, 59, rx=8, class_="card"),
        rect(x, y + 10, 3, 40, rx=1.5, class_=f"accent {node.css_class}"),
        text(name, x + inset, y + 18, class_="card-name"),
        text(value, x + inset, y + 37, class_="card-value"),
        text(fit(node.note, room, layout.name_px - 1), x + inset, y + 52, class_="card-note"),
    ]
    if layout.icon_px:
        parts.append(icon(node.icon, x + 13, y + 30 - layout.icon_px / 2, layout.icon_px))
    return group(parts)
