// The timeline: a lane for each person, with a picture, presence, score and gaps; above them the
// seconds and the suspicious moments.

import { choose } from "./stage.js";
import { $, clamp, clock, color, go, make, put, rebuild, seconds, store, title, watch } from "./store.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]; // seconds
const APART = 74; // pixels between two of them
const SPARE = 8; // pixels right of the lanes, as in review.css
const LEAST = 20; // frames that the timeline shows at least
let strips = new Map(); // id: { lane, canvas }

const span = () => store.view ?? [0, Math.max(1, store.clip.count - 1)];

function xOf(frame, width) {
  const [first, last] = span();
  return ((frame - first) / (last - first)) * width;
}

function frameAt(event, canvas) {
  const box = canvas.getBoundingClientRect();
  const [first, last] = span();
  return first + ((event.clientX - box.left) / box.width) * (last - first);
}

function prepare(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const dots = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(height * dots)];
  const pen = canvas.getContext("2d");
  pen.scale(dots, dots);
  return [pen, width, height];
}

// --- lanes

function build() {
  const before = strips;
  strips = new Map();
  const rows = store.state.people.map((one) => {
    const { lane, canvas } = before.get(one.id) ?? newLane(one.id);
    strips.set(one.id, { lane, canvas });
    const gaps = one.runs.length - 1;
    const about = [`${one.frames} frames`, `, ${gaps || "no"} gap${gaps > 1 ? "s" : ""}`];
    const who = lane.firstElementChild;
    who.title = `${title(one.id)}: ${about.join("")}, score ${one.score.toFixed(2)}`;
    who.setAttribute("aria-label", who.title);
    const image = who.querySelector("img");
    if (image.getAttribute("src") !== one.picture) image.src = one.picture;
    who.querySelector("b").textContent = title(one.id);
    const small = [one.name ? `${one.id} · ${about[0]}` : about[0], make("i", { textContent: about[1] })];
    who.querySelector("small").replaceChildren(...small);
    return lane;
  });
  $("lanes").replaceChildren(...rows);
  $("people").textContent = `${rows.length} ${rows.length === 1 ? "person" : "people"}`;
  paint();
  mark();
}

function newLane(id) {
  const canvas = make("canvas", { title: "Click to go there" });
  const who = make(
    "button",
    { className: "who", onclick: (event) => choose(id, event.shiftKey) },
    make("img", { alt: "", loading: "lazy", width: 30, height: 40 }),
    make("span", {}, make("b"), make("small")),
  );
  who.style.setProperty("--color", color(id));
  let held = false;
  canvas.onpointerdown = (event) => {
    held = true;
    canvas.setPointerCapture(event.pointerId);
    choose(id, event.shiftKey);
    go(frameAt(event, canvas));
  };
  canvas.onpointermove = (event) => held && go(frameAt(event, canvas));
  canvas.onpointerup = canvas.onpointercancel = () => (held = false);
  return { lane: make("div", { className: "lane" }, who, canvas), canvas };
}

function paint() {
  if (!store.state) return;
  // as wide as the lanes, whose scroll bar takes room on some systems and none on others
  const row = $("ruler").parentElement;
  row.style.paddingRight = `${row.clientWidth - $("lanes").clientWidth + SPARE}px`;
  paintLanes();
  paintRuler(...prepare($("ruler")));
  place();
}

// those in sight; of hundreds the others wait until they are scrolled to
function paintLanes() {
  const { top, bottom } = $("lanes").getBoundingClientRect();
  for (const one of store.state.people) {
    const canvas = strips.get(one.id)?.canvas;
    const box = canvas?.getBoundingClientRect();
    if (box && box.bottom >= top - 50 && box.top <= bottom + 50) paintLane(one, ...prepare(canvas));
  }
}

function paintLane(one, pen, width, height) {
  const columns = Uint8Array.from(atob(one.columns), (char) => char.charCodeAt(0));
  const frames = store.clip.count;
  const base = height - 4;
  pen.fillStyle = color(one.id);
  const low = one.runs[0][0];
  const high = one.runs.at(-1)[1];
  pen.globalAlpha = 0.28; // a thin line through gaps
  pen.fillRect(xOf(low, width), height / 2 - 0.5, xOf(high, width) - xOf(low, width), 1);
  pen.globalAlpha = 0.3;
  for (const [first, last] of one.runs) {
    const x = xOf(first - 0.5, width);
    pen.beginPath();
    pen.roundRect(x, 4, Math.max(1.5, xOf(last + 0.5, width) - x), base - 4, 3);
    pen.fill();
  }
  pen.globalAlpha = 1;
  const wide = frames / columns.length; // frames a column
  const [from, to] = span();
  const begin = clamp(Math.floor(from / wide) - 1, 0, columns.length);
  for (let n = begin; n < columns.length && n * wide <= to + wide; n++) {
    if (!columns[n]) continue;
    const tall = ((columns[n] - 1) / 254) * (base - 4);
    // to whole points, so that neighbours touch without a seam
    const left = Math.round(xOf(n * wide - 0.5, width));
    const right = Math.round(xOf((n + 1) * wide - 0.5, width));
    pen.fillRect(left, base - tall, Math.max(right - left, 0.6), tall);
  }
}

