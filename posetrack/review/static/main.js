// The page begins here: everything is wired, then the clip is loaded.

import { SHOWS, toggle, wireKeys } from "./keys.js";
import { wireMending } from "./mending.js";
import { wireMoments } from "./moments.js";
import { wirePlayer } from "./player.js";
import { load } from "./server.js";
import { wireStage } from "./stage.js";
import { wireTimeline } from "./timeline.js";
import { $, clamp, make, put, store, watch } from "./store.js";

function wireShows() {
  const buttons = SHOWS.map(([name, text, key]) =>
    make("button", { id: `show-${name}`, className: "plain", textContent: text, title: name === "weak" ? `Joints scored below the limit (${key})` : `${text} (${key})`, onclick: () => toggle(name) }));
  const least = make("input", { id: "least", type: "range", min: 0, max: 1, step: 0.05, value: store.least, title: "Joints scored below are weak", ariaLabel: "Limit of weak joints" });
  const shown = make("output", { id: "limit", textContent: store.least });
  least.oninput = () => put({ least: Number(least.value) });
  $("shows").append(...buttons, least, shown);
  watch(["least"], () => (shown.textContent = store.least));
  const mark = () => SHOWS.forEach(([name]) => $(`show-${name}`).setAttribute("aria-pressed", String(store.show[name])));
  watch(["show"], mark);
  mark();
}

// the place stays in the address, so that loading the page again comes back to it
function remember() {
  const place = new URLSearchParams({ frame: store.frame });
  for (const name of ["a", "b"]) if (store[name] !== null) place.set(name, store[name]);
  history.replaceState(null, "", `#${place}`);
}

function recall() {
  const place = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d+$/.test(place.get(name) ?? "") ? Number(place.get(name)) : null);
  const there = (id) => (store.state.people.some((one) => one.id === id) ? id : null);
  put({
    frame: clamp(number("frame") ?? store.clip.first, 0, store.clip.count - 1),
    a: there(number("a")),
    b: there(number("b")),
  });
}

function facts() {
  const { clip, state } = store;
  const [width, height] = clip.size_wh;
  $("facts").textContent = `${clip.count} frames, ${width} × ${height}, ${clip.fps.toFixed(2).replace(/\.?0+$/, "")} a second, ${clip.tracks}`;
  $("name").textContent = clip.name;
  $("log").textContent = clip.log;
  document.title = `${clip.name}: ${state.people.length} people`;
}

wireShows();
for (const wire of [wirePlayer, wireStage, wireTimeline, wireMoments, wireMending, wireKeys]) wire();
watch(["clip", "state"], facts);

try {
  await load();
  recall();
  let waiting = 0;
  watch(["frame", "a", "b"], () => {
    clearTimeout(waiting); // browsers count how often an address is changed
    waiting = setTimeout(remember, 200);
  });
} catch (error) {
  $("veil").hidden = false;
  $("veil").textContent = error.message;
}
