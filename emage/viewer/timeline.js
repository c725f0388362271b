// The timeline: eight seconds of waveform with their words above, the whole below; a press or a drag goes there.
"use strict";

const CLOSE_S = 8, WORD_ROWS = [12, 31], MARKS_TOP = 43, WAVE_TOP = 50;

function peak(data, from_s, to_s) {
  const first = Math.max(0, Math.floor(from_s * data.peaksPerSecond));
  const stop = Math.min(data.peaks.length, Math.max(first + 1, Math.ceil(to_s * data.peaksPerSecond)));
  let highest = 0;
  for (let k = first; k < stop; k++) highest = Math.max(highest, data.peaks[k]);
  return highest / 255;
}

function paintWave(context, data, theme, box, from_s, to_s, now_s) {
  const middle = box.top + box.height / 2;
  for (let x = 0; x < box.width; x += 3) {
    const a = from_s + ((to_s - from_s) * x) / box.width, b = from_s + ((to_s - from_s) * (x + 3)) / box.width;
    const half = Math.max(0.75, (peak(data, a, b) * box.height) / 2);
    context.fillStyle = b <= now_s ? theme.accent : theme.wave;
    context.globalAlpha = b <= now_s ? 0.9 : 0.75;
    context.fillRect(x, middle - half, 2, 2 * half);
  }
  context.globalAlpha = 1;
}

function closeStart(duration_s, now_s) {
  return Math.max(0, Math.min(now_s - 0.35 * CLOSE_S, duration_s - CLOSE_S));
}

function paintWords(context, data, theme, width, from_s, to_s, now_s) {
  context.font = "15px system-ui, sans-serif";
  context.textBaseline = "middle";
  const place = (t) => ((t - from_s) / (to_s - from_s)) * width;
  const free = WORD_ROWS.map(() => -1e9); // where each row has room again
  for (const [word, start_s, end_s, confidence] of data.words) {
    if (end_s < from_s || start_s > to_s) continue;
    const x = Math.max(0, place(start_s)), said = now_s >= start_s && now_s < end_s;
    context.fillStyle = theme.accent;
    context.globalAlpha = said ? 0.9 : 0.25;
    context.fillRect(x, MARKS_TOP, Math.max(2, place(end_s) - x - 1), 3);
    const row = free.findIndex((from) => from <= x);
    if (row < 0) continue;
    free[row] = x + context.measureText(word).width + 7;
    context.globalAlpha = said ? 1 : confidence > 0 ? 0.85 : 0.45;
    context.fillStyle = said ? theme.accent : theme.text;
    context.fillText(word, x, WORD_ROWS[row]);
  }
  context.globalAlpha = 1;
}

function paintTimeline(canvas, data, theme, now_s) {
  const { context, width, height } = fitCanvas(canvas);
  context.clearRect(0, 0, width, height);
  const from_s = closeStart(data.duration_s, now_s), to_s = Math.max(from_s + CLOSE_S, 0.001);
  if (data.words.length) paintWords(context, data, theme, width, from_s, to_s, now_s);
  const near = { top: WAVE_TOP, height: height - WAVE_TOP - 40, width };
  context.save();
  context.beginPath();
  context.rect(0, near.top, (Math.min(to_s, data.duration_s) - from_s) / (to_s - from_s) * width, near.height);
  context.clip();
  paintWave(context, data, theme, near, from_s, to_s, now_s);
  context.restore();
  const whole = { top: height - 30, height: 26, width };
  context.fillStyle = theme.accent;
  context.globalAlpha = 0.1;
  context.fillRect((from_s / data.duration_s) * width, whole.top, Math.min(1, CLOSE_S / data.duration_s) * width, whole.height);
  paintWave(context, data, theme, whole, 0, data.duration_s, now_s);
  context.fillStyle = theme.text;
  const x = ((now_s - from_s) / (to_s - from_s)) * width, xWhole = (now_s / data.duration_s) * width;
  context.fillRect(Math.min(x, width - 2) - 0.75, near.top - 4, 1.5, near.height + 8);
  context.fillRect(Math.min(xWhole, width - 2) - 0.75, whole.top - 3, 1.5, whole.height + 6);
}

// Second under a point of the timeline: of the close part above, of the whole below.
function timeAt(canvas, data, now_s, x, y, begunBelow) {
  const rect = canvas.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (x - rect.left) / rect.width));
  const below = begunBelow === undefined ? y - rect.top > rect.height - 36 : begunBelow;
  const at = below ? share * data.duration_s : closeStart(data.duration_s, now_s) + share * CLOSE_S;
  return { at: Math.min(data.duration_s, Math.max(0, at)), below };
}
