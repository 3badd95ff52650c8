/* Draw a digit: how strokes become the 28 × 28 pixels that the net knows digits by.

MNIST's digits were fitted into 20 × 20 pixels, their proportions kept, where averaging gave them
grey levels; then they were moved in a field of 28 × 28 until their centre of mass was in the
middle, at 14. The net has seen no other digits. So what is drawn here goes the same way (that of
tinytrain/cli/mnist_form.py, for a drawing without specks), and each step is shown. A drawing is
kept as strokes, not as pixels: to undo is to leave out the last.
*/
"use strict";

const SIDE = 28, LONGER = 20, MIDDLE = 14; // of the field, of the digit's longer side, of its mass
const PAPER = 280, PEN = 22, STEP = 10; // the paper's side, the pen's width, an arrow key's way
const POSITIVE = [222, 82, 28], NEGATIVE = [52, 120, 230], INK = [0, 0, 0];

/* What all this is about: the net, the digit as it takes it, what it says of it. `hidden` has the
channels left out, by the number of their layer. */
const mind = { net: null, digits: {}, pixels: null, image: null, maps: null, hidden: {} };
const drawings = [{ strokes: [] }]; // the last is shown, undo drops it; `given`: from the test set
const pen = { x: PAPER / 2, y: PAPER / 2, down: false };
const turns = { test: 0, wrong: 0 }; // how many of the payload's digits were shown

const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const length = (share) => `${100 * share}%`; // as the style wants it
const within = (place, most) => Math.min(Math.max(place, 0), most);

/** A new element: its tag, its attributes, what is in it. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

/** Paint height × width values on a canvas: 0 shows the page, ±limit has the full colour. */
function paint(canvas, values, [height, width], limit, ink = false) {
  if (canvas.height !== height) canvas.height = height;
  if (canvas.width !== width) canvas.width = width;
  const picture = new ImageData(width, height);
  for (let place = 0; place < height * width; place++) {
    const share = Math.abs(values[place]) / (limit || 1); // its root shows small numbers, too
    picture.data.set(ink ? INK : values[place] < 0 ? NEGATIVE : POSITIVE, 4 * place);
    picture.data[4 * place + 3] = 255 * (ink ? share : Math.sqrt(share));
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.classList.toggle("ink", ink);
  return canvas;
}

/** Mark on a picture what lies from [top, left] to [bottom, right], in shares of its sides. */
function frame(picture, [top, left], [bottom, right]) {
  const mark = picture.querySelector(".box") ?? element("span", { class: "box" });
  const inset = [top, 1 - right, 1 - bottom, left].map((share) => length(within(share, 1)));
  mark.style.inset = inset.join(" ");
  picture.append(mark);
}

/** The way of an arrow key, [down, right], or undefined; the page does not scroll by it. */
function arrow(event) {
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (ways[event.key]) event.preventDefault();
  return ways[event.key];
}

/** Rows of `width` values as columns of 28 means over `step` values; `start` has the first. */
function squeezed(values, height, width, step, start) {
  const result = new Float64Array(SIDE * height);
  for (let place = 0; place < SIDE; place++) {
    const from = Math.max((place - start) * step, 0);
    const to = Math.min((place + 1 - start) * step, width);
    for (let x = Math.floor(from); x < to; x++) {
      const share = (Math.min(to, x + 1) - Math.max(from, x)) / step;
      for (let y = 0; y < height; y++) result[place * height + y] += share * values[y * width + x];
    }
  }
  return result;
}

/** The mean of what(place) over places, each weighted by its value. */
function meanOver(values, what) {
  const mass = values.reduce((sum, value) => sum + value, 0);
  return values.reduce((sum, value, place) => sum + value * what(place), 0) / Math.max(mass, 1);
}

/** Ink (280 × 280) as MNIST has digits: its box, and two 28 × 28 in 0 … 255. Null without ink. */
function mnistForm(ink) {
  let [top, bottom, left, right] = [PAPER, -1, PAPER, -1];
  ink.forEach((value, place) => {
    if (value <= 0.05 * 255) return;
    const y = row(place, PAPER), x = column(place, PAPER);
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0) return null;
  const height = bottom - top + 1, width = right - left + 1;
  const step = Math.max(height, width) / LONGER, digit = new Float64Array(height * width);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * PAPER + left;
    digit.set(ink.subarray(start, start + width), y * width);
  }
  const placed = (down, across) => {
    const columns = squeezed(digit, height, width, step, Math.round(across));
    const values = squeezed(columns, SIDE, height, step, Math.round(down));
    const most = Math.max(...values);
    return Uint8Array.from(values, (value) => Math.round((value * 255) / most));
  };
  const centre = (axis) => meanOver(digit, (place) => axis(place, width) + 0.5) / step;
  const fitted = placed((SIDE - height / step) / 2, (SIDE - width / step) / 2);
  const centred = placed(MIDDLE + 0.5 - centre(row), MIDDLE + 0.5 - centre(column));
  const box = [[top, left], [bottom + 1, right + 1]].map((ends) => ends.map((end) => end / PAPER));
  return { box, fitted, centred };
}

/** Pixels (28 × 28) with upright ink: rows slide along the line through it (data/deskew.py). */
function upright(pixels) {
  const x = meanOver(pixels, (place) => column(place, SIDE));
  const y = meanOver(pixels, (place) => row(place, SIDE));
  const spread = meanOver(pixels, (place) => (row(place, SIDE) - y) ** 2);
  const both = meanOver(pixels, (place) => (row(place, SIDE) - y) * (column(place, SIDE) - x));
  const slant = spread > 1e-3 ? both / spread : 0;
  return pixels.map((_, place) => {
    const from = column(place, SIDE) + slant * (row(place, SIDE) - y), first = Math.floor(from);
    const at = (x) => (x >= 0 && x < SIDE ? pixels[row(place, SIDE) * SIDE + x] : 0);
    return Math.round(at(first) + (from - first) * (at(first + 1) - at(first)));
  });
}

/** Ten bars in a list; the function that comes back sets them, and where each was before. */
function scoreBars(list) {
  const items = Array.from({ length: 10 }, (_, digit) =>
    element("li", {}, element("b", {}, `${digit}`), element("i"), element("span")));
  list.replaceChildren(...items);
  return (shares, before) => items.forEach((item, digit) => {
    item.style.setProperty("--share", shares?.[digit] ?? 0);
    item.style.setProperty("--before", before?.[digit] ?? 0);
    item.lastChild.textContent = shares ? percent(shares[digit]) : "";
    list.classList.toggle("compared", !!before);
  });
}

/** Draw the last drawing on the paper. */
function drawPaper({ strokes, given }) {
  const context = byId("paper").getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, PAPER, PAPER);
  context.imageSmoothingEnabled = false;
  [context.lineWidth, context.lineCap, context.lineJoin] = [PEN, "round", "round"];
  const small = given && paint(element("canvas"), given.pixels, [SIDE, SIDE], 255, true);
  if (small) context.drawImage(small, 0, 0, PAPER, PAPER);
  for (const stroke of strokes) {
    context.beginPath();
    for (const [x, y] of [...stroke, stroke.at(-1)]) context.lineTo(x, y);
    context.stroke();
  }
  return context;
}

