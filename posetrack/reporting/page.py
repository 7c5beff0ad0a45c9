"""The pages: HTML with its own style, nothing loaded from anywhere, no script."""

from __future__ import annotations

__all__ = ["clip_page", "index_page"]

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from posetrack.palette import identity_color
from posetrack.recording.style import SIDE_COLORS
from posetrack.reporting.charts import Line, escape, lanes, line_chart, rgb, unwound
from posetrack.reporting.facts import ClipFacts, PersonFacts
from posetrack.reporting.pictures import Pictures
from posetrack.reporting.style import CSS

MOST_PEOPLE = 24  # with charts of their own: those who were there longest
MOST_PLACES = 1000  # of a way
MOST_MOMENTS = 40  # suspicious ones in the table
AWAY_S = 0.5  # seconds unseen after which a way begins anew
SIDED = ("knee_flexion", "hip_flexion", "ankle_dorsiflexion", "shoulder_flexion", "elbow_flexion")
_LEFT, _RIGHT = rgb(SIDE_COLORS["left"]), rgb(SIDE_COLORS["right"])


def clip_page(facts: ClipFacts, pictures: Pictures, home: str = "") -> str:
    """The report of one clip; ``home`` is the address of the index it belongs to."""
    parts: list[Callable[[ClipFacts, Pictures], str]] = [
        _presence,
        _people,
        _ways,
        _speeds,
        _angles,
        _quality,
        _settings,
    ]
    back = f'<a class="back" href="{escape(home)}">All clips</a>' if home else ""
    body = "".join(part(facts, pictures) for part in parts)
    head = f"{back}<h1>{escape(facts.name)}</h1><p class='sub'>{escape(_about(facts))}</p>"
    return _page(facts.name, f"<header>{head}{_tiles(facts)}</header>{body}")


def index_page(clips: Sequence[tuple[str, ClipFacts, Pictures]], failed: Sequence[str]) -> str:
    """The index over many clips, each with the address of its report; ``failed`` are sentences."""
    cards = "".join(_clip_card(address, facts, pictures) for address, facts, pictures in clips)
    people = sum(len(facts.people) for _, facts, _ in clips)
    about = f"{len(clips)} clips, {_count(people, 'person', 'people')}"
    faults = "".join(f"<li>{escape(sentence)}</li>" for sentence in failed)
    wrong = f"<section><h2>Left out</h2><ul>{faults}</ul></section>" if failed else ""
    head = f"<header><h1>Tracked clips</h1><p class='sub'>{about}</p></header>"
    return _page("Tracked clips", f'{head}<section class="clips">{cards}</section>{wrong}')


def _clip_card(address: str, facts: ClipFacts, pictures: Pictures) -> str:
    cover = f'<img src="{pictures.frame}" alt="">' if pictures.frame else '<div class="none"></div>'
    return (
        f'<a class="card clip" href="{escape(address)}">{cover}<h3>{escape(facts.name)}</h3>'
        f"<p>{_count(len(facts.people), 'person', 'people')}, {facts.frames} frames, "
        f"{facts.seconds:.1f} s</p></a>"
    )


def _page(title: str, body: str) -> str:
    made = f"posetrack {_version()}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{body}</main>"
        f"<footer>{escape(made)}</footer></body></html>\n"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _version() -> str:
    try:
        return version("posetrack")
    except PackageNotFoundError:
        return "(from source)"


def _section(title: str, body: str, note: str = "") -> str:
    words = f"<p class='note'>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{words}{body}</section>" if body else ""


# --- head
# --------------------------------------------------------------------------------------------------


def _about(facts: ClipFacts) -> str:
    size = f"{facts.size_wh[0]} x {facts.size_wh[1]}, " if facts.size_wh else ""
    rate = f"{facts.fps:.4g} frames a second, " if facts.fps else ""
    return f"{size}{rate}{facts.frames} frames, {facts.seconds:.1f} s"


def _tiles(facts: ClipFacts) -> str:
    gaps = sum(len(p.gaps) for p in facts.people)
    scores = [p.score for p in facts.people if np.isfinite(p.score)]
    tiles = [
        (str(len(facts.people)), "people"),
        (str(facts.most_at_once), "at once, at most"),
        (str(gaps), "gaps in tracks"),
        (f"{np.mean(scores):.2f}" if scores else "-", "mean score"),
    ]
    cells = "".join(f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for v, k in tiles)
    return f'<div class="tiles">{cells}</div>'


# --- people
# --------------------------------------------------------------------------------------------------


def _color(p: PersonFacts) -> str:
    return rgb(identity_color(p.identity))


def _label(p: PersonFacts) -> str:
    """A dot in the person's colour and their name, as HTML."""
    dot = f'<i class="dot" style="background:{_color(p)}"></i>'
    return f"{dot}<b>{escape(p.identity)}</b> {escape(p.name)}".strip()


