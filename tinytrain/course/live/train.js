/* Watch it train: the engine's algorithm on 2,000 digits, in a worker: the page stays awake.

A worker has no page, only messages. This one is made of the text of net.js and of `trainer`. It
is given settings, a net and digits to begin with; then each message is a batch to learn from, and
each answer says what the loss was, how the filters are now, and from time to time how many of the
held-out digits are right. So a pause is a message that is not sent. */
"use strict";

const training = { worker: null, going: false, waiting: false };

/** What runs in the worker. */
function trainer() {
  const testedEvery = 320; // digits
  let run;

  /** One of the digits of {pixels, labels}, normalised. */
  const digit = ({ pixels }, at) => {
    const size = product(run.net.shape);
    return normalise(run.net, pixels.subarray(at * size, (at + 1) * size));
  };

  /** The share of the held-out digits that are right; one at a time takes little memory. */
  const accuracy = () => run.held.labels.filter((label, at) => {
    const { values } = forward(run.net, digit(run.held, at)).at(-1);
    return values.indexOf(Math.max(...values)) === label;
  }).length / run.held.labels.length;

  /** A batch: forward, backward, a step; its loss. Every digit comes once before any again. */
  const learn = () => {
    if (!run.queue.length) run.queue = shuffled(run.train.labels.length, run.random);
    const some = run.queue.splice(0, +run.batch), labels = some.map((at) => run.train.labels[at]);
    const images = Float32Array.from(some.flatMap((at) => [...digit(run.train, at)]));
    const maps = forward(run.net, images, { training: true });
    const { loss, gradients } = backward(run.net, maps, images, labels);
    run.optimizer.step(gradients);
    run.seen += labels.length;
    return loss;
  };

  /** Initial weights, and Adam for them. */
  const begin = (given) => {
    run = { ...given, seen: 0, queue: [], random: randomBySeed(+given.seed) };
    run.net = initialise(decodeNet(given.net), run.random);
    run.optimizer = new Adam(parametersOf(run.net), { lr: +given.lr });
  };

  onmessage = ({ data }) => {
    const loss = data ? begin(data) : learn(), { values, shape } = parametersOf(run.net)[0];
    const filters = values.slice(0, (values.length / shape[0]) * Math.min(shape[0], 16));
    const share = run.seen % testedEvery < +run.batch ? accuracy() : null;
    postMessage({ seen: run.seen, loss, accuracy: share, filters, shape });
  };
}

/** Put the settings of an address such as #train&net=net1&lr=0.01 into the form. */
function restoreSettings(form) {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("train")) return;
  for (const field of form.elements) {
    const before = field.value;
    field.value = given.get(field.name) ?? before;
    if (!field.value || !field.checkValidity()) field.value = before;
  }
  byId("train").scrollIntoView();
}

/** Keep the settings in the address, and begin anew with them. */
function changeSettings() {
  const form = byId("train-settings");
  if (!form.reportValidity()) return;
  history.replaceState(null, "", `#train&${new URLSearchParams(new FormData(form))}`);
  resetTraining();
}

/** Begin anew, paused: a worker, and in it, as soon as it can be, a net by the settings. */
function resetTraining() {
  training.worker?.terminate();
  const given = Object.fromEntries(new FormData(byId("train-settings")));
  const worker = new Worker(training.address), net = training.nets[given.net];
  worker.onmessage = ({ data }) => hear(data);
  training.begun = training.sets.then((sets) => worker.postMessage({ ...given, net, ...sets }));
  const empty = { waiting: false, seen: 0, losses: [], accuracies: [], filters: [] };
  Object.assign(training, empty, { worker });
  setGoing(false);
}

/** Go on from batch to batch, or pause. */
function setGoing(going) {
  training.going = going;
  byId("train-run").textContent = going ? "Pause" : training.seen ? "Go on" : "Start";
  byId("train-step").disabled = going;
  if (going) askForBatch();
  showTraining(true);
}

/** Ask the worker for a batch, unless it is at one. */
function askForBatch() {
  if (training.waiting) return;
  training.waiting = true;
  const { worker, begun } = training;
  begun.then(() => worker.postMessage(null));
}

/** Take in what the worker says of a batch, or before the first of how it begins. */
function hear({ seen, loss, accuracy, filters, shape }) {
  const news = row(training.seen, training.digits) < row(seen, training.digits);
  Object.assign(training, { seen, filters, shape });
  if (accuracy !== null) training.accuracies.push([seen, 100 * accuracy]);
  cancelAnimationFrame(training.frame);
  training.frame = requestAnimationFrame(() => showTraining(news));
  if (loss === undefined) return;
  training.losses.push([seen, loss]);
  training.waiting = false;
  if (!Number.isFinite(loss)) setGoing(false);
  else if (training.going) askForBatch();
}

/** Show the curves and the filters, and where that is of interest `say` how far it is. */
function showTraining(say) {
  const { seen, losses, accuracies, filters, shape, digits } = training;
  const right = Math.max(1, Math.ceil(seen / digits)) * digits;
  const loss = drawCurve("loss", losses, right, 2.5, 3);
  const share = drawCurve("accuracy", accuracies, right, 100, 1);
  const side = shape?.[1] === SIDE * SIDE ? SIDE : shape?.[3], limit = largest(filters);
  const tiles = Array.from({ length: filters.length / side ** 2 || 0 }, (_, tile) => {
    const weights = filters.subarray(tile * side ** 2, (tile + 1) * side ** 2);
    return paint(element("canvas"), weights, [side, side], limit);
  });
  byId("train-filters").replaceChildren(...tiles);
  if (!say) return;
  const begun = training.going ? "Training" : seen ? "Paused" : "Not begun";
  const after = ` after ${seen.toLocaleString("en")} digits, ${(seen / digits).toFixed(1)} epochs: `
    + `loss ${loss}, ${share} % of the held-out digits right`;
  const trouble = loss === "NaN" ? " It has diverged: reset, and choose a smaller rate." : "";
  byId("train-state").textContent = `${begun}${seen ? after : ""}.${trouble}`;
}

/** Draw points [x, y], 0 to `right` and 0 to `top`, in an SVG of 300 × 120; gives the last y. */
function drawCurve(name, points, right, top, decimals) {
  const svg = byId(`train-${name}`), last = points.at(-1)?.[1].toFixed(decimals) ?? "";
  const places = points.filter(([, y]) => Number.isFinite(y))
    .map(([x, y]) => `${(300 * x) / right},${120 - 120 * Math.min(y / top, 1)}`);
  svg.querySelector("polyline").setAttribute("points", places.join(" "));
  svg.querySelector(".right").textContent = `${right.toLocaleString("en")} digits`;
  byId(`${name}-last`).textContent = last;
  return last;
}

/** Bring the training to life. */
function startTraining({ net, net1, digits }) {
  if (!digits) return;
  const texts = [byId("net.js").textContent, `(${trainer})();`];
  training.address = URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
  training.nets = { net1, [net.name]: net };
  training.digits = digits.train.labels.length;
  const inflate = async ({ images, labels }) => ({ pixels: await inflated(images), labels });
  training.sets = Promise.all([inflate(digits.train), inflate(digits.held)])
    .then(([train, held]) => ({ train, held }));
  on("train-settings", "submit", (event) => event.preventDefault());
  on("train-settings", "change", changeSettings);
  on("train-run", "click", () => setGoing(!training.going));
  on("train-step", "click", askForBatch);
  on("train-reset", "click", resetTraining);
  restoreSettings(byId("train-settings"));
  resetTraining();
}

startTraining(JSON.parse(byId("live").textContent));