/** The steps from the paper to the net, [text, pixels, side, what to mark]; none without ink. */
function stepsOf(drawing, context) {
  if (drawing.given) return [["as it is in the files", drawing.given.pixels, SIDE]];
  const { data } = context.getImageData(0, 0, PAPER, PAPER);
  const ink = new Uint8Array(PAPER * PAPER);
  for (let place = 0; place < ink.length; place++) ink[place] = data[4 * place + 3];
  const form = mnistForm(ink), [edge, middle] = [4 / SIDE, MIDDLE / SIDE];
  if (!form) return [];
  const inner = [[edge, edge], [1 - edge, 1 - edge]];
  const pixel = [middle, middle + 1 / SIDE].map((end) => [end, end]);
  const steps = [
    ["1. cut out: the ink", ink, PAPER, form.box],
    ["2. sized: the longer side has 20 pixels", form.fitted, SIDE, inner],
    ["3. moved: its mass is in the middle", form.centred, SIDE, pixel],
  ];
  if (mind.net.deskew) steps.push(["4. made upright", upright(form.centred), SIDE]);
  return steps;
}

/** Show the steps as small pictures, and last the numbers that go into the net. */
function showSteps(steps) {
  const { mean, std } = mind.net;
  const formula = `(pixel / 255 − ${mean.toFixed(2)}) / ${std.toFixed(2)}`;
  const last = [`what goes in: ${formula}`, mind.image, SIDE];
  byId("steps").replaceChildren(...[...steps, last].map(([text, pixels, side, marked]) => {
    const [limit, ink] = pixels === mind.image ? [3, false] : [255, true];
    const picture = element("div", {}, paint(element("canvas"), pixels, [side, side], limit, ink));
    if (marked) frame(picture, ...marked);
    return element("figure", {}, picture, element("figcaption", {}, text));
  }));
}