def _presence(facts: ClipFacts, pictures: Pictures) -> str:
    rows = []
    for p in facts.people:
        stretches = [(a, b, f"{a:.2f} s to {b:.2f} s") for a, b in p.stretches]
        shots = pictures.people.get(p.identity, [])
        face = f'<img src="{shots[len(shots) // 2][1]}" alt="">' if shots else ""
        rows.append((f"{face}<span>{_label(p)}</span>", _color(p), stretches))
    return _section("Who is there, and when", lanes(rows, facts.span) if rows else "<p>Nobody.</p>")


def _people(facts: ClipFacts, pictures: Pictures) -> str:
    cards = []
    for p in _shown(facts):
        shots = "".join(
            f'<img src="{src}" alt="" title="{t:.1f} s">'
            for t, src in pictures.people.get(p.identity, [])
        )
        strip = f'<div class="shots">{shots}</div>' if shots else ""
        unit, speed = p.speed
        known = speed[np.isfinite(speed)]
        rows = [
            ("there", f"{p.begin_s:.1f} to {p.end_s:.1f} s ({100 * p.presence:.0f} % of frames)"),
            ("score", f"{p.score:.2f}"),
            ("distance", f"{p.distance:.3g} {unit[:-2]}"),
            ("speed", f"{np.median(known):.3g} {unit}, at most {np.percentile(known, 99):.3g}")
            if len(known)
            else ("speed", "-"),
        ]
        if p.gaps:
            rows.append(("gaps", f"{len(p.gaps)}, the longest {_longest(p):.2f} s"))
        table = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
        cards.append(f'<div class="card"><h3>{_label(p)}</h3>{strip}<dl>{table}</dl></div>')
    return _section(
        "People", f'<div class="cards">{"".join(cards)}</div>' if cards else "", _few(facts)
    )


def _longest(p: PersonFacts) -> float:
    return max(end - begin for begin, end in p.gaps)


def _shown(facts: ClipFacts) -> list[PersonFacts]:
    """People with charts of their own, in the order they came."""
    longest = sorted(facts.people, key=lambda p: -p.presence)[:MOST_PEOPLE]
    kept = {p.identity for p in longest}
    return [p for p in facts.people if p.identity in kept]


def _few(facts: ClipFacts) -> str:
    if len(facts.people) <= MOST_PEOPLE:
        return ""
    return f"The {MOST_PEOPLE} of {len(facts.people)} who were there longest."


# --- motion
# --------------------------------------------------------------------------------------------------


def _ways(facts: ClipFacts, pictures: Pictures) -> str:
    if not facts.size_wh or not facts.people:
        return ""
    width, height = facts.size_wh
    paths = "".join(_way(p) for p in _shown(facts))
    below = f'<img src="{pictures.frame}" alt="a frame of the video">' if pictures.frame else ""
    empty = "" if below else f' style="aspect-ratio:{width}/{height}"'
    drawing = (
        f'<div class="ways"{empty}>{below}<svg viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none">{paths}</svg></div>'
    )
    return _section(
        "Trajectories", drawing, "Where their feet went; a dot is where somebody was last."
    )


