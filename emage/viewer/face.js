// The face: outlines moved by the 51 weights, smoothed, filled and stroked.
"use strict";

function movedPoints(shape, weights) {
  const points = shape.points.map((point) => [point[0], point[1]]);
  for (const [channel, steps] of shape.moves) {
    const weight = weights[channel];
    if (!weight) continue;
    for (let k = 0; k < points.length; k++) {
      points[k][0] += weight * steps[k][0];
      points[k][1] += weight * steps[k][1];
    }
  }
  return points;
}

// A smooth line through the points (Catmull-Rom as Bezier curves).
function smoothPath(context, points, closed) {
  const count = points.length;
  const at = (k) => points[closed ? (k + count) % count : Math.min(Math.max(k, 0), count - 1)];
  context.beginPath();
  context.moveTo(points[0][0], points[0][1]);
  for (let k = 0; k < (closed ? count : count - 1); k++) {
    const [p0, p1, p2, p3] = [at(k - 1), at(k), at(k + 1), at(k + 2)];
    context.bezierCurveTo(
      p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6,
      p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6, p2[0], p2[1]);
  }
  if (closed) context.closePath();
}

function paintFace(context, size, theme, face, weights) {
  const [left, top, right, bottom] = face.box;
  const scale = Math.min(size.width / (right - left), size.height / (bottom - top));
  context.save();
  context.fillStyle = theme.faceBack;
  context.fillRect(0, 0, size.width, size.height);
  context.translate(size.width / 2, size.height);
  context.scale(scale, scale);
  context.translate(-(left + right) / 2, -bottom);
  context.lineCap = context.lineJoin = "round";
  const points = face.shapes.map((shape) => movedPoints(shape, weights));
  face.shapes.forEach((shape, number) => {
    context.save();
    if (shape.clip >= 0) {
      smoothPath(context, points[shape.clip], true);
      context.clip();
    }
    smoothPath(context, points[number], shape.closed);
    if (shape.fill) {
      context.fillStyle = theme[shape.fill];
      context.fill();
    }
    if (shape.stroke) {
      context.strokeStyle = theme[shape.stroke];
      context.lineWidth = shape.width;
      context.stroke();
    }
    context.restore();
  });
  context.restore();
}