/** Ask the net, without the hidden channels; show what it says, and its maps in the next frame. */
function answer() {
  const hides = Object.values(mind.hidden).some((one) => one.length);
  const shares = (maps) => (mind.blank ? null : Array.from(maps.at(-1).values, Math.exp));
  mind.maps = forward(mind.net, mind.image, { hidden: mind.hidden });
  mind.shares = shares(mind.maps);
  mind.before = hides ? shares(forward(mind.net, mind.image)) : null;
  mind.bars(mind.shares, mind.before);
  cancelAnimationFrame(mind.next);
  mind.next = requestAnimationFrame(showThought);
}

/** Take the last drawing to the net; when it is `finished`, show the way and say the answer. */
function update(finished) {
  const drawing = drawings.at(-1), steps = stepsOf(drawing, drawPaper(drawing));
  mind.blank = !steps.length;
  mind.pixels = steps.at(-1)?.[1] ?? new Uint8Array(SIDE * SIDE);
  mind.image = normalise(mind.net, mind.pixels);
  answer();
  if (!finished) return;
  pen.down = false;
  showSteps(steps);
  byId("undo").disabled = drawings.length < 2;
  const most = mind.shares?.indexOf(Math.max(...mind.shares));
  const label = drawing.given ? ` It is labelled ${drawing.given.label}.` : "";
  byId("said").textContent = mind.blank
    ? "Nothing is drawn." : `The net says ${most}, ${percent(mind.shares[most])} sure.${label}`;
}

/** Show another drawing in place of this one; undo comes back. */
function draw(drawing) {
  drawings.push({ strokes: [], ...drawing });
  update(true);
}

/** Take back the last stroke, or whatever came last. */
function undo() {
  if (drawings.length > 1) drawings.pop();
  update(true);
}

/** The next of the payload's digits: of the "test" set, or of those that the net gets "wrong". */
function give(which) {
  const { images, labels } = mind.digits[which], next = turns[which]++ % labels.length;
  const pixels = images.subarray(next * SIDE * SIDE, (next + 1) * SIDE * SIDE);
  draw({ given: { pixels, label: labels[next] } });
}

/** Put the pen down, which begins a stroke and makes a given digit go; or lift it. */
function setPen(down) {
  if (pen.down === down) return;
  pen.down = down;
  if (down) drawings.push({ strokes: [...drawings.at(-1).strokes, [[pen.x, pen.y]]] });
  update(!down);
}

/** Move the pen to a place on the paper; where it is down, it draws. */
function movePen(x, y) {
  [pen.x, pen.y] = [within(x, PAPER), within(y, PAPER)];
  if (pen.down) drawings.at(-1).strokes.at(-1).push([pen.x, pen.y]);
}

/** Keys on the paper: arrows move the pen, space puts it down and lifts it. */
function keyOnPaper(event) {
  const way = arrow(event);
  if (way) {
    movePen(pen.x + STEP * way[1], pen.y + STEP * way[0]);
    if (pen.down) update(false);
  } else if (event.key === " ") {
    event.preventDefault();
    setPen(!pen.down);
  } else if (event.key === "Backspace") undo();
  const [left, top] = [pen.x / PAPER, pen.y / PAPER], where = pen.down ? "down" : "up";
  [byId("pen").style.left, byId("pen").style.top] = [length(left), length(top)];
  byId("pen").classList.toggle("down", pen.down);
  byId("where").textContent = `Pen ${where}, ${percent(left)} across, ${percent(top)} down.`;
}

/** Pointers on the paper: mouse, finger or pen, one at a time. */
function listenToPointers(paper) {
  const follow = (event) => {
    const { left, top, width, height } = paper.getBoundingClientRect();
    movePen(((event.clientX - left) * PAPER) / width, ((event.clientY - top) * PAPER) / height);
  };
  paper.addEventListener("pointerdown", (event) => {
    if (event.button || pen.down) return;
    paper.setPointerCapture(event.pointerId);
    follow(event);
    setPen(true);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!pen.down || !paper.hasPointerCapture(event.pointerId)) return;
    event.getCoalescedEvents().forEach(follow);
    update(false);
  });
  paper.addEventListener("lostpointercapture", () => setPen(false));
}

/** Bring the page's net and digits to life. */
async function startDrawing({ net, digits }) {
  mind.net = decodeNet(net);
  mind.bars = scoreBars(byId("scores"));
  startThinking();
  for (const which of Object.keys(turns)) {
    const { images, labels } = digits?.[which] ?? { labels: [] };
    if (labels.length) mind.digits[which] = { images: await inflated(images), labels };
    byId(which).hidden = !labels.length;
    byId(which).addEventListener("click", () => give(which));
  }
  listenToPointers(byId("paper"));
  byId("paper").addEventListener("keydown", keyOnPaper);
  byId("undo").addEventListener("click", undo);
  byId("clear").addEventListener("click", () => draw({}));
  byId("live-body").hidden = false;
  if (mind.digits.test) give("test"), drawings.shift();
  update(true);
}
