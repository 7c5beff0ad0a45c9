// Questions to the server, and changes. Answers that are refused become a sentence on the page.

import { $, put, store } from "./store.js";

const LOOKING = 2000; // milliseconds until it is asked again whether the video has been looked through
let hiding = 0;

export function say(sentence, bad = false) {
  const box = $("says");
  box.textContent = sentence;
  box.className = bad ? "bad open" : "open";
  clearTimeout(hiding);
  hiding = setTimeout(() => (box.className = box.className.replace("open", "")), bad ? 9000 : 4000);
}

export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("posetrack review has ended; every edit is saved. Start it again to go on.");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
  throw Object.assign(new Error(error), { status: answer.status });
}

async function post(address, data) {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(address, { method: "POST", headers, body: JSON.stringify(data) });
  return answer.json();
}

// one change after the other, each to the state that the one before it left
let last = Promise.resolve();

function change(address, data, done) {
  last = last.then(async () => {
    try {
      const state = await post(address, { ...data, version: store.state.version });
      take(state);
      done?.(state);
      return true;
    } catch (error) {
      say(error.message, true);
      if (error.status === 409) take(await (await ask("/api/state")).json());
      return false;
    }
  });
  return last;
}

export const edit = (data, done) => change("/api/edit", { edit: data }, done);
export const undo = () => store.state.undo && change("/api/undo", {}, sayOf(`Undone: ${store.state.undo}`));
export const redo = () => store.state.redo && change("/api/redo", {}, sayOf(`Done again: ${store.state.redo}`));
const sayOf = (sentence) => () => say(sentence);

export async function apply() {
  try {
    const { file, edits } = await post("/api/apply", {});
    say(`${file} is written: the tracks with ${edits} edit${edits === 1 ? "" : "s"}.`);
  } catch (error) {
    say(error.message, true);
  }
}

export async function load() {
  const clip = await (await ask("/api/clip")).json();
  put({ clip });
  take(clip.state);
}

// a new state of the tracks: who is gone is not chosen any more, and the moments are others
function take(state) {
  const there = new Set(state.people.map((one) => one.id));
  const { a, b } = store;
  put({
    state,
    a: there.has(a) ? a : there.has(b) ? b : null,
    b: there.has(a) && there.has(b) ? b : null,
  });
  loadMoments();
}

async function loadMoments() {
  try {
    const { version, looking, moments } = await (await ask("/api/moments")).json();
    if (version !== store.state.version) return;
    if (looking) setTimeout(() => version === store.state.version && loadMoments(), LOOKING);
    const key = (one) => `${one.kind} ${one.frame} ${one.ids}`;
    const now = store.moment && key(store.moment);
    Object.assign($("moments").dataset, { version, looking });
    if (JSON.stringify(moments) === JSON.stringify(store.moments)) return put({ looking });
    put({ looking, moments, moment: moments.find((one) => key(one) === now) ?? null });
  } catch (error) {
    say(error.message, true);
  }
}