function paintRuler(pen, width, height) {
  const style = getComputedStyle(document.body);
  const [first, last] = span();
  const [begin, end] = [seconds(first), seconds(last)];
  const step = STEPS.find((s) => (s / (end - begin || 1)) * width >= APART) ?? 3600;
  pen.fillStyle = style.getPropertyValue("--soft");
  pen.font = "11px system-ui, sans-serif";
  for (let n = Math.ceil(begin / step); n * step <= end; n++) {
    const x = ((n * step - begin) / (end - begin)) * width;
    pen.fillRect(x, height - 5, 1, 5);
    if (x < width - 34) pen.fillText(step < 1 ? (n * step).toFixed(1) : clock(n * step).slice(0, -3), x + 4, height - 3);
  }
  for (const one of store.moments) {
    const x = xOf(one.frame, width);
    pen.fillStyle = one.accepted ? style.getPropertyValue("--rule") : style.getPropertyValue("--warn");
    pen.beginPath();
    pen.moveTo(x - 4.5, 2);
    pen.lineTo(x + 4.5, 2);
    pen.lineTo(x, 10);
    pen.fill();
  }
}

// --- what moves

function place() {
  const box = $("ruler").getBoundingClientRect();
  const outer = $("head").parentElement.getBoundingClientRect();
  const x = xOf(store.frame, box.width);
  $("head").hidden = x < -1 || x > box.width + 1;
  $("head").style.transform = `translateX(${box.left - outer.left + x}px)`;
  const { range } = store;
  $("mark").hidden = !range;
  if (range) {
    const left = clamp(xOf(range[0] - 0.5, box.width), 0, box.width);
    const right = clamp(xOf(range[1] + 0.5, box.width), 0, box.width);
    $("mark").style.transform = `translateX(${box.left - outer.left + left}px)`;
    $("mark").style.width = `${Math.max(right - left, 1)}px`;
  }
}

function mark() {
  for (const [id, { lane }] of strips) {
    lane.classList.toggle("a", id === store.a);
    lane.classList.toggle("b", id === store.b);
    lane.firstElementChild.setAttribute("aria-pressed", String(id === store.a));
  }
  // within the list only: the page itself stays where it is
  const lane = strips.get(store.a)?.lane;
  const list = $("lanes");
  if (!lane) return;
  const [top, bottom] = [lane.offsetTop - list.offsetTop, lane.offsetTop - list.offsetTop + lane.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

function follow() {
  if (store.view) {
    const [first, last] = store.view;
    if (store.frame < first || store.frame > last) {
      const start = clamp(store.frame - (last - first) / 10, 0, store.clip.count - 1 - (last - first));
      put({ view: [start, start + last - first] });
    }
  }
  place();
}

export function stretch(factor, about = store.frame) {
  const [first, last] = span();
  const all = Math.max(1, store.clip.count - 1);
  const long = clamp((last - first) * factor, Math.min(LEAST, all), all);
  const start = clamp(about - ((about - first) / (last - first)) * long, 0, all - long);
  put({ view: long >= all ? null : [start, start + long] });
}

export function wireTimeline() {
  const ruler = $("ruler");
  let held = false;
  ruler.onpointerdown = (event) => {
    held = true;
    ruler.setPointerCapture(event.pointerId);
    go(frameAt(event, ruler));
  };
  ruler.onpointermove = (event) => held && go(frameAt(event, ruler));
  ruler.onpointerup = ruler.onpointercancel = () => (held = false);
  ruler.parentElement.parentElement.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    stretch(Math.exp(event.deltaY / 300), frameAt(event, ruler));
  }, { passive: false });
  $("wide").onclick = () => stretch(2);
  $("near").onclick = () => stretch(0.5);
  $("lanes").onscroll = paintLanes;
  for (const element of [ruler, $("lanes")]) new ResizeObserver(paint).observe(element);
  watch(["state"], () => rebuild($("lanes"), build));
  watch(["moments", "view"], paint);
  watch(["a", "b"], mark);
  watch(["frame", "range"], follow);
}