def _way(p: PersonFacts) -> str:
    """A person's way as SVG, drawn twice: a dark edge keeps it visible on any picture."""
    columns = p.measures.columns
    xy = np.stack([columns["feet_x_px"], columns["feet_y_px"]], axis=1)
    known = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if not len(known):
        return ""
    known = known[:: max(1, len(known) // MOST_PLACES)]
    xy, time_s = xy[known], p.measures.time_s[known]
    usual = np.median(np.diff(time_s)) if len(time_s) > 1 else 0.0
    broken = np.diff(time_s, prepend=-np.inf) > AWAY_S + usual
    places = zip(xy, broken, strict=True)
    words = [f"{'M' if lifted else 'L'}{x:.1f} {y:.1f}" for (x, y), lifted in places]
    d, (x, y) = "".join(words), xy[-1]
    strokes = "".join(
        f'<path class="{kind}" d="{d}" stroke="{color}"/>'
        f'<path class="{kind} end" d="M{x:.1f} {y:.1f}h0" stroke="{color}"/>'
        for kind, color in (("edge", "#14161a"), ("way", _color(p)))
    )
    return f"<g><title>{escape(p.identity)} {escape(p.name)}</title>{strokes}</g>"


def _speeds(facts: ClipFacts, pictures: Pictures) -> str:
    lines = [
        Line(f"{p.identity} {p.name}".strip(), _color(p), p.measures.time_s, p.speed[1])
        for p in _shown(facts)
    ]
    unit = facts.people[0].speed[0] if facts.people else ""
    chart = line_chart("Speed", unit, lines, facts.span, from_zero=True, height=180)
    return _section("Speed", chart + _legend(facts) if chart else "", _curves(facts))


def _curves(facts: ClipFacts) -> str:
    if facts.refined_here:
        return "Measured on tracks that were refined for this report (posetrack refine)."
    if "refined" in facts.meta:
        return "Measured on refined tracks."
    return "Measured on the tracks as they are, noise and all."


def _legend(facts: ClipFacts) -> str:
    items = "".join(f"<span>{_label(p)}</span>" for p in _shown(facts))
    return f'<p class="legend">{items}</p>'


def _angles(facts: ClipFacts, pictures: Pictures) -> str:
    people = []
    for n, p in enumerate(_shown(facts)):
        span = (p.begin_s, p.end_s)
        charts = "".join(_angle_chart(p, name, span) for name in SIDED)
        trunk = p.measures.columns.get("trunk_deg")
        if trunk is not None:
            line = [Line("trunk", "var(--ink)", p.measures.time_s, unwound(trunk))]
            charts += line_chart("Trunk against the horizontal", "degrees", line, span)
        if charts:
            first = " open" if n < 2 else ""
            people.append(
                f"<details{first}><summary>{_label(p)}</summary>"
                f'<div class="charts">{charts}</div></details>'
            )
    key = (
        f'<p class="legend"><span><i class="dot" style="background:{_RIGHT}"></i>right</span>'
        f'<span><i class="dot" style="background:{_LEFT}"></i>left</span></p>'
    )
    return _section("Joint angles", key + "".join(people) if people else "")


def _angle_chart(p: PersonFacts, name: str, span: tuple[float, float]) -> str:
    lines = [
        Line(side, color, p.measures.time_s, unwound(p.measures.columns[f"{side}_{name}_deg"]))
        for side, color in (("right", _RIGHT), ("left", _LEFT))
        if f"{side}_{name}_deg" in p.measures.columns
    ]
    return line_chart(name.replace("_", " ").capitalize(), "degrees", lines, span)


# --- quality
# --------------------------------------------------------------------------------------------------


def _quality(facts: ClipFacts, pictures: Pictures) -> str:
    if not facts.people:
        return ""
    lines = [
        Line(
            f"{p.identity} {p.name}".strip(),
            _color(p),
            p.series.time_s[p.series.seen],
            p.series.box_score[p.series.seen],
        )
        for p in _shown(facts)
    ]
    chart = line_chart("Score of the poses", "", lines, facts.span, from_zero=True)
    return _section("Quality", chart + _moments(facts) + _joint_table(facts) + _gap_table(facts))


def _moments(facts: ClipFacts) -> str:
    """Where somebody should look, the worst first."""
    if not facts.suspicious:
        return "<p class='note'>No suspicious moments.</p>"
    shown = facts.suspicious[:MOST_MOMENTS]
    rows = "".join(
        f"<tr><td>{e.severity:.2f}</td><td>{'-' if e.time_s is None else f'{e.time_s:.2f} s'}</td>"
        f"<td>{e.frame}</td><td>{escape(e.kind)}</td><td>{escape(e.text)}</td></tr>"
        for e in shown
    )
    head = "".join(
        f"<th>{name}</th>" for name in ("severity", "time", "frame", "kind", "what happened")
    )
    count = len(facts.suspicious)
    words = _count(count, "suspicious moment", "suspicious moments")
    if count > len(shown):
        words += f", the worst {len(shown)} of them"
    table = f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>"
    return f"<details class='moments' open><summary>{words}</summary>{table}</details>"


def _joint_table(facts: ClipFacts) -> str:
    """How often each joint was seen: a table of shades."""
    head = "".join(f"<th><span>{escape(j.replace('_', ' '))}</span></th>" for j in facts.joints)
    rows = ""
    for p in _shown(facts):
        cells = "".join(
            f'<td style="--v:{share:.2f}" title="{escape(joint)}: {100 * share:.0f} %"></td>'
            for joint, share in zip(facts.joints, p.joints, strict=True)
        )
        rows += f"<tr><th>{_label(p)}</th>{cells}</tr>"
    return (
        '<figure class="joints"><figcaption>Share of frames in which a joint was seen</figcaption>'
        f'<div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div></figure>'
    )


def _gap_table(facts: ClipFacts) -> str:
    rows = "".join(
        f"<tr><td>{_label(p)}</td><td>{a:.2f} s</td><td>{b:.2f} s</td><td>{b - a:.2f} s</td></tr>"
        for p in facts.people
        for a, b in p.gaps
    )
    if not rows:
        return "<p class='note'>Nobody is lost and found again: no gaps.</p>"
    head = "<tr><th>person</th><th>lost</th><th>found</th><th>away</th></tr>"
    count = sum(len(p.gaps) for p in facts.people)
    words = _count(count, "gap", "gaps")
    return f"<details><summary>{words}</summary><table>{head}{rows}</table></details>"


def _settings(facts: ClipFacts, pictures: Pictures) -> str:
    rows = [("posetrack", _version()), ("skeleton", f"{len(facts.joints)} joints")]
    for key, value in facts.meta.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        rows += [(f"{key} {name}".strip(), str(v)) for name, v in entries]
    table = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in rows
    )
    body = f"<details><summary>{len(rows)} entries</summary><table>{table}</table></details>"
    return _section("Settings and versions", body)
