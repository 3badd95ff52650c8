/* Watch a net learn from nothing, break it, and say from the curves what was wrong. */
"use strict";

const training = { left: 0 }; // the worker, what it said so far, and batches still to be asked for
const TOLD = 20; // batches after which a broken training is explained

/** What the curves of a broken training show. */
const causeOf = (kind) => document.querySelector(`[data-cause=${kind}]`)?.textContent ?? "";

/** Put settings such as net=net1&lr=0.01 into the form. */
function fill(form, settings) {
  const given = new URLSearchParams(settings);
  for (const field of form.elements) field.value = given.get(field.name) ?? field.value;
  if (!form.checkValidity()) form.reset(); // to the page's own
}

/** Begin anew, paused: a worker, with the settings, the net and the digits. */
function resetTraining() {
  training.worker?.terminate();
  const worker = new Worker(training.address), { train, held } = training.digits;
  const given = Object.fromEntries(new FormData(byId("train-settings")));
  if (training.losses?.length > 20) training.before = { ...training };
  const normed = training.nets[given.net].layers.some(({ kind }) => kind === "BatchNorm2d");
  const kinds = [...document.querySelectorAll("[data-cause]")].map(({ dataset }) => dataset.cause)
    .filter((kind) => normed || kind !== "norm");
  training.secret = given.broken === "secret";
  const drawn = kinds[Math.floor(kinds.length * Math.random())];
  const broken = (training.broken = training.secret ? drawn : given.broken);
  worker.onmessage = ({ data }) => hear(data);
  worker.postMessage({ ...given, broken, net: training.nets[given.net], train, held });
  Object.assign(training, { worker, waiting: false, left: 0, seen: 0, shares: null, filters: [],
    spreads: [], losses: [], helds: [], accuracies: [], // the last three: [digits seen, value]
    moves: {} }); // accuracy by how digits are moved
  byId("diagnosis").hidden = !training.secret;
  byId("diagnosis").querySelectorAll("input").forEach((input) => (input.checked = false));
  byId("train-cause").textContent = byId("moved").textContent = "";
  byId("shift").value = byId("angle").value = 0;
  setGoing(false);
}

/** Go on from batch to batch, or pause. */
function setGoing(going) {
  training.going = going;
  byId("train-run").textContent = going ? "Pause" : training.seen ? "Go on" : "Train";
  byId("train-step").disabled = byId("train-ten").disabled = going;
  if (going) askForBatch();
  showTraining();
}

/** Ask the worker for a batch, unless it is at one. */
function askForBatch() {
  if (!training.waiting) training.worker.postMessage({ image: mind.pixels ? mind.image : null });
  training.waiting = true;
}

/** Ask how many of the held-out digits are right when they are moved and turned. */
function askMoved() {
  const how = { shift: +byId("shift").value, angle: +byId("angle").value };
  training.worker.postMessage({ how });
}

/** Take in what the worker says of a batch, or before the first of how it begins. */
function hear({ seen, loss, held, shares, filters, shape, spreads, moved, how }) {
  if (how) {
    const text = `Moved by ${how.shift} pixels and turned by ${how.angle}°, `;
    const before = training.before?.moves[text];
    training.moves[text] = percent(moved);
    byId("moved").textContent = `${text}${percent(moved)} of them are right`
      + `${before ? ` (the run before: ${before})` : ""}.`;
    return;
  }
  if (!training.spreads.length) training.first = spreads;
  Object.assign(training, { seen, filters, shape, spreads, shares: shares ?? training.shares });
  if (held) {
    training.helds.push([seen, held.loss]);
    training.accuracies.push([seen, 100 * held.accuracy]);
  }
  cancelAnimationFrame(training.frame);
  training.frame = requestAnimationFrame(showTraining);
  if (loss === null) return;
  training.losses.push([seen, loss]);
  training.waiting = false;
  training.left = Math.max(training.left - 1, 0);
  if (!Number.isFinite(loss)) setGoing(false);
  else if (training.going || training.left) askForBatch();
}

