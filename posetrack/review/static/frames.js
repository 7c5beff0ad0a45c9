// Pictures and poses by frame, a window of each around the place that is looked at.

import { ask, say } from "./server.js";
import { clamp, put, store, watch } from "./store.js";

const AHEAD = 12; // pictures loaded before they are needed
const BEHIND = 3;
const AT_ONCE = 4; // requests for pictures
const KEPT = 40; // pictures; one of 1280x720 takes 4 MB
const WINDOW = 128; // frames of poses in one request
const WINDOWS = 24;
const SHARP = 1.4; // zoom from which a large video is shown in its own size

const pictures = new Map(); // frame: ImageBitmap, or null where the video has none
const loading = new Map(); // frame: AbortController
const whole = new WeakSet(); // pictures in the video's own size
const windows = new Map(); // number: { version, frames }
const asked = new Map(); // number: version

export const picture = (frame) => pictures.get(frame);

// the people of a frame; undefined: not here yet. Those of before a change serve until the newest
// are here.
export const poses = (frame) => windows.get(Math.floor(frame / WINDOW))?.frames[frame % WINDOW];
export const posesVersion = (frame) => windows.get(Math.floor(frame / WINDOW))?.version;

export function ready(frame) {
  return pictures.has(frame) && poses(frame) !== undefined;
}

// --- what to load

export function want() {
  if (!store.clip) return;
  const step = store.playing ? Math.max(1, Math.round(store.speed)) : 1;
  const last = store.clip.count - 1;
  const wanted = [store.frame];
  for (let n = 1; n <= AHEAD; n++) wanted.push(store.frame + n * step);
  if (!store.playing) for (let n = 1; n <= BEHIND; n++) wanted.push(store.frame - n);
  const inside = wanted.filter((frame) => frame >= 0 && frame <= last);
  for (const [frame, control] of loading) {
    if (frame >= 0 && Math.abs(frame - store.frame) > 2 * AHEAD * step) control.abort();
  }
  for (const frame of inside) {
    // what is far from the place may wait until the place itself is there
    if (loading.size >= AT_ONCE && frame !== store.frame) break;
    if (!pictures.has(frame) && !loading.has(frame)) loadPicture(frame);
  }
  wantPoses(store.frame);
  const next = store.frame + (store.playing ? WINDOW / 2 : WINDOW / 4) * step;
  wantPoses(clamp(next, 0, last));
  wantPoses(clamp(store.frame - WINDOW / 4, 0, last));
}

watch(["frame", "clip", "state", "playing"], want);

// a picture for playing is smaller than a large video; who looks closely sees the video itself
async function sharpen() {
  const frame = store.shown;
  const image = pictures.get(frame);
  const smaller = image && image.width < store.clip.size_wh[0] && !whole.has(image);
  if (!smaller || store.playing || store.zoom.scale < SHARP || loading.has(-1)) return;
  loading.set(-1, new AbortController());
  try {
    const sharp = await createImageBitmap(await (await ask(`/frame/${frame}.jpg`)).blob());
    whole.add(sharp);
    if (pictures.get(frame) === image) pictures.set(frame, sharp);
    put({ loaded: {} });
  } catch (error) {
    say(error.message, true);
  } finally {
    loading.delete(-1);
  }
}

watch(["shown", "zoom", "playing"], sharpen);

async function loadPicture(frame) {
  const control = new AbortController();
  loading.set(frame, control);
  try {
    const answer = await ask(`/frame/${frame}.jpg?small=1`, { signal: control.signal });
    pictures.set(frame, await createImageBitmap(await answer.blob()));
  } catch (error) {
    if (error.name !== "AbortError") {
      pictures.set(frame, null);
      say(error.message, true);
    }
  } finally {
    loading.delete(frame);
  }
  forget();
  put({ loaded: frame });
  want();
}

function forget() {
  const far = [...pictures.keys()].sort(
    (one, other) => Math.abs(other - store.frame) - Math.abs(one - store.frame),
  );
  for (const frame of far.slice(0, Math.max(0, far.length - KEPT))) {
    pictures.get(frame)?.close();
    pictures.delete(frame);
  }
}

// --- poses

async function wantPoses(frame) {
  const number = Math.floor(frame / WINDOW);
  const { version } = store.state;
  if (windows.get(number)?.version === version || asked.get(number) === version) return;
  asked.set(number, version);
  try {
    const first = number * WINDOW;
    const answer = await ask(`/api/poses?first=${first}&last=${first + WINDOW - 1}`);
    const made = Number(answer.headers.get("X-Version"));
    const frames = unpack(await answer.arrayBuffer(), first);
    if (made >= (windows.get(number)?.version ?? -1)) {
      windows.delete(number);
      windows.set(number, { version: made, frames });
    }
    for (const old of windows.keys()) {
      if (windows.size <= WINDOWS) break;
      windows.delete(old);
    }
    put({ posed: {} });
  } catch (error) {
    say(error.message, true);
  } finally {
    if (asked.get(number) === version) asked.delete(number);
  }
}

// the layout is that of packing.py
function unpack(buffer, first) {
  const [count, joints] = new Int32Array(buffer, 0, 2);
  const places = new Int32Array(buffer, 8, count);
  let at = 8 + 4 * (count + (count % 2));
  const ids = new Float64Array(buffer, at, count);
  at += 8 * count;
  const width = 5 + 3 * joints;
  const values = new Float32Array(buffer, at, count * width);
  const frames = Array.from({ length: WINDOW }, () => []);
  for (let n = 0; n < count; n++) {
    const row = values.subarray(n * width, (n + 1) * width);
    frames[places[n] - first].push({
      id: ids[n],
      box: row.subarray(0, 4),
      score: row[4],
      joints: row.subarray(5),
    });
  }
  return frames;
}
