// Keys: one table for what they do and for the page of help.

import { actions, limit, unmark } from "./mending.js";
import { accept, next } from "./moments.js";
import { faster, play, step } from "./player.js";
import { redo, undo } from "./server.js";
import { choose, fit, zoom } from "./stage.js";
import { stretch } from "./timeline.js";
import { $, go, make, put, store } from "./store.js";

const toggle = (name) => put({ show: { ...store.show, [name]: !store.show[name] } });

export const SHOWS = [
  ["limbs", "Limbs", "L"],
  ["joints", "Joints", "K"],
  ["boxes", "Boxes", "B"],
  ["ids", "Ids", "I"],
  ["weak", "Weak", "W"],
];

// keys as `name` or `Mod+name`; what they do; in words
const GROUPS = [
  ["Look", [
    [[" "], play, "play, pause", "Space"],
    [["ArrowRight", "."], () => step(1), "a frame on"],
    [["ArrowLeft", ","], () => step(-1), "a frame back"],
    [["Shift+ArrowRight"], () => step(10), "ten frames on"],
    [["Shift+ArrowLeft"], () => step(-10), "ten frames back"],
    [["Home"], () => go(0), "first frame"],
    [["End"], () => go(store.clip.count - 1), "last frame"],
    [["G"], () => $("frame").select(), "go to a frame by its number"],
    [["<", ">"], (key) => faster(key === ">" ? 1 : -1), "slower, faster"],
    [["+", "="], () => zoom(1.5), "larger", "+"],
    [["-"], () => zoom(1 / 1.5), "smaller", "−"],
    [["0"], fit, "whole picture"],
    [["{", "}"], (key) => stretch(key === "}" ? 0.5 : 2), "timeline: longer, shorter stretch"],
    ...SHOWS.map(([name, text, key]) => [[key], () => toggle(name), `show ${name === "weak" ? "weak joints" : text.toLowerCase()}`]),
  ]],
  ["Suspicious moments", [
    [["N"], () => next(1), "next"],
    [["P"], () => next(-1), "previous"],
    [["A"], () => accept(), "it is right as it is"],
  ]],
  ["Choose", [
    [["ArrowDown", "ArrowUp"], (key) => actions.person(key === "ArrowDown" ? 1 : -1), "next, previous person"],
    [["Shift+ArrowDown", "Shift+ArrowUp"], (key) => actions.other(key === "ArrowDown" ? 1 : -1), "the other person"],
    [["T"], actions.turn, "the other way round"],
    [["[", "]"], (key) => limit(key === "]"), "a range begins, ends here"],
    [["\\"], unmark, "no range"],
    [["J", "Shift+J"], (key, event) => actions.joint(event.shiftKey ? -1 : 1), "next, previous joint"],
    [["Escape"], () => choose(null), "nobody"],
  ]],
  ["Mend", [
    [["S"], actions.swap, "swap the two"],
    [["M"], actions.merge, "merge the other one into the chosen one"],
    [["X"], actions.split, "split here"],
    [["F"], actions.flip, "exchange left and right"],
    [["Delete", "Backspace"], actions.remove, "delete", "Delete"],
    [["E"], () => $("called")?.focus(), "give a name"],
    [["H"], actions.hide, "hide the joint"],
    [["Alt+ArrowLeft", "Alt+ArrowRight", "Alt+ArrowUp", "Alt+ArrowDown"], nudge, "move the joint", "Alt ← → ↑ ↓"],
    [["Ctrl+Z", "U"], undo, "undo"],
    [["Ctrl+Shift+Z", "Ctrl+Y", "Shift+U"], redo, "do again"],
  ]],
  ["Help", [[["?"], () => $("keys").showModal(), "these keys"]]],
];

function nudge(key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  actions.nudge(dx, dy);
}

const table = new Map(GROUPS.flatMap(([, keys]) => keys.flatMap(([names, call]) => names.map((name) => [name, call]))));

function name(event) {
  const letter = event.key.length === 1 && /[a-z]/i.test(event.key);
  const key = letter ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (letter || key.length > 1);
  const mods = [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt", shift && "Shift"];
  return [...mods.filter(Boolean), key].join("+");
}

// fields keep the keys that they need themselves
function isTyping(event) {
  const { target } = event;
  if (target.matches("input[type=text], select")) return true;
  if (target.matches("input[type=range]")) return /^(Arrow|Home|End)/.test(event.key);
  return target.matches("button, summary") && (event.key === " " || event.key === "Enter");
}

function press(event) {
  if (!store.clip || $("keys").open || isTyping(event)) return;
  const call = table.get(name(event));
  if (!call) return;
  event.preventDefault();
  call(event.key, event);
}

const SHOWN = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", "Shift+": "Shift " };

function inWords(names, text) {
  if (text) return [text];
  return names.map((key) => Object.entries(SHOWN).reduce((now, [from, to]) => now.replace(from, to), key).replaceAll(/\+(?=.)/g, " "));
}

export function wireKeys() {
  document.addEventListener("keydown", press);
  // after a click with the pointer the space bar plays again, rather than clicking once more
  document.addEventListener("click", (event) => {
    if (event.detail && event.target.closest("button")) $("picture").focus({ preventScroll: true });
  });
  $("help").onclick = () => $("keys").showModal();
  $("close").onclick = () => $("keys").close();
  $("keys").onclick = (event) => event.target === $("keys") && $("keys").close();
  $("keylist").replaceChildren(
    ...GROUPS.map(([group, keys]) =>
      make("section", {}, make("h3", { textContent: group }), make("dl", {}, ...keys.flatMap(([names, , words, text]) => [
        make("dt", {}, ...inWords(names, text).map((key) => make("kbd", { textContent: key }))),
        make("dd", { textContent: words }),
      ])))),
  );
}

export { toggle };