/** Show curves, bars and filters, and say how far it is; of a training that goes on, little. */
function showTraining() {
  const { going, seen, losses, helds, accuracies, filters, shape, epoch, before } = training;
  const right = Math.max(1, Math.ceil(seen / epoch)) * epoch;
  const loss = drawCurve("loss", right, losses, helds, before?.losses);
  const share = drawCurve("accuracy", right, [], accuracies, before?.accuracies);
  const side = shape?.[1] === SIDE * SIDE ? SIDE : shape?.[3] ?? 1, limit = largest(filters);
  const tiles = parted(filters, side ** 2, filters.length / side ** 2);
  if (tiles.length) paintKernels(byId("train-filters"), tiles, [side, side], limit);
  showScores(document.querySelectorAll(".scores.trained"), training.shares);
  byId("train-spread").replaceChildren(...training.spreads.map((spread, layer) => {
    const name = element("b", `${layer + 1}`), value = element("span", spread.toFixed(2));
    const line = element("li", name, element("i"), value);
    line.style.setProperty("--share", within(spread, 1));
    line.style.setProperty("--before", within(training.first[layer], 1));
    return line;
  }));
  if (!training.secret && losses.length >= TOLD) {
    byId("train-cause").textContent = causeOf(training.broken);
  }
  const trouble = loss === "NaN" ? " It has diverged: reset, and choose a smaller rate." : "";
  const said = going ? `Training, epoch ${right / epoch}.` : !seen ? "Not begun."
    : `Paused after ${seen.toLocaleString("en")} digits, ${(seen / epoch).toFixed(1)} epochs: `
    + `loss ${loss}, ${share} % of the held-out digits right.${trouble}`;
  if (byId("train-state").textContent !== said) byId("train-state").textContent = said;
}

/** Paint kernels, numbers of a height × width each, on a canvas, side by side. */
function paintKernels(canvas, kernels, [height, width], limit) {
  const beside = Math.ceil(Math.sqrt(kernels.length)), gap = height * width > 1 ? 1 : 0;
  const high = Math.ceil(kernels.length / beside) * (height + gap), wide = beside * (width + gap);
  const picture = zeros(high * wide);
  kernels.forEach((kernel, i) => kernel.forEach((value, tap) => {
    const y = row(i, beside) * (height + gap) + row(tap, width);
    picture[y * wide + column(i, beside) * (width + gap) + column(tap, width)] = value;
  }));
  paint(canvas, picture, [high, wide], limit);
}

/** Draw points [digits seen, y], up to `right`: training, held out, and those of the run before.

Says the last y of the first that has any, which comes back as text. */
function drawCurve(name, right, own, held, before = []) {
  const svg = byId(`train-${name}`), { top, decimals } = svg.dataset;
  const last = (own.length ? own : name === "loss" ? [] : held).at(-1)?.[1].toFixed(decimals) ?? "";
  const known = ([x, y]) => Number.isFinite(y) && x <= right;
  const place = ([x, y]) => `${(300 * x) / right},${120 - 120 * Math.min(y / top, 1)}`;
  for (const [kind, points] of Object.entries({ before, held, own })) {
    const line = points.filter(known).map(place).join(" ");
    svg.querySelector(`.${kind}`).setAttribute("points", line);
  }
  svg.querySelector(".end").textContent = `${right.toLocaleString("en")} digits`;
  byId(`${name}-last`).textContent = last;
  return last;
}

/** Bring the training to life. */
function startLearning({ net, others, digits }) {
  if (!digits) return;
  const texts = ["tensors.js", "net.js", "optimizer.js", "augment.js"]
    .map((name) => byId(name).textContent);
  const address = URL.createObjectURL(
    new Blob([...texts, `(${trainer})();`], { type: "text/javascript" }));
  const nets = Object.fromEntries([...others, net].map((one) => [one.name, one]));
  const epoch = digits.train.labels.length; // in digits
  Object.assign(training, { address, digits, nets, epoch });
  on("train-settings", "change", ({ currentTarget: form }) => {
    if (!form.reportValidity()) return;
    history.replaceState(null, "", `#train&${new URLSearchParams(new FormData(form))}`);
    resetTraining();
  });
  on("train-run", "click", () => setGoing(!training.going));
  on("train-step", "click", askForBatch);
  on("train-ten", "click", () => {
    training.left = 10;
    askForBatch();
  });
  on("train-reset", "click", resetTraining);
  for (const id of ["shift", "angle"]) on(id, "input", askMoved);
  on("diagnosis", "change", ({ target: { value } }) => {
    const right = value === training.broken;
    byId("train-cause").textContent = `${right ? "Yes." : "No."} ${causeOf(training.broken)}`;
  });
  if (location.hash.startsWith("#train&")) {
    fill(byId("train-settings"), location.hash.slice(7));
    byId("train").scrollIntoView();
  }
  resetTraining();
}
