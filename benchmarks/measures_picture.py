"""The drawings of docs/measures.md: every joint angle on a figure, and the segments.

    python benchmarks/measures_picture.py

Writes docs/measures.svg. The arcs are drawn from the definitions in posetrack.measuring.angles, so
that a drawing cannot say something else than the code.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.measuring.angles import JOINT_ANGLES, SEGMENT_ANGLES

OUT = Path(__file__).parents[1] / "docs" / "measures.svg"
WIDE, HIGH, ACROSS = 190, 230, 4
RADIUS = 24.0
INK, FAINT, MARK = "#3b4252", "#b8c0cc", "#c2410c"
BONES = (
    ("head", "neck"), ("neck", "hips"), ("hips", "knee"), ("knee", "ankle"), ("heel", "toe"),
    ("ankle", "heel"), ("neck", "elbow"), ("elbow", "wrist"),
)  # fmt: skip
POINTS = {
    "head": (110, 38), "neck": (88, 62), "hips": (76, 120), "knee": (100, 160),
    "ankle": (82, 203), "heel": (75, 209), "toe": (107, 211), "elbow": (112, 92),
    "wrist": (140, 82),
}  # fmt: skip
NAMES = {"shoulders": "neck", "shoulder": "neck", "hip": "hips", "big_toe": "toe"}


def place(name: str) -> np.ndarray:
    """Where a point of the definitions is on the figure."""
    plain = name.removeprefix("{side}_").removeprefix("left_").removeprefix("right_")
    return np.array(POINTS[NAMES.get(plain, plain)], float)


def line(a: np.ndarray, b: np.ndarray, color: str, width: float, more: str = "") -> str:
    """A stroke between two points."""
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" '
        f'stroke="{color}" stroke-width="{width}" stroke-linecap="round" {more}/>'
    )


def figure(color: str) -> str:
    """The whole figure."""
    body = [line(place(a), place(b), color, 5) for a, b in BONES]
    return "".join([*body, f'<circle cx="112" cy="34" r="11" fill="{color}"/>'])


def arc(center: np.ndarray, u: np.ndarray, v: np.ndarray) -> str:
    """The shorter arc from direction ``u`` to ``v`` around a point, with an arrowhead."""
    a, b = (center + RADIUS * d / np.hypot(*d) for d in (u, v))
    clockwise = u[0] * v[1] - u[1] * v[0] > 0
    return (
        f'<path d="M{a[0]:.1f} {a[1]:.1f} A{RADIUS} {RADIUS} 0 0 {int(clockwise)} {b[0]:.1f} '
        f'{b[1]:.1f}" fill="none" stroke="{MARK}" stroke-width="2.2" marker-end="url(#tip)"/>'
    )


def joint_panel(pattern: str) -> str:
    """One joint angle: the two segments, the first one drawn on, and the arc between."""
    angle = JOINT_ANGLES[pattern]
    (a, b), (c, d) = ((place(e[0]), place(e[1])) for e in (angle.upper, angle.lower))
    center, u, v = c, b - a, d - c
    on = center + 44 * u / np.hypot(*u)
    parts = [figure(FAINT), line(a, b, INK, 5), line(c, d, INK, 5)]
    parts += [line(center, on, MARK, 1.5, 'stroke-dasharray="3 4"'), arc(center, u, v)]
    return "".join(parts)


def segment_panel() -> str:
    """All segments, each with its arrow, and the horizontal that they are measured from."""
    arrows = []
    for ends in SEGMENT_ANGLES.values():
        a, b = (place(end) for end in ends)
        if np.hypot(*(b - a)) > 1:  # pelvis and shoulder line run across the picture
            arrows.append(line(a, b, INK, 3, 'marker-end="url(#dark)"'))
    hips, trunk = place("hips"), place("neck") - place("hips")
    ahead = np.array([1.0, 0])
    parts = [
        figure(FAINT),
        *arrows,
        line(hips, hips + 56 * ahead, MARK, 1.5, 'stroke-dasharray="3 4"'),
    ]
    return "".join([*parts, arc(hips, ahead, trunk)])


def tip(name: str, color: str) -> str:
    """An arrowhead."""
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{color}"/></marker>'
    )


def main() -> None:
    """Write the picture."""
    titles = [p.replace("{side}_", "").replace("_", " ") for p in JOINT_ANGLES]
    panels = [*zip(titles, map(joint_panel, JOINT_ANGLES), strict=True)]
    panels.append(("segment angles (trunk)", segment_panel()))
    rows = -(-len(panels) // ACROSS)
    size = ACROSS * WIDE, rows * (HIGH + 46)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        f'font-family="sans-serif" font-size="13" text-anchor="middle">',
        f"<defs>{tip('tip', MARK)}{tip('dark', INK)}</defs>",
        f'<rect width="{size[0]}" height="{size[1]}" fill="#ffffff"/>',
    ]
    for i, (title, panel) in enumerate(panels):
        x, y = i % ACROSS * WIDE, i // ACROSS * (HIGH + 46)
        out.append(f'<g transform="translate({x} {y})">{panel}')
        out.append(f'<text x="{WIDE / 2}" y="{HIGH + 30}" fill="{INK}">{title}</text></g>')
    OUT.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
