/* Watch it train: the engine's algorithm on 2,000 digits, in a worker: the page stays awake.

A worker has no page, only messages. This one is made of the text of net.js and of `trainer`. It
is given settings, a net and digits to begin with; then each message is a batch to learn from, and
each answer says what the loss was, how the filters are now, and from time to time how many of the
held-out digits are right. So a pause is a message that is not sent. */
"use strict";

const training = {}; // the worker, and what it said so far

/** What runs in the worker. */
function trainer() {
  const testedEvery = 320; // digits
  let run, begun; // the settings, the net and how far it is; when it can begin

  /** Initial weights, Adam for them, and digits, {images, labels}, as the net takes them. */
  const begin = async ({ net, train, held, lr, batch, seed }) => {
    run = { train, held, batch: +batch, seen: 0, queue: [], random: randomBySeed(+seed) };
    run.net = initialise(decodeNet(net), run.random);
    run.step = adam(parametersOf(run.net), +lr);
    for (const set of [train, held]) {
      const images = normalise(run.net, await inflated(set.images));
      set.digits = parted(images, product(run.net.shape), set.labels.length);
    }
  };

  /** The share of the held-out digits that are right; one at a time takes little memory. */
  const accuracy = () => run.held.digits.filter((digit, at) => {
    const { values } = forward(run.net, digit).at(-1);
    return values.indexOf(Math.max(...values)) === run.held.labels[at];
  }).length / run.held.digits.length;

  /** A batch: forward, backward, a step; its loss. Every digit comes once before any again. */
  const learn = () => {
    if (!run.queue.length) run.queue = shuffled(run.train.labels.length, run.random);
    const some = run.queue.splice(0, run.batch), labels = some.map((at) => run.train.labels[at]);
    const images = Float32Array.from(some.flatMap((at) => [...run.train.digits[at]]));
    const maps = forward(run.net, images, { training: true });
    const { loss, gradients } = backward(run.net, maps, images, labels);
    run.step(gradients);
    run.seen += some.length;
    return loss;
  };
  onmessage = async ({ data }) => {
    if (data) begun = begin(data);
    await begun;
    const loss = data ? null : learn(), { values, shape } = parametersOf(run.net)[0];
    const filters = values.slice(0, (values.length / shape[0]) * Math.min(shape[0], 16));
    const share = run.seen % testedEvery < run.batch ? accuracy() : null;
    postMessage({ seen: run.seen, loss, accuracy: share, filters, shape });
  };
}

/** Put the settings of an address such as #train&net=net1&lr=0.01 into the form. */
function restoreSettings(form) {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("train")) return;
  for (const field of form.elements) field.value = given.get(field.name) ?? field.value;
  if (!form.checkValidity()) form.reset(); // to the page's own
  byId("train").scrollIntoView();
}

/** Begin anew, paused: a worker, with the settings, the net and the digits. */
function resetTraining() {
  training.worker?.terminate();
  const worker = new Worker(training.address), { train, held } = training.digits;
  const given = Object.fromEntries(new FormData(byId("train-settings")));
  worker.onmessage = ({ data }) => hear(data);
  worker.postMessage({ ...given, net: training.nets[given.net], train, held });
  Object.assign(training, { worker, waiting: false, seen: 0, filters: [] });
  Object.assign(training, { losses: [], accuracies: [] }); // [digits seen, value]
  setGoing(false);
}

/** Go on from batch to batch, or pause. */
function setGoing(going) {
  training.going = going;
  byId("train-run").textContent = going ? "Pause" : training.seen ? "Go on" : "Start";
  byId("train-step").disabled = going;
  if (going) askForBatch();
  showTraining();
}

/** Ask the worker for a batch, unless it is at one. */
function askForBatch() {
  if (!training.waiting) training.worker.postMessage(null);
  training.waiting = true;
}

/** Take in what the worker says of a batch, or before the first of how it begins. */
function hear({ seen, loss, accuracy, filters, shape }) {
  Object.assign(training, { seen, filters, shape });
  if (accuracy !== null) training.accuracies.push([seen, 100 * accuracy]);
  cancelAnimationFrame(training.frame);
  training.frame = requestAnimationFrame(showTraining);
  if (loss === null) return;
  training.losses.push([seen, loss]);
  training.waiting = false;
  if (!Number.isFinite(loss)) setGoing(false);
  else if (training.going) askForBatch();
}

/** Show the curves and the filters, and say how far it is; of a training that goes on, little. */
function showTraining() {
  const { going, seen, losses, accuracies, filters, shape, epoch } = training;
  const right = Math.max(1, Math.ceil(seen / epoch)) * epoch;
  const loss = drawCurve("loss", losses, right), share = drawCurve("accuracy", accuracies, right);
  const side = shape?.[1] === SIDE * SIDE ? SIDE : shape?.[3] ?? 1, limit = largest(filters);
  const tiles = parted(filters, side ** 2, filters.length / side ** 2);
  if (tiles.length) paintKernels(byId("train-filters"), tiles, [side, side], limit);
  const trouble = loss === "NaN" ? " It has diverged: reset, and choose a smaller rate." : "";
  const said = going ? `Training, epoch ${right / epoch}.` : !seen ? "Not begun."
    : `Paused after ${seen.toLocaleString("en")} digits, ${(seen / epoch).toFixed(1)} epochs: `
    + `loss ${loss}, ${share} % of the held-out digits right.${trouble}`;
  if (byId("train-state").textContent !== said) byId("train-state").textContent = said;
}

/** Draw points [digits seen, y], up to `right`, and say the last y, which comes back as text. */
function drawCurve(name, points, right) {
  const svg = byId(`train-${name}`), { top, decimals } = svg.dataset;
  const last = points.at(-1)?.[1].toFixed(decimals) ?? "", known = ([, y]) => Number.isFinite(y);
  const place = ([x, y]) => `${(300 * x) / right},${120 - 120 * Math.min(y / top, 1)}`;
  svg.querySelector("polyline").setAttribute("points", points.filter(known).map(place).join(" "));
  svg.querySelector(".right").textContent = `${right.toLocaleString("en")} digits`;
  byId(`${name}-last`).textContent = last;
  return last;
}

/** Bring the training to life. */
function startTraining({ net, net1, digits }) {
  if (!digits) return;
  const texts = [byId("net.js").textContent, `(${trainer})();`];
  const address = URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
  const nets = { net1, [net.name]: net }, epoch = digits.train.labels.length; // in digits
  Object.assign(training, { address, digits, nets, epoch });
  on("train-settings", "change", ({ currentTarget: form }) => {
    if (!form.reportValidity()) return;
    history.replaceState(null, "", `#train&${new URLSearchParams(new FormData(form))}`);
    resetTraining();
  });
  on("train-run", "click", () => setGoing(!training.going));
  on("train-step", "click", askForBatch);
  on("train-reset", "click", resetTraining);
  restoreSettings(byId("train-settings"));
  resetTraining();
}

startTraining(JSON.parse(byId("live").textContent));
