/* Draw a digit: how strokes become the 28 × 28 pixels that the net knows digits by.

MNIST's digits were fitted into 20 × 20 pixels, their proportions kept, where averaging gave them
grey levels; then they were moved in a field of 28 × 28 until their centre of mass was in the
middle, at 14. The net has seen no other digits. So what is drawn here goes the same way (that of
tinytrain/cli/mnist_form.py, for a drawing without specks), and each step is shown. A drawing is
kept as strokes, not as pixels: to undo is to leave out the last. */
"use strict";

const SIDE = 28, LONGER = 20, MIDDLE = 14; // of the field, of the digit's longer side, of its mass
const PAPER = 280, PEN = 22, STEP = 10; // the paper's side, the pen's width, an arrow key's way
const POSITIVE = [222, 82, 28], NEGATIVE = [52, 120, 230], INK = [0, 0, 0];
const mind = {}; // the net, the digit, shown (pixels) and as the net takes it, what it says of it
const drawings = []; // {strokes, given}: the last is shown, undo drops it; given: from the payload
const pen = { x: PAPER / 2, y: PAPER / 2, down: false };

const byId = (id) => document.getElementById(id);
const on = (id, type, listener) => byId(id).addEventListener(type, listener);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const within = (place, most) => Math.min(Math.max(place, 0), most);

/** Paint height × width values on a canvas: 0 shows the page, ±limit has the full colour. */
function paint(canvas, values, [height, width], limit, ink = false) {
  const picture = new ImageData(width, height);
  for (let place = 0; place < height * width; place++) {
    const share = Math.abs(values[place]) / (limit || 1); // its root shows small numbers, too
    picture.data.set(ink ? INK : values[place] < 0 ? NEGATIVE : POSITIVE, 4 * place);
    picture.data[4 * place + 3] = 255 * (ink ? share : Math.sqrt(share));
  }
  if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, { height, width });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.classList.toggle("ink", ink);
  return canvas;
}

/** Mark on a picture what lies from [top, left] to [bottom, right], in shares of its sides. */
function frame(picture, [top, left], [bottom, right]) {
  const inset = [top, 1 - right, 1 - bottom, left].map((share) => `${100 * within(share, 1)}%`);
  picture.querySelector(".box").style.inset = inset.join(" ");
}

/** The way of an arrow key, [down, right], or none of the space bar; the page does not scroll. */
function arrow(event) {
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (ways[event.key]) event.preventDefault();
  return ways[event.key];
}

/** Rows of `width` values as columns of 28 means over `step` values; `start` has the first. */
function squeezed(values, height, width, step, start) {
  return Float64Array.from({ length: SIDE * height }, (_, at) => {
    const place = row(at, height) - start, first = column(at, height) * width;
    const from = Math.max(place * step, 0), to = Math.min((place + 1) * step, width);
    const share = (x) => (Math.min(to, x + 1) - Math.max(from, x)) / step;
    let mean = 0;
    for (let x = Math.floor(from); x < to; x++) mean += share(x) * values[first + x];
    return mean;
  });
}

/** The mean of what(y, x) over rows of `width` values, each place weighted by its value. */
function meanOver(values, width, what) {
  const mass = values.reduce((sum, value) => sum + value, 0);
  const weighted = (sum, value, at) => sum + value * what(row(at, width), column(at, width));
  return values.reduce(weighted, 0) / Math.max(mass, 1);
}

