/* The field to draw in, the ten bars, and what the net says of the digit.

A drawing is kept as strokes, not as pixels: to undo is to leave out the last. All other parts of
the page show the same digit: `mind` has it. */

const STEP = 10; // an arrow key's way on the paper
const TASK = 4; // what is to be drawn
const UNSURE = 0.7; // a share below which the net is said to be unsure
const mind = { label: TASK }; // the net, the digit, what it should be, what the net says of it
const drawings = []; // {strokes, given}: the last is shown, undo drops it; given: from the payload
const pen = { x: PAPER / 2, y: PAPER / 2, down: false };

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
  if (stepping.steps) said.push(`(Steps that its weights have taken below: ${stepping.steps}.)`);
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
