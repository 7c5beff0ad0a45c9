// Playing: time goes on with the clock, and waits where a picture is not here yet, so that what is
// shown is always one frame, its picture with its poses.

import { ready } from "./frames.js";
import { $, clock, go, icon, put, seconds, store, watch } from "./store.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
let time = 0; // of the clip, seconds
let before = 0; // of the screen's clock, milliseconds

function tick(now) {
  if (!store.playing) return;
  const passed = Math.min(now - before, 100) / 1000;
  before = now;
  const next = frameAt(time + passed * store.speed);
  if (ready(next)) {
    time += passed * store.speed;
    put({ frame: next });
  }
  if (next >= store.clip.count - 1 && store.shown >= next) put({ playing: false });
  requestAnimationFrame(tick);
}

// the last frame that begins at or before a time
function frameAt(s) {
  const { times } = store.clip;
  let frame = store.frame;
  while (frame + 1 < times.length && times[frame + 1] <= s + 1e-6) frame++;
  return frame;
}

export function play() {
  if (store.playing) return put({ playing: false });
  if (store.frame >= store.clip.count - 1) put({ frame: 0 });
  time = seconds(store.frame);
  put({ playing: true });
  requestAnimationFrame((now) => {
    before = now;
    tick(now);
  });
}

export const step = (frames) => go(store.frame + frames);

export function faster(steps) {
  const at = SPEEDS.indexOf(store.speed) + steps;
  if (SPEEDS[at]) put({ speed: SPEEDS[at] });
}

export function wirePlayer() {
  $("play").onclick = play;
  $("back").onclick = () => step(-1);
  $("forth").onclick = () => step(1);
  $("scrub").oninput = () => go(Number($("scrub").value));
  $("speed").onchange = () => put({ speed: Number($("speed").value) });
  $("frame").onchange = () => {
    const frame = Number.parseInt($("frame").value, 10);
    if (Number.isFinite(frame)) go(frame);
    $("frame").value = store.frame;
  };
  $("frame").onkeydown = (event) => event.key === "Enter" && $("picture").focus();

  watch(["clip"], () => ($("scrub").max = store.clip.count - 1));
  watch(["frame", "clip"], () => {
    $("scrub").value = store.frame;
    $("scrub").setAttribute("aria-valuetext", `Frame ${store.frame}`);
    if (document.activeElement !== $("frame")) $("frame").value = store.frame;
    $("time").textContent = `/ ${store.clip.count - 1} · ${clock(seconds(store.frame))}`;
  });
  watch(["speed"], () => ($("speed").value = store.speed));
  watch(["playing"], () => {
    const name = store.playing ? "Pause" : "Play";
    $("play").setAttribute("aria-label", name);
    $("play").replaceChildren(icon(name.toLowerCase()));
  });
}