/** What is on the paper as MNIST has digits: the steps {cut, sized, moved}, none without ink. */
function mnistForm(context) {
  const inkIn = (...box) => // 0 to 255: the opacity of the paper's pixels, their highest byte
    new Uint32Array(context.getImageData(...box).data.buffer).map((pixel) => pixel >>> 24);
  const cut = inkIn(0, 0, PAPER, PAPER), inked = (place) => cut[place] > 0.05 * 255;
  const places = Array.from(cut.keys()).filter(inked);
  if (!places.length) return {};
  const columns = Int32Array.from(places, (place) => column(place, PAPER)).sort();
  const [top, bottom] = [row(places[0], PAPER), row(places.at(-1), PAPER) + 1];
  const [left, right] = [columns[0], columns.at(-1) + 1];
  const height = bottom - top, width = right - left, step = Math.max(height, width) / LONGER;
  const digit = inkIn(left, top, width, height);
  const placed = (down, across) => {
    const columns = squeezed(digit, height, width, step, Math.round(across));
    const values = squeezed(columns, SIDE, height, step, Math.round(down));
    const most = Math.max(...values);
    return Uint8Array.from(values, (value) => Math.round((value * 255) / most));
  };
  const centre = (axis) => meanOver(digit, width, (...place) => place[axis] + 0.5) / step;
  const sized = placed((SIDE - height / step) / 2, (SIDE - width / step) / 2);
  const moved = placed(MIDDLE + 0.5 - centre(0), MIDDLE + 0.5 - centre(1));
  const corners = [[top, left], [bottom, right]].map((ends) => ends.map((end) => end / PAPER));
  frame(document.querySelector("[data-step=cut]"), ...corners);
  return { cut, sized, moved };
}

/** Pixels (28 × 28) with upright ink: rows slide along the line through it (data/deskew.py). */
function upright(pixels) {
  const x = meanOver(pixels, SIDE, (_, x) => x), y = meanOver(pixels, SIDE, (y) => y);
  const spread = meanOver(pixels, SIDE, (down) => (down - y) ** 2);
  const both = meanOver(pixels, SIDE, (down, across) => (down - y) * (across - x));
  const slant = spread > 1e-3 ? both / spread : 0;
  return pixels.map((_, place) => {
    const down = row(place, SIDE), from = column(place, SIDE) + slant * (down - y);
    const first = Math.floor(from), at = (x) => (x >= 0 && x < SIDE ? pixels[down * SIDE + x] : 0);
    return Math.round(at(first) + (from - first) * (at(first + 1) - at(first)));
  });
}

/** Show probabilities wherever they stand, and where they were `before` channels were hidden. */
function showScores(shares, before) {
  for (const list of document.querySelectorAll(".scores")) {
    [...list.children].forEach((item, digit) => {
      item.style.setProperty("--share", shares?.[digit] || 0);
      item.style.setProperty("--before", before?.[digit] ?? -1);
      item.lastChild.textContent = shares ? percent(shares[digit]) : "";
    });
  }
}

/** Draw strokes on the paper, over a digit that is `given`; gives the paper's context. */
function drawPaper(strokes, given) {
  const context = byId("paper").getContext("2d", { willReadFrequently: true });
  const small = document.createElement("canvas"), under = given?.pixels ?? []; // nothing: blank
  [context.lineWidth, context.lineCap, context.lineJoin] = [PEN, "round", "round"];
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, PAPER, PAPER);
  context.drawImage(paint(small, under, [SIDE, SIDE], 255, true), 0, 0, PAPER, PAPER);
  strokes.forEach((stroke) => context.stroke(stroke));
  return context;
}

/** Ask the net, without the hidden channels; show what it says, and its maps in the next frame. */
function answer() {
  const shares = (maps) => mind.pixels && Array.from(maps.at(-1).values, Math.exp);
  mind.hidden = Array.from(document.querySelectorAll(".out"), numbersOf)
    .map(([step, channel]) => ({ layer: mind.net.steps[step].shown, channel }));
  mind.maps = forward(mind.net, mind.image, { hidden: mind.hidden });
  mind.shares = shares(mind.maps);
  mind.before = mind.hidden.length ? shares(forward(mind.net, mind.image)) : null;
  showScores(mind.shares, mind.before);
  cancelAnimationFrame(mind.next);
  mind.next = requestAnimationFrame(showThought);
}

/** Take the last drawing to the net; when it is `finished`, show the way and say the answer. */
function update(finished) {
  const { strokes, given } = drawings.at(-1), context = drawPaper(strokes, given);
  const steps = given ? { files: given.pixels } : mnistForm(context);
  if (steps.moved && mind.net.deskew) steps.upright = upright(steps.moved);
  mind.pixels = Object.values(steps).at(-1); // of the last step
  mind.image = steps.image = normalise(mind.net, mind.pixels ?? new Uint8Array(SIDE * SIDE));
  answer();
  if (!finished) return;
  pen.down = false;
  for (const figure of byId("steps").children) {
    const values = steps[figure.dataset.step], side = Math.sqrt(values?.length);
    const [limit, ink] = values === mind.image ? [3, false] : [255, true];
    figure.hidden = !values;
    if (values) paint(figure.querySelector("canvas"), values, [side, side], limit, ink);
  }
  byId("undo").disabled = drawings.length < 2;
  say();
}

