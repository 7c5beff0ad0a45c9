// Suspicious moments: the list, and the way through it.

import { edit, say } from "./server.js";
import { $, clock, color, go, icon, make, put, rebuild, seconds, store, watch } from "./store.js";

const listed = () => store.moments.filter((one) => !store.kind || one.kind === store.kind);
const open = () => listed().filter((one) => !one.accepted);

export function visit(one) {
  if (!one) return;
  const [a = null, b = null] = one.ids.filter((id) => store.state.people.some((p) => p.id === id));
  put({ moment: one, a, b, joint: null, range: null, when: "on" });
  go(one.frame);
}

export function next(by = 1) {
  const list = open();
  if (!list.length) return say("No suspicious moments are left.");
  const at = list.indexOf(store.moment);
  // of those that are left the worst is the first; what was mended is no moment any more
  visit(at < 0 ? list.at(by > 0 ? 0 : -1) : list[(at + by + list.length) % list.length]);
}

export function accept(one = store.moment) {
  if (!one || one.accepted) return say("Go to a suspicious moment first (N).");
  const list = open();
  const after = list[(list.indexOf(one) + 1) % list.length];
  edit({ op: "accept", kind: one.kind, frame: one.frame, ids: one.ids });
  if (one === store.moment && after !== one) visit(after);
}

function build() {
  const list = open();
  const done = listed().length - list.length;
  $("left").textContent = list.length
    ? `${list.length} to look at${done ? `, ${done} found right` : ""}`
    : "None is left to look at.";
  if (store.looking) $("left").textContent += " Looks are being compared.";
  $("next").disabled = $("previous").disabled = !list.length;
  $("moments").replaceChildren(...listed().map(row));
  show();
}

function kinds() {
  const counts = new Map();
  for (const { kind, accepted } of store.moments) counts.set(kind, (counts.get(kind) ?? 0) + !accepted);
  const option = (value, text, count) => make("option", { value, textContent: `${text} (${count})` });
  const some = [...counts].sort().map(([kind, count]) => option(kind, kind, count));
  $("kind").replaceChildren(option("", "all kinds", store.moments.filter((one) => !one.accepted).length), ...some);
  if (!counts.has(store.kind)) put({ kind: "" });
  $("kind").value = store.kind;
}

function row(one) {
  const chips = one.ids.map((id) => {
    const chip = make("i", { className: "chip", textContent: id });
    chip.style.setProperty("--color", color(id));
    return chip;
  });
  const go_ = make(
    "button",
    { className: "moment", onclick: () => visit(one) },
    make("b", { textContent: one.kind }),
    make("span", { className: "chips" }, ...chips),
    make("small", { textContent: clock(seconds(one.frame)) }),
    make("span", { className: "text", textContent: one.text }),
  );
  const right = one.accepted
    ? make("span", { className: "done", title: "Found right" }, icon("check"))
    : make("button", { className: "plain", title: "It is right as it is (A)", ariaLabel: `${one.text}: right as it is`, onclick: () => accept(one) }, icon("check"));
  return make("li", { className: one.accepted ? "accepted" : "" }, go_, right);
}

function show() {
  const at = listed().indexOf(store.moment);
  [...$("moments").children].forEach((item, n) => {
    item.classList.toggle("now", n === at);
    if (n === at) item.firstElementChild.setAttribute("aria-current", "true");
    else item.firstElementChild.removeAttribute("aria-current");
  });
  const item = $("moments").children[at];
  const list = $("moments");
  if (!item) return;
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top - list.clientHeight / 3;
  }
}

export function wireMoments() {
  $("next").onclick = () => next(1);
  $("previous").onclick = () => next(-1);
  $("kind").onchange = () => put({ kind: $("kind").value });
  watch(["moments"], kinds);
  watch(["moments", "kind", "looking"], () => rebuild($("moments"), build));
  watch(["moment"], show);
  new ResizeObserver(show).observe($("moments")); // the panel below takes its space
}
