// The player: one clock (the sound's, where there is sound) for every result, one camera for every stage.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);

function bytes(text) {
  const raw = atob(text), array = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) array[k] = raw.charCodeAt(k);
  return array;
}

function fitCanvas(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

data.peaks = bytes(data.peaks);
for (const result of data.results) {
  result.places = new Int16Array(bytes(result.places).buffer);
  result.weights = result.face ? bytes(result.face) : null;
}

// ---- clock
const sound = data.sound ? element("sound") : null;
const clock = { playing: false, at: 0, since: 0, speed: 1, soundPlaced: false };
if (sound) {
  sound.src = URL.createObjectURL(new Blob([bytes(data.sound.content)], { type: data.sound.type }));
  sound.preservesPitch = true;
  sound.addEventListener("loadedmetadata", () => placeSound());
}

function now() {
  if (!clock.playing) return clock.at;
  const passed = ((performance.now() - clock.since) / 1000) * clock.speed;
  const at = clock.soundPlaced && !sound.paused && !sound.ended ? sound.currentTime : clock.at + passed;
  return Math.min(at, data.duration_s);
}

function startSound() {
  sound.playbackRate = clock.speed;
  // Refused: a browser may want a press first. Of a sound that cannot be decoded the motion plays alone.
  sound.play().catch((error) => { if (error.name === "NotAllowedError") pause(); });
}

// Before its metadata is there the sound has no duration and takes no position: the clock runs without it until then.
function placeSound() {
  const at = now();
  clock.soundPlaced = true;
  seek(at);
}

function seek(at) {
  clock.at = Math.min(Math.max(at, 0), data.duration_s);
  clock.since = performance.now();
  if (clock.soundPlaced) {
    sound.currentTime = Math.min(clock.at, sound.duration);
    if (clock.playing && clock.at < sound.duration) startSound();
  }
}

function play() {
  if (clock.at >= data.duration_s - 0.01) seek(0);
  clock.playing = true;
  clock.since = performance.now();
  if (sound && (!clock.soundPlaced || clock.at < sound.duration)) startSound();
  element("play").textContent = "❚❚";
  element("play").setAttribute("aria-label", "pause");
}

function pause() {
  clock.at = now();
  clock.playing = false;
  if (sound) sound.pause();
  element("play").textContent = "►";
  element("play").setAttribute("aria-label", "play");
}

const toggle = () => (clock.playing ? pause() : play());

function setSpeed(speed) {
  clock.at = now();
  clock.since = performance.now();
  clock.speed = speed;
  if (sound) sound.playbackRate = speed;
}

// ---- stages
const camera = {};
const tallest = Math.max(...data.results.map((result) => result.height));

function resetCamera(yaw) {
  const start = data.style.camera;
  Object.assign(camera, {
    yaw: yaw === undefined ? start.yaw_rad : yaw, pitch: start.pitch_rad, x: 0, z: 0,
    y: start.target * tallest, distance: start.distance * tallest, zoomless: start.focal,
  });
}
resetCamera();

for (const result of data.results) {
  const panel = element("panel").content.firstElementChild.cloneNode(true);
  element("stages").append(panel);
  panel.querySelector("h2 span").textContent = result.name;
  panel.querySelector("h2 i").style.background = result.colour;
  panel.querySelector("h2 small").textContent = result.source;
  result.stage = panel.querySelector(".stage");
  result.faceCanvas = panel.querySelector(".face");
  if (!result.weights) result.faceCanvas.remove();
  moveCamera(result.stage);
}
const single = data.results.length === 1, narrow = window.matchMedia("(max-width: 760px)");
document.body.classList.toggle("single", single);

function moveCamera(canvas) {
  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (fingers.size === 2) {
      const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
      const span = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) || 1;
      zoom(span(before) / span(event));
    } else if (event.buttons & 2 || event.shiftKey) {
      camera.y += (dy * camera.distance) / (canvas.clientHeight * camera.zoomless);
    } else {
      camera.yaw -= dx * 0.008;
      camera.pitch = Math.min(1.5, Math.max(-0.2, camera.pitch + dy * 0.006));
    }
    fingers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.001)); }, { passive: false });
  canvas.addEventListener("dblclick", () => resetCamera());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}

function zoom(factor) {
  camera.distance = Math.min(8 * tallest, Math.max(0.35 * tallest, camera.distance * factor));
}

