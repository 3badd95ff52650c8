/* The field to draw in, the ten bars, and what the net says of the digit.

A drawing is kept as strokes, not as pixels: to undo is to leave out the last. All other parts of
the page show the same digit: `mind` has it. */

const STEP = 10; // an arrow key's way on the paper
const POSITIVE = [222, 82, 28], NEGATIVE = [52, 120, 230], INK = [0, 0, 0];
const TASK = 4; // what is to be drawn
const UNSURE = 0.7; // a share below which the net is said to be unsure
const mind = { label: TASK }; // the net, the digit, what it should be, what the net says of it
const drawings = []; // {strokes, given}: the last is shown, undo drops it; given: from the payload
const pen = { x: PAPER / 2, y: PAPER / 2, down: false };

const byId = (id) => document.getElementById(id);
const on = (id, type, listener) => byId(id).addEventListener(type, listener);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const within = (place, most) => Math.min(Math.max(place, 0), most);
const number = (value) => `${+value.toPrecision(3)}`.replaceAll("-", "−"); // 3 digits, and a minus
const largest = (values) => // by its size; what is no number does not count
  values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);

const highest = (values) => // where it is; 0 where there is no number
  Math.max(values.indexOf(values.reduce((most, one) => Math.max(most, one), -Infinity)), 0);

const bySize = (of) => (one, other) => Math.abs(other[of]) - Math.abs(one[of]);
const total = (products, of) => products.reduce((sum, one) => sum + one[of], 0);

/** A new element: its tag, and what is in it. */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A new button with what is in it, and what a click does. */
function button(children, click) {
  const made = Object.assign(element("button", ...children), { type: "button" });
  made.addEventListener("click", click);
  return made;
}

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

/** Mark a place [y, x] on a picture of `sides`. */
const framePlace = (picture, place, sides) => frame(picture, ...[0, 1].map((more) =>
  place.map((at, axis) => (at + more) / sides[axis])));

/** The way of an arrow key, [down, right], or none of the space bar; the page does not scroll. */
function arrow(event) {
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (ways[event.key]) event.preventDefault();
  return ways[event.key];
}

/** Show values, 0 to 1, as the bars of lists, and a mark where each was `before`. */
function showBars(lists, values, before, text = percent) {
  for (const list of document.querySelectorAll(lists)) {
    [...list.children].forEach((item, at) => {
      item.hidden = at >= values.length;
      item.style.setProperty("--share", values[at] || 0);
      item.style.setProperty("--before", before?.[at] ?? -1);
      if (!item.hidden) item.lastChild.textContent = text(values[at], at);
    });
  }
}

/** Draw strokes on the paper, over a digit that is `given`; gives the paper's context. */
function drawPaper(strokes, given) {
  const context = byId("paper").getContext("2d", { willReadFrequently: true });
  const small = document.createElement("canvas"), under = given?.pixels ?? []; // nothing: blank
  [context.lineCap, context.lineJoin] = ["round", "round"];
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, PAPER, PAPER);
  context.drawImage(paint(small, under, [SIDE, SIDE], 255, true), 0, 0, PAPER, PAPER);
  for (const { path, width } of strokes) {
    context.lineWidth = width;
    context.stroke(path);
  }
  return context;
}

/** Ask the net, without the hidden channels; send the loss back; show it all in the next frame. */
function answer() {
  mind.hidden = hiddenChannels();
  mind.before = mind.hidden.length ? sharesOf(mind.trial, mind.image) : null;
  mind.shares = sharesOf(mind.space, mind.image, { hidden: mind.hidden });
  mind.loss = backward(mind.space, [mind.label], true);
  showBars(".scores.own", mind.shares, mind.before ?? mind.earlier);
  cancelAnimationFrame(mind.next);
  mind.next = requestAnimationFrame(() => {
    showLoss();
    chooseAgain();
  });
}

/** Take the last drawing to the net; when it is `finished`, show the way and say the answer. */
function update(finished) {
  const { strokes, given } = drawings.at(-1), context = drawPaper(strokes, given);
  const centred = byId("centre").checked, form = centred ? mnistForm : asDrawn;
  const { corners, ...steps } = given ? { files: given.pixels } : form(context);
  if (steps.moved && mind.net.deskew) steps.upright = upright(steps.moved);
  const pixels = Object.values(steps).at(-1); // of the last step
  mind.pixels = pixels ?? new Uint8Array(SIDE * SIDE);
  mind.image = steps.image = normalise(mind.net, mind.pixels);
  mind.earlier = null;
  byId("live-body").classList.toggle("blank", !pixels); // which hides what the net says of it
  answer();
  if (!finished) return;
  pen.down = false;
  if (corners) frame(document.querySelector("[data-step=cut]"), ...corners);
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
  const { shares, before, hidden, label } = mind, { given } = drawings.at(-1);
  const best = (some) => `${highest(some)}, ${percent(some[highest(some)])}`;
  const said = [before ? `Without ${hidden.length} of its channels the net says ${best(shares)} `
    + `sure (before: ${best(before)}).` : `The net says ${best(shares)} sure.`];
  if (given) said.push(`It is labelled ${given.label}.`);
  if (shares[highest(shares)] < UNSURE) {
    said.push("That is unsure: perhaps it is no digit, or between two.");
  } else if (!given && label === TASK && highest(shares) === 9) {
    said.push("If that was a 4, you have done it: now see whose fault it is.");
  }
  byId("said").textContent = document.querySelector(".blank") ? "Nothing is drawn."
    : shares.some(Number.isNaN) ? "The net's numbers are too large, or none: it says nothing."
    : said.join(" ");
}

/** Show another digit, `given` or to be drawn, in place of this one; undo comes back. */
function draw(given) {
  drawings.push({ strokes: [], given });
  setLabel(given?.label ?? TASK);
  update(true);
}

/** Take back the last stroke, or whatever came last. */
function undo() {
  if (drawings.length > 1) drawings.pop();
  update(true);
}

/** The pen at a place of the paper: `down` it draws, at first a dot; up it ends the stroke. */
function setPen(x, y, down) {
  const begins = down && !pen.down, ends = pen.down && !down;
  Object.assign(pen, { x: within(x, PAPER), y: within(y, PAPER), down });
  if (begins) {
    if (drawings.at(-1).given) setLabel(TASK);
    const path = new Path2D(), width = +byId("width").value;
    path.arc(pen.x, pen.y, 0.1, 0, 2 * Math.PI);
    drawings.push({ strokes: [...drawings.at(-1).strokes, { path, width }] });
  }
  if (down) drawings.at(-1).strokes.at(-1).path.lineTo(pen.x, pen.y);
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

/** Bring the field to life: pointer, keys, buttons, and the digits that came with the page. */
async function startDrawing({ net, digits }) {
  Object.assign(mind, { net, space: workspace(net, 1), trial: workspace(net, 1) });
  byId("live-body").hidden = false;
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
  on("centre", "change", () => update(true));
  draw();
  for (const button of document.querySelectorAll(".given")) {
    const { images, labels, guesses = [] } = digits[button.id];
    const given = parted(await inflated(images), SIDE * SIDE, labels.length);
    let turn = Math.max(labels.findIndex((label, at) => label === 4 && guesses[at] === 9), 0);
    button.addEventListener("click", () => {
      const at = turn++ % labels.length;
      draw({ pixels: given[at], label: labels[at] });
    });
  }
  (byId("wrong") ?? byId("test"))?.click(); // for a first digit, where there are any
}