/** Say what the net takes the digit for, and what for before channels were hidden. */
function say() {
  const { shares, before, hidden } = mind, { given } = drawings.at(-1);
  const best = (some) => {
    const most = Math.max(...some);
    return `${some.indexOf(most)}, ${percent(most)}`;
  };
  const without = before ? `Without ${hidden.length} of its channels the` : "The";
  const then = before ? ` (before: ${best(before)})` : "";
  const label = given ? ` It is labelled ${given.label}.` : "";
  byId("said").textContent = !shares ? "Nothing is drawn."
    : shares.some(Number.isNaN) ? "The net's numbers are too large, or none: it says nothing."
    : `${without} net says ${best(shares)} sure${then}.${label}`;
}

/** Show another digit, `given` or to be drawn, in place of this one; undo comes back. */
function draw(given) {
  drawings.push({ strokes: [], given });
  update(true);
}

/** Take back the last stroke, or whatever came last. */
function undo() {
  if (drawings.length > 1) drawings.pop();
  update(true);
}

/** The pen at a place of the paper: `down`, it draws; lifted, it ends the stroke. */
function setPen(x, y, down) {
  const begins = down && !pen.down, ends = pen.down && !down;
  Object.assign(pen, { x: within(x, PAPER), y: within(y, PAPER), down });
  if (begins) drawings.push({ strokes: [...drawings.at(-1).strokes, new Path2D()] });
  const stroke = drawings.at(-1).strokes.at(-1);
  if (begins) stroke.moveTo(pen.x, pen.y);
  if (down) stroke.lineTo(pen.x, pen.y);
  if (down || ends) update(ends);
}

/** Keys on the paper: arrows move the pen, space puts it down and lifts it. */
function keyOnPaper(event) {
  const [down, right] = arrow(event) ?? [0, 0], space = event.key === " ";
  if (event.key === "Backspace") undo();
  setPen(pen.x + STEP * right, pen.y + STEP * down, pen.down !== space);
  const [left, top] = [pen.x, pen.y].map((place) => percent(place / PAPER));
  byId("pen").style.inset = `${top} auto auto ${left}`.replaceAll(" %", "%");
  byId("pen").classList.toggle("down", pen.down);
  byId("where").textContent = `Pen ${pen.down ? "down" : "up"}, ${left} across, ${top} down.`;
}

/** Bring the page's net and digits to life. */
async function startDrawing({ net, digits }) {
  mind.net = decodeNet(net);
  startThinking();
  for (const button of document.querySelectorAll(".given")) {
    const { images, labels } = digits[button.id];
    const given = parted(await inflated(images), SIDE * SIDE, labels.length);
    let turn = 0;
    button.addEventListener("click", () => {
      const at = turn++ % labels.length;
      draw({ pixels: given[at], label: labels[at] });
    });
  }
  const paper = byId("paper"), follow = ({ offsetX, offsetY }) => // mouse, finger or pen
    setPen((offsetX * PAPER) / paper.clientWidth, (offsetY * PAPER) / paper.clientHeight, true);
  on("paper", "pointerdown", (event) => {
    if (event.button || pen.down) return; // one at a time
    paper.setPointerCapture(event.pointerId);
    follow(event);
  });
  on("paper", "pointermove", (event) => paper.hasPointerCapture(event.pointerId) && follow(event));
  on("paper", "lostpointercapture", () => setPen(pen.x, pen.y, false));
  on("paper", "keydown", keyOnPaper);
  on("undo", "click", undo);
  on("clear", "click", () => draw());
  byId("live-body").hidden = false;
  (byId("test") ?? byId("clear")).click(); // for a first digit, where there are any
}
