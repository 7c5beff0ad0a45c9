// The picture with the poses on it, in one canvas: what is drawn is always one frame. Positions are
// in pixels of the video, whose (0, 0) is the centre of the first pixel.

import { picture, poses, posesVersion, ready } from "./frames.js";
import { edit } from "./server.js";
import { $, clamp, color, put, store, title, watch } from "./store.js";

const REACH = 11; // of the pointer to a joint, in pixels of the screen
const SLACK = 4; // a movement below this is a click
const DEEPEST = 12; // times, zoom

const canvas = $("picture");
const pen = canvas.getContext("2d");
let sides = []; // of each joint: 0 middle, 1 left, 2 right
let drag = null;

// --- from the video to the screen

function view() {
  const box = canvas.getBoundingClientRect();
  const [width, height] = store.clip.size_wh;
  const fit = Math.min(box.width / width, box.height / height);
  const scale = fit * store.zoom.scale;
  return {
    scale,
    left: box.width / 2 - store.zoom.x * width * scale,
    top: box.height / 2 - store.zoom.y * height * scale,
    box,
  };
}

const onScreen = (v, x, y) => [v.left + (x + 0.5) * v.scale, v.top + (y + 0.5) * v.scale];
const inVideo = (v, x, y) => [(x - v.left) / v.scale - 0.5, (y - v.top) / v.scale - 0.5];

// --- drawing

export function draw() {
  if (!store.clip || !store.state) return;
  const frame = ready(store.frame) ? store.frame : store.shown;
  if (frame < 0 || !ready(frame)) return;
  const v = view();
  const dots = window.devicePixelRatio || 1;
  const size = [Math.round(v.box.width * dots), Math.round(v.box.height * dots)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, v.box.width, v.box.height);
  const image = picture(frame);
  const [width, height] = store.clip.size_wh;
  pen.imageSmoothingEnabled = v.scale < 4;
  pen.imageSmoothingQuality = "high";
  if (image) pen.drawImage(image, v.left, v.top, width * v.scale, height * v.scale);
  const people = poses(frame).map(dragged);
  const drawn = people.map((one) => drawPerson(one, v));
  const last = (one) => (one.id === store.a ? 2 : one.id === store.b ? 1 : 0); // lie on top
  if (store.show.ids) for (const one of people.toSorted((p, q) => last(p) - last(q))) drawTag(one, v);
  $("veil").hidden = true;
  canvas.setAttribute("aria-label", `Frame ${frame}: ${people.map((one) => title(one.id)).join(", ") || "nobody"}`);
  // for tests, and for whoever looks into the page: where the joints lie on the screen
  window.overlay = { frame, version: store.state.version, people: drawn };
  const pixels = image ? `${image.width}x${image.height}` : "none";
  Object.assign(canvas.dataset, { frame, version: posesVersion(frame), pixels });
  put({ shown: frame });
}

function dragged(one) {
  if (drag?.joint === undefined || drag.id !== one.id || !drag.to) return one;
  const joints = one.joints.slice();
  [joints[3 * drag.joint], joints[3 * drag.joint + 1]] = drag.to;
  return { ...one, joints };
}

function drawPerson(one, v) {
  const { clip, show, a, b } = store;
  const chosen = one.id === a || one.id === b;
  const [x1, y1, x2, y2] = one.box;
  const thick = clamp(Math.hypot(x2 - x1, y2 - y1) * v.scale * 0.012, 1.6, 5) * (chosen ? 1.25 : 1);
  const points = clip.joints.map((_, k) => onScreen(v, one.joints[3 * k], one.joints[3 * k + 1]));
  const there = (k) => Number.isFinite(one.joints[3 * k]);
  const weak = (k) => one.joints[3 * k + 2] < store.least;
  const seen = (k) => there(k) && (show.weak || !weak(k));
  if (show.boxes || chosen) drawBox(one, v, chosen);
  if (show.limbs) {
    for (const [i, j] of clip.limbs) {
      if (!seen(i) || !seen(j)) continue;
      line(points[i], points[j], thick, tone(one.id, Math.max(sides[i], sides[j])), weak(i) || weak(j));
    }
  }
  if (show.joints) {
    clip.joints.forEach((_, k) => {
      if (seen(k)) dot(points[k], thick * 1.05, tone(one.id, sides[k]), weak(k));
    });
  }
  if (one.id === a && store.joint !== null && there(store.joint)) ring(points[store.joint]);
  return { id: one.id, joints: points };
}

