// What the page knows, in one place. Whoever changes it calls `put`; whoever shows it `watch`es the
// names it needs and is called once, before the next picture is painted.

export const store = {
  clip: null, // /api/clip
  state: null, // /api/state
  moments: [],
  looking: false, // the server still reads what people look like
  moment: null, // the one that was gone to
  kind: "", // of moments that are listed; all
  frame: 0, // wanted
  shown: -1, // on the screen, picture and poses
  playing: false,
  speed: 1,
  a: null, // the chosen person, and the other one
  b: null,
  joint: null, // the chosen joint of a
  placing: false, // the next click says where the joint is
  range: null, // [first, last]
  when: "on", // on, all, range, one
  view: null, // [first, last] frame of the timeline
  zoom: { scale: 1, x: 0.5, y: 0.5 },
  show: { limbs: true, joints: true, boxes: false, ids: true, weak: false },
  least: 0.3, // joints scored below are weak
};

const watchers = [];
let waiting = new Set();

export function watch(names, call) {
  watchers.push([new Set(names), call]);
}

export function put(patch) {
  for (const [name, value] of Object.entries(patch)) {
    if (store[name] === value) continue;
    store[name] = value;
    if (!waiting.size) queueMicrotask(tell);
    waiting.add(name);
  }
}

function tell() {
  const names = waiting;
  waiting = new Set();
  for (const [wanted, call] of watchers) {
    for (const name of names) {
      if (wanted.has(name)) {
        call(names);
        break;
      }
    }
  }
}

// --- what is pressed stays until it is released
// A browser sends no click where the pressed element was replaced before the button came up.

let pressed = null;
const postponed = new Map(); // parent: how its children are made

export function rebuild(parent, build) {
  if (parent.contains(pressed)) postponed.set(parent, build);
  else build();
}

async function release() {
  if (pressed === null) return;
  await new Promise((told) => setTimeout(told)); // the click comes right after the pointer
  pressed = null;
  const builds = [...postponed.values()];
  postponed.clear();
  for (const build of builds) build();
}

addEventListener("pointerdown", (event) => (pressed = event.target), true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release, true);
addEventListener("blur", (event) => event.target === window && release());

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export function person(id) {
  return store.state?.people.find((one) => one.id === id) ?? null;
}

export function title(id) {
  return person(id)?.name ?? `Person ${id}`;
}

export function color(id) {
  const { colors } = store.clip;
  return colors[id % colors.length];
}

export function seconds(frame) {
  return store.clip.times[clamp(frame, 0, store.clip.count - 1)];
}

export function clock(s) {
  const minutes = Math.floor(s / 60);
  return `${minutes}:${(s - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

export function go(frame) {
  put({ frame: clamp(Math.round(frame), 0, store.clip.count - 1), playing: false });
}

// an element with attributes and children; text is text, never markup
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const $ = (id) => document.getElementById(id);
