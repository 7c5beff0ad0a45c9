// Mending: what can be done with the chosen person and the other one. A button says in words what it
// is going to do, frames included.

import { apply, edit, redo, say, undo } from "./server.js";
import { choose, rounded } from "./stage.js";
import { poses } from "./frames.js";
import { $, color, icon, make, person, put, rebuild, store, title, watch } from "./store.js";

const WHENS = [["on", "From here on"], ["one", "This frame"], ["all", "Whole clip"], ["range", "Range"]];

// --- when

function bounds() {
  const { when, range, frame } = store;
  if (when === "all") return {};
  if (when === "one") return { start: frame, end: frame };
  if (when === "range" && range) return { start: range[0], end: range[1] };
  return { start: frame };
}

function inWords() {
  const { when, range, frame } = store;
  if (when === "all") return "in the whole clip";
  if (when === "one") return `in frame ${frame}`;
  if (when === "range" && range) return `in frames ${range[0]} to ${range[1]}`;
  return `from frame ${frame} on`;
}

// merging is for the whole clip unless a range is marked: fragments belong together as they are
const mergeBounds = () => (store.when === "range" && store.range ? bounds() : {});
const mergeWords = () => (store.when === "range" && store.range ? inWords() : "in the whole clip");

export function limit(end) {
  const { frame, range } = store;
  const [first, last] = range ?? [frame, frame];
  const marked = end ? [Math.min(first, frame), frame] : [frame, Math.max(last, frame)];
  put({ range: marked, when: "range" });
}

export function setWhen(when) {
  if (when === "range" && !store.range) return say("Mark a range first: [ at its first frame, ] at its last.");
  put({ when });
}

export const unmark = () => put({ range: null, when: store.when === "range" ? "on" : store.when });

// --- what

const needsOne = () => store.a !== null || say("Choose a person first: click it, or press ↓.");
const needsTwo = () =>
  (store.a !== null && store.b !== null) || say("Choose two people: click one, Shift and click the other.");

export const actions = {
  swap() {
    const { a, b } = store;
    if (needsTwo()) edit({ op: "swap", a, b, ...bounds() });
  },
  merge() {
    const { a, b } = store;
    if (needsTwo()) edit({ op: "merge", into: a, other: b, ...mergeBounds() });
  },
  split() {
    const { a, frame } = store;
    const { next } = store.state;
    if (needsOne()) edit({ op: "split", id: a, start: frame, new: next }, () => put({ a: next, b: null }));
  },
  remove() {
    if (needsOne()) edit({ op: "delete", id: store.a, ...bounds() });
  },
  flip() {
    if (needsOne()) edit({ op: "flip", id: store.a, ...bounds() });
  },
  turn() {
    if (needsTwo()) put({ a: store.b, b: store.a });
  },
  hide() {
    const { a, joint, frame } = store;
    if (joint === null || a === null) return say("Choose a joint first: click it, or press J.");
    edit({ op: "move", id: a, frame, joint: store.clip.joints[joint], xy: null });
  },
  nudge(dx, dy) {
    const one = poses(store.frame)?.find((other) => other.id === store.a);
    const k = store.joint;
    if (!one || k === null || !Number.isFinite(one.joints[3 * k])) return;
    const xy = rounded([one.joints[3 * k] + dx, one.joints[3 * k + 1] + dy]);
    one.joints[3 * k] = xy[0]; // at once on the screen; the server's answer says the same
    one.joints[3 * k + 1] = xy[1];
    edit({ op: "move", id: store.a, frame: store.frame, joint: store.clip.joints[k], xy });
  },
  name(text) {
    const { a } = store;
    const name = text.trim() || null;
    if (a !== null && name !== person(a).name) edit({ op: "name", id: a, name });
  },
  joint(by) {
    if (!needsOne()) return;
    const many = store.clip.joints.length;
    if (many) put({ joint: store.joint === null ? (by > 0 ? 0 : many - 1) : (store.joint + by + many) % many });
  },
  other(by) {
    const rest = store.state.people.filter((one) => one.id !== store.a);
    if (!needsOne() || !rest.length) return;
    const at = rest.findIndex((one) => one.id === store.b);
    const to = at < 0 ? (by > 0 ? 0 : -1) : (at + by + rest.length) % rest.length;
    put({ b: rest.at(to).id });
  },
  person(by) {
    const { people } = store.state;
    if (!people.length) return;
    const at = people.findIndex((one) => one.id === store.a);
    choose(people.at(at < 0 ? (by > 0 ? 0 : -1) : (at + by + people.length) % people.length).id);
  },
};

// --- the panel

const show = () => rebuild($("mend"), build);

function build() {
  if (!store.state) return;
  const typing = $("mend").contains(document.activeElement) ? document.activeElement.id : null;
  if (typing === "called") return; // a name that is being written
  $("mend").replaceChildren(...(store.a === null ? empty() : panel()));
  if (typing) $(typing)?.focus();
}

const empty = () => [
  make("p", { className: "note", textContent: "Choose a person in the picture or on the timeline; with Shift, another one to swap or merge with." }),
];

