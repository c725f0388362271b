// The body: capsules between joints, painted from far to near over a floor with a grid and a shadow.
"use strict";

function mix(colour, other, share) {
  const a = parseInt(colour.slice(1), 16), b = parseInt(other.slice(1), 16);
  const part = (shift) => Math.round(((a >> shift) & 255) * (1 - share) + ((b >> shift) & 255) * share);
  return `rgb(${part(16)},${part(8)},${part(0)})`;
}

function hex(rgb) {
  const [r, g, b] = rgb.match(/\d+/g).map(Number);
  return "#" + ((1 << 24) | (r << 16) | (g << 8) | b).toString(16).slice(1);
}

const tone = (colour, amount) => mix(colour, amount > 0 ? "#ffffff" : "#000000", Math.abs(amount));

// Turns a point about the vertical and tips it, as the camera sees it: [right, up, towards us].
function turned(camera, x, y, z) {
  const cy = Math.cos(camera.yaw), sy = Math.sin(camera.yaw), cp = Math.cos(camera.pitch), sp = Math.sin(camera.pitch);
  const px = x - camera.x, py = y - camera.y, pz = z - camera.z;
  const right = px * cy - pz * sy, front = px * sy + pz * cy;
  return [right, py * cp - front * sp, py * sp + front * cp];
}

function project(camera, size, x, y, z) {
  const [right, up, near] = turned(camera, x, y, z);
  const depth = Math.max(camera.distance - near, 5);
  const scale = (size.focal * camera.zoomless) / depth;
  return [size.centre + right * scale, size.height / 2 - up * scale, scale, depth];
}

function capsulePath(context, x1, y1, r1, x2, y2, r2) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  context.beginPath();
  if (length <= Math.abs(r1 - r2) + 1e-6) {
    const first = r1 >= r2;
    context.arc(first ? x1 : x2, first ? y1 : y2, Math.max(r1, r2), 0, 2 * Math.PI);
    return;
  }
  const along = Math.atan2(y2 - y1, x2 - x1), side = Math.acos((r1 - r2) / length);
  context.arc(x1, y1, r1, along + side, along + 2 * Math.PI - side);
  context.arc(x2, y2, r2, along - side, along + side);
  context.closePath();
}

function paintStage(context, camera, size, theme) {
  const sky = context.createLinearGradient(0, 0, 0, size.height);
  sky.addColorStop(0, theme.stage);
  sky.addColorStop(0.62, theme.horizon);
  sky.addColorStop(1, theme.stage);
  context.fillStyle = sky;
  context.fillRect(0, 0, size.width, size.height);
  const reach = 300, step = 50;
  context.strokeStyle = theme.grid;
  context.lineWidth = 1;
  for (let at = -reach; at <= reach; at += step) {
    for (let from = -reach; from < reach; from += step) {
      for (const [ax, az, bx, bz] of [[at, from, at, from + step], [from, at, from + step, at]]) {
        const far = Math.hypot((ax + bx) / 2, (az + bz) / 2) / reach;
        if (far >= 1) continue;
        const a = project(camera, size, ax, 0, az), b = project(camera, size, bx, 0, bz);
        if (a[3] < 30 || b[3] < 30) continue;
        context.globalAlpha = 0.75 * (1 - far) ** 1.2;
        context.beginPath();
        context.moveTo(a[0], a[1]);
        context.lineTo(b[0], b[1]);
        context.stroke();
      }
    }
  }
  context.globalAlpha = 1;
}

// The shadow of all capsules on the floor as one shape, so that overlaps do not darken.
function paintShadow(context, camera, size, theme, result, places) {
  context.beginPath();
  for (const [first, second, r1, r2] of result.capsules) {
    const ax = places[3 * first], az = places[3 * first + 2], bx = places[3 * second], bz = places[3 * second + 2];
    const along = Math.atan2(bz - az, bx - ax);
    for (let k = 0; k < 16; k++) {
      const atSecond = k < 8, turn = along - Math.PI / 2 + (k % 8) * (Math.PI / 7) + (atSecond ? 0 : Math.PI);
      const radius = atSecond ? r2 : r1;
      const p = project(camera, size, (atSecond ? bx : ax) + radius * Math.cos(turn), 0, (atSecond ? bz : az) + radius * Math.sin(turn));
      if (k) context.lineTo(p[0], p[1]);
      else context.moveTo(p[0], p[1]);
    }
    context.closePath();
  }
  context.globalAlpha = 0.22;
  context.fillStyle = theme.shadow;
  context.fill("nonzero");
  context.globalAlpha = 1;
}

function paintBody(context, camera, size, theme, style, result, places) {
  const drawn = result.capsules.map(([first, second, r1, r2]) => {
    const a = project(camera, size, places[3 * first], places[3 * first + 1], places[3 * first + 2]);
    const b = project(camera, size, places[3 * second], places[3 * second + 1], places[3 * second + 2]);
    return { a, b, r1: r1 * a[2], r2: r2 * b[2], depth: (a[3] + b[3]) / 2 - (r1 + r2) / 2 };
  });
  drawn.sort((p, q) => q.depth - p.depth);
  const behind = 0.45 * result.height;
  for (const { a, b, r1, r2, depth } of drawn) {
    if (a[3] < 8 || b[3] < 8) continue;
    const fade = Math.min(1, Math.max(0, (depth - camera.distance + behind / 2) / behind)) * style.fade;
    const colour = hex(mix(result.colour, theme.horizon, fade));
    for (const [share, right, down, amount] of style.layers) {
      capsulePath(context, a[0] + right * r1, a[1] + down * r1, share * r1, b[0] + right * r2, b[1] + down * r2, share * r2);
      context.fillStyle = tone(colour, amount);
      context.fill();
    }
  }
}