// the right side of a body has the full colour, the left side a tint
const tone = (id, side) => (side === 1 ? `color-mix(in srgb, ${color(id)} 45%, white)` : color(id));

function line(from, to, width, stroke, dashed) {
  pen.lineCap = "round";
  pen.setLineDash(dashed ? [width * 1.5, width * 2] : []);
  for (const [extra, ink] of [[1.6, "rgb(0 0 0 / 55%)"], [0, stroke]]) {
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.lineWidth = width + extra;
    pen.strokeStyle = ink;
    pen.stroke();
  }
  pen.setLineDash([]);
}

function dot([x, y], radius, fill, hollow) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = hollow ? "rgb(0 0 0 / 40%)" : fill;
  pen.fill();
  pen.lineWidth = hollow ? 1.4 : 1;
  pen.strokeStyle = hollow ? fill : "rgb(0 0 0 / 65%)";
  pen.stroke();
}

function ring([x, y]) {
  pen.beginPath();
  pen.arc(x, y, 9, 0, 2 * Math.PI);
  pen.lineWidth = 2;
  pen.strokeStyle = "white";
  pen.stroke();
}

function drawBox(one, v, chosen) {
  const [x1, y1] = onScreen(v, one.box[0], one.box[1]);
  const [x2, y2] = onScreen(v, one.box[2], one.box[3]);
  pen.setLineDash(one.id === store.b ? [7, 5] : []);
  for (const [extra, ink] of [[2, "rgb(0 0 0 / 55%)"], [0, color(one.id)]]) {
    pen.lineWidth = (chosen ? 2.2 : 1.2) + extra;
    pen.strokeStyle = ink;
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  pen.setLineDash([]);
}

function drawTag(one, v) {
  const name = store.state.people.find((other) => other.id === one.id)?.name;
  const text = name ? `${one.id} ${name}` : `${one.id}`;
  pen.font = "600 12px system-ui, sans-serif";
  const width = pen.measureText(text).width + 12;
  const [x1, y1] = onScreen(v, one.box[0], one.box[1]);
  const x = clamp((x1 + onScreen(v, one.box[2], 0)[0]) / 2 - width / 2, 2, v.box.width - width - 2);
  const y = clamp(y1 - 23, 2, v.box.height - 21);
  pen.beginPath();
  pen.roundRect(x, y, width, 19, 5);
  pen.fillStyle = "rgb(14 16 20 / 85%)";
  pen.fill();
  pen.lineWidth = 1.5;
  pen.strokeStyle = color(one.id);
  pen.stroke();
  pen.fillStyle = "white";
  pen.textBaseline = "middle";
  pen.fillText(text, x + 6, y + 10);
}

// --- zoom

export function zoom(factor, at = null) {
  const v = view();
  const [x, y] = at ?? [v.box.width / 2, v.box.height / 2];
  const [width, height] = store.clip.size_wh;
  const scale = clamp(store.zoom.scale * factor, 1, DEEPEST);
  if (scale === 1) return put({ zoom: { scale: 1, x: 0.5, y: 0.5 } });
  const real = (v.scale / store.zoom.scale) * scale;
  // the point below the pointer stays there
  const [px, py] = [(x - v.left) / v.scale, (y - v.top) / v.scale];
  put({
    zoom: {
      scale,
      x: clamp((px + (v.box.width / 2 - x) / real) / width, 0, 1),
      y: clamp((py + (v.box.height / 2 - y) / real) / height, 0, 1),
    },
  });
}

export const fit = () => put({ zoom: { scale: 1, x: 0.5, y: 0.5 } });

// --- the pointer

function at(event) {
  const { left, top } = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function jointAt(v, x, y) {
  const one = poses(store.shown)?.find((other) => other.id === store.a);
  if (!one) return null;
  let best = null;
  let near = REACH;
  store.clip.joints.forEach((_, k) => {
    const [jx, jy] = onScreen(v, one.joints[3 * k], one.joints[3 * k + 1]);
    const far = Math.hypot(jx - x, jy - y);
    const seen = store.show.weak || !(one.joints[3 * k + 2] < store.least);
    if (seen && far < near) [best, near] = [k, far];
  });
  return best;
}

function personAt(v, x, y) {
  const [px, py] = inVideo(v, x, y);
  let best = null;
  for (const one of poses(store.shown) ?? []) {
    const [x1, y1, x2, y2] = one.box;
    const inside = px >= x1 && px <= x2 && py >= y1 && py <= y2;
    const area = (x2 - x1) * (y2 - y1);
    if (inside && (!best || area < best.area)) best = { id: one.id, area };
  }
  return best?.id ?? null;
}

function press(event) {
  if (event.button || !store.clip) return;
  const v = view();
  const [x, y] = at(event);
  canvas.setPointerCapture(event.pointerId);
  if (store.placing) {
    place(inVideo(v, x, y));
    return;
  }
  const joint = event.shiftKey ? null : jointAt(v, x, y);
  drag = { x, y, zoom: store.zoom, moved: false };
  if (joint !== null) {
    Object.assign(drag, { joint, id: store.a, frame: store.shown });
    put({ joint, playing: false });
  }
}

function move(event) {
  if (!drag) return hover(event);
  const v = view();
  const [x, y] = at(event);
  drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > SLACK;
  if (!drag.moved) return;
  if (drag.joint !== undefined) {
    drag.to = inVideo(v, x, y);
    draw();
  } else if (store.zoom.scale > 1) {
    const [width, height] = store.clip.size_wh;
    put({
      zoom: {
        scale: store.zoom.scale,
        x: clamp(drag.zoom.x - (x - drag.x) / v.scale / width, 0, 1),
        y: clamp(drag.zoom.y - (y - drag.y) / v.scale / height, 0, 1),
      },
    });
  }
}

function hover(event) {
  if (!store.clip || store.playing) return;
  const v = view();
  const [x, y] = at(event);
  const joint = jointAt(v, x, y);
  const over = store.placing ? "crosshair" : joint !== null ? "grab" : personAt(v, x, y) !== null ? "pointer" : "";
  canvas.style.cursor = over;
  canvas.title = joint === null ? "" : store.clip.joints[joint].replaceAll("_", " ");
}

async function release(event) {
  const done = drag;
  if (!done) return;
  if (done.joint !== undefined && done.to) {
    await edit({ op: "move", id: done.id, frame: done.frame, joint: store.clip.joints[done.joint], xy: rounded(done.to) });
    drag = null;
    draw();
  } else {
    drag = null;
    if (!done.moved && done.joint === undefined) choose(personAt(view(), done.x, done.y), event.shiftKey);
  }
}

export const rounded = (xy) => xy.map((value) => Math.round(value * 100) / 100);

function place(xy) {
  put({ placing: false });
  if (store.a === null || store.joint === null) return;
  edit({ op: "move", id: store.a, frame: store.shown, joint: store.clip.joints[store.joint], xy: rounded(xy) });
}

export function choose(id, other = false) {
  if (id === null) {
    if (!other) put({ a: null, b: null, joint: null, placing: false });
  } else if (other && store.a !== null && id !== store.a) put({ b: store.b === id ? null : id });
  else if (id !== store.a) put({ a: id, b: store.b === id ? null : store.b, joint: null, placing: false });
}

export function wireStage() {
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), at(event));
  }, { passive: false });
  $("in").onclick = () => zoom(1.5);
  $("out").onclick = () => zoom(1 / 1.5);
  $("fit").onclick = fit;
  new ResizeObserver(draw).observe(canvas);
  watch(["clip"], () => {
    sides = store.clip.joints.map((name) => (/^left|^l_/i.test(name) ? 1 : /^right|^r_/i.test(name) ? 2 : 0));
    $("stage").style.setProperty("--shape", store.clip.size_wh.join(" / "));
  });
  watch(["frame", "loaded", "posed", "state", "show", "zoom", "a", "b", "joint", "least"], () => draw());
  watch(["frame"], () => ($("veil").hidden = ready(store.frame) || store.shown >= 0));
}