function panel() {
  const { a, b } = store;
  return [
    make("div", { className: "pair" }, card(a, "a"), b === null ? null : make("button", { id: "turn", className: "plain", title: "The other way round (T)", ariaLabel: "The other way round", onclick: actions.turn }, icon("turn")), b === null ? null : card(b, "b")),
    make(
      "div",
      { className: "fields" },
      make("label", { className: "field" }, "Name", nameField(a)),
      make("label", { className: "field" }, "With", others()),
    ),
    whens(),
    make(
      "div",
      { className: "actions" },
      b === null ? null : button("swap", `Swap ${a} and ${b}`, inWords(), "S"),
      b === null ? null : button("merge", `Merge ${b} into ${a}`, overlap(a, b) ?? mergeWords(), "M"),
      button("split", `Split ${a} here`, `${store.state.next} from frame ${store.frame} on`, "X"),
      button("flip", `Exchange left and right of ${a}`, inWords(), "F"),
      button("remove", `Delete ${a}`, inWords(), "Del"),
    ),
    jointRow(),
  ];
}

function card(id, role) {
  const one = person(id);
  const figure = make(
    "figure",
    { className: `card ${role}` },
    make("img", { src: one.picture, alt: "", width: 72, height: 96 }),
    make("figcaption", {}, make("b", { textContent: title(id) }), make("small", { textContent: `${one.name ? `${id} · ` : ""}${one.runs[0][0]} to ${one.runs.at(-1)[1]}` })),
  );
  figure.style.setProperty("--color", color(id));
  return figure;
}

function nameField(id) {
  const before = person(id).name ?? "";
  const input = make("input", { id: "called", type: "text", maxLength: 80, value: before, placeholder: "no name yet", autocomplete: "off" });
  input.onchange = () => actions.name(input.value);
  input.onkeydown = (event) => {
    if (event.key === "Escape") input.value = before;
    if (event.key === "Enter" || event.key === "Escape") $("picture").focus();
  };
  input.onblur = () => setTimeout(show);
  return input;
}

function others() {
  const options = store.state.people
    .filter((one) => one.id !== store.a)
    .map((one) => make("option", { value: one.id, textContent: one.name ? `${one.id} ${one.name}` : `Person ${one.id}` }));
  const select = make("select", { id: "with" }, make("option", { value: "", textContent: "nobody" }), ...options);
  select.value = store.b ?? "";
  select.onchange = () => put({ b: select.value === "" ? null : Number(select.value) });
  return select;
}

function whens() {
  const buttons = WHENS.map(([when, text]) => {
    const label = when === "range" && store.range ? `${store.range[0]}–${store.range[1]}` : text;
    return make("button", { id: `when-${when}`, className: "plain", textContent: label, ariaPressed: String(store.when === when), disabled: when === "range" && !store.range, onclick: () => setWhen(when) });
  });
  const ends = [
    make("button", { id: "begin", className: "plain", textContent: "Begin", title: "The range begins here ([)", onclick: () => limit(false) }),
    make("button", { id: "end", className: "plain", textContent: "End", title: "The range ends here (])", onclick: () => limit(true) }),
  ];
  return make("div", { className: "whens", role: "group", ariaLabel: "When" }, ...buttons, ...ends);
}

function button(action, text, more, key) {
  return make("button", { id: `do-${action}`, className: action === "remove" ? "bad" : "", onclick: () => actions[action]() }, make("div", {}, make("span", { textContent: text }), make("small", { textContent: more })), make("kbd", { textContent: key }));
}

function overlap(a, b) {
  let both = 0;
  for (const [first, last] of person(a).runs) {
    for (const [from, to] of person(b).runs) both += Math.max(0, Math.min(last, to) - Math.max(first, from) + 1);
  }
  if (!both || (store.when === "range" && store.range)) return null;
  return `both there in ${both} frame${both > 1 ? "s" : ""}: the surer pose stays`;
}

function jointRow() {
  const { joints } = store.clip;
  if (!joints.length) return "";
  const select = make("select", { id: "joint" }, make("option", { value: "", textContent: "a joint" }), ...joints.map((name, k) => make("option", { value: k, textContent: name.replaceAll("_", " ") })));
  select.value = store.joint ?? "";
  select.onchange = () => put({ joint: select.value === "" ? null : Number(select.value), placing: false });
  const none = store.joint === null;
  return make(
    "div",
    { className: "joint" },
    make("label", { htmlFor: "joint", textContent: "Joint" }),
    select,
    make("button", { id: "place", className: "plain", textContent: "Place", title: "Then click where it is", disabled: none, ariaPressed: String(store.placing), onclick: () => put({ placing: !store.placing }) }),
    make("button", { id: "hide", className: "plain", textContent: "Hide", title: "It is not to be seen in this frame (H)", disabled: none, onclick: actions.hide }),
  );
}

// --- the bar above, and the list of edits

function bar() {
  const { state } = store;
  for (const [id, what] of [["undo", state.undo], ["redo", state.redo]]) {
    $(id).disabled = !what;
    $(id).title = what ? `${id === "undo" ? "Undo" : "Do again"}: ${what}` : `Nothing to ${id}`;
  }
  $("apply").disabled = !state.edits.length;
  $("count").textContent = state.edits.length || "none yet";
  $("edits").replaceChildren(...state.edits.map((text) => make("li", { textContent: text })));
}

export function wireMending() {
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("apply").onclick = apply;
  watch(["state", "a", "b", "range", "when", "joint", "placing", "shown"], () => store.playing || show());
  watch(["playing"], show);
  watch(["state"], bar);
}