// Values between two frames, linear; after its end a result holds its last frame.
function between(array, count, width, fps, at, scale, out) {
  const place = Math.min(at * fps, count - 1), first = Math.floor(place), share = place - first;
  const a = first * width, b = Math.min(first + 1, count - 1) * width;
  for (let k = 0; k < width; k++) out[k] = (array[a + k] * (1 - share) + array[b + k] * share) * scale;
  return out;
}

// The camera goes where the hips are, on the mean of some seconds: the person stays in the picture and still sways.
function follow(result, at) {
  const reach_s = data.style.camera.follow_s, samples = 13;
  camera.x = camera.z = 0;
  for (let k = 0; k < samples; k++) {
    const time_s = Math.max(0, at + (k / (samples - 1) - 0.5) * reach_s);
    const row = Math.min(Math.round(time_s * result.fps), result.frames - 1) * 3 * result.joints;
    camera.x += (result.places[row] * result.unit_cm) / samples;
    camera.z += (result.places[row + 2] * result.unit_cm) / samples;
  }
}

function paintResult(result, theme, at) {
  const { context, width, height } = fitCanvas(result.stage);
  follow(result, at);
  // Beside the face the body stands in the middle of what is left.
  const room = !result.weights ? width : single && !narrow.matches ? 0.7 * width : width - 0.75 * result.faceCanvas.clientWidth;
  const size = { width, height, centre: room / 2, focal: Math.min(height, room * 1.15) };
  result.now = between(result.places, result.frames, 3 * result.joints, result.fps, at, result.unit_cm, result.now || []);
  paintStage(context, camera, size, theme);
  paintShadow(context, camera, size, theme, result, result.now);
  paintBody(context, camera, size, theme, data.style, result, result.now);
  if (!result.weights) return;
  const face = fitCanvas(result.faceCanvas), channels = data.channels;
  result.faceNow = between(result.weights, result.frames, channels, result.fps, at, 1 / 255, result.faceNow || []);
  paintFace(face.context, face, theme, data.face, result.faceNow);
}

// ---- page
function clockText(seconds) {
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}

const darkWish = window.matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = data.theme;
const themeName = () => (chosenTheme === "auto" ? (darkWish.matches ? "dark" : "light") : chosenTheme);

function applyTheme() {
  const theme = data.themes[themeName()];
  document.documentElement.style.colorScheme = themeName();
  for (const [name, colour] of Object.entries(theme)) document.documentElement.style.setProperty(`--${name}`, colour);
  element("theme").textContent = themeName() === "dark" ? "Light" : "Dark";
}
darkWish.addEventListener("change", applyTheme);

function paint() {
  const theme = data.themes[themeName()], at = now();
  if (clock.playing && at >= data.duration_s) {
    if (element("loop").checked) seek(0);
    else pause();
  }
  for (const result of data.results) paintResult(result, theme, at);
  paintTimeline(element("timeline"), data, theme, at);
  element("time").textContent = `${clockText(at)} / ${clockText(data.duration_s)}`;
  window.painted = (window.painted || 0) + 1; // a test counts the pictures
  requestAnimationFrame(paint);
}

element("play").addEventListener("click", toggle);
element("speed").addEventListener("change", (event) => setSpeed(Number(event.target.value)));
element("theme").addEventListener("click", () => { chosenTheme = themeName() === "dark" ? "light" : "dark"; applyTheme(); });
for (const [id, yaw] of [["front", 0], ["side", Math.PI / 2], ["reset", undefined]]) element(id).addEventListener("click", () => resetCamera(yaw));

const timeline = element("timeline");
let dragged = null;
const goThere = (event) => {
  const { at, below } = timeAt(timeline, data, dragged ? dragged.now : now(), event.clientX, event.clientY, dragged ? dragged.below : undefined);
  if (!dragged) dragged = { now: now(), below };
  seek(at);
};
timeline.addEventListener("pointerdown", (event) => { timeline.setPointerCapture(event.pointerId); dragged = null; goThere(event); });
timeline.addEventListener("pointermove", (event) => { if (dragged) goThere(event); });
for (const name of ["pointerup", "pointercancel"]) timeline.addEventListener(name, () => { dragged = null; });

document.addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ",": -1 / data.results[0].fps, ".": 1 / data.results[0].fps };
  if (event.key === " ") toggle();
  else if (event.key === "Home") seek(0);
  else if (event.key in steps) seek(now() + steps[event.key]);
  else return;
  event.preventDefault();
});

applyTheme();
requestAnimationFrame(paint);
