/* Watch a net learn from nothing, break it, and say from the curves what was wrong. */

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
  const worker = new Worker(training.address), { train, held } = training.digits;
  const { net: { value: name }, broken } = byId("train-settings").elements;
  const net = training.nets[name], normed = net.layers.some(({ kind }) => kind === "BatchNorm2d");
  const [norm] = broken.querySelectorAll("[value=norm]");
  norm.disabled = !normed; // where there is none, none can be missing
  if (norm.disabled && norm.selected) broken.value = "none";
  const given = Object.fromEntries(new FormData(broken.form)), secret = given.broken === "secret";
  if (secret) {
    const kinds = [...broken.options].filter(({ disabled }) => !disabled).slice(1, -1);
    given.broken = kinds[Math.floor(kinds.length * Math.random())].value;
  }
  training.worker?.terminate();
  worker.onmessage = ({ data }) => hear(data);
  worker.postMessage({ ...given, net, train, held, image: mind.image });
  if (training.losses?.length > TOLD) training.before = { ...training };
  Object.assign(training, { worker, secret, broken: given.broken, waiting: false, left: 0, seen: 0,
    filters: [], shares: [], first: [], spreads: [], moves: {}, // accuracy by how digits are moved
    losses: [], helds: [], accuracies: [] }); // each [digits seen, value]
  for (const form of ["diagnosis", "moving"]) byId(form).reset(); // what they say, too
  byId("diagnosis").elements[0].hidden = !secret;
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
  if (!training.waiting) training.worker.postMessage({ image: mind.image });
  training.waiting = true;
}

/** Say how many of the held-out digits are right when they are moved and turned. */
function hearMoved({ shift, angle }, accuracy) {
  const how = `Moved by ${shift} pixels and turned by ${angle}°, `;
  const before = training.before?.moves[how], now = (training.moves[how] = percent(accuracy));
  byId("moved").value = `${how}${now} of them are right`
    + `${before ? ` (the run before: ${before})` : ""}.`;
}

/** Take in what the worker says of a batch, or before the first of how it begins. */
function hear({ seen, loss, held, shares, filters, spreads, moved, how }) {
  if (how) return hearMoved(how, moved);
  if (!training.spreads.length) training.first = spreads;
  Object.assign(training, { seen, filters, spreads, shares });
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
  const { going, seen, losses, helds, accuracies, filters, first, spreads, epoch } = training;
  const { before = { losses: [], accuracies: [] } } = training;
  const right = Math.max(1, Math.ceil(seen / epoch)) * epoch;
  const loss = losses.at(-1)?.[1].toFixed(3) ?? "";
  const share = accuracies.at(-1)?.[1].toFixed(1) ?? "";
  drawCurves("loss", right, { before: before.losses, held: helds, own: losses }, loss);
  drawCurves("accuracy", right, { before: before.accuracies, held: accuracies }, share);
  const limit = largest(filters.map(largest)), square = ({ length }) => Array(2).fill(length ** 0.5);
  byId("train-filters").replaceChildren(...filters.map((kernel) =>
    paint(element("canvas"), kernel, square(kernel), limit)));
  paint(byId("train-digit"), mind.pixels, [SIDE, SIDE], 255, true);
  showBars(".scores.trained", training.shares);
  const most = largest([...first, ...spreads]), parts = (all) => all.map((one) => one / most);
  showBars(".scores.spread", parts(spreads), parts(first), (_, at) =>
    `${first[at].toFixed(2)} → ${spreads[at].toFixed(2)}`);
  if (!training.secret && losses.length >= TOLD) {
    byId("train-cause").value = causeOf(training.broken);
  }
  const trouble = loss === "NaN" ? " It has diverged: reset, and choose a smaller rate." : "";
  const said = going ? `Training, until ${right.toLocaleString("en")} digits.`
    : !seen ? "Not begun." : `Paused after ${seen.toLocaleString("en")} digits: `
    + `loss ${loss}, ${share} % of the held-out digits right.${trouble}`;
  if (byId("train-state").textContent !== said) byId("train-state").textContent = said;
}

/** Draw curves of points [digits seen, y], up to `right`, and say the `last` value. */
function drawCurves(name, right, curves, last) {
  const svg = byId(`train-${name}`), known = ([x, y]) => Number.isFinite(y) && x <= right;
  const place = ([x, y]) => `${(300 * x) / right},${120 - 120 * Math.min(y / svg.dataset.top, 1)}`;
  for (const [kind, points] of Object.entries(curves)) {
    const line = points.filter(known).map(place).join(" ");
    svg.querySelector(`.${kind}`).setAttribute("points", line);
  }
  svg.querySelector(".end").textContent = `${right.toLocaleString("en")} digits`;
  byId(`${name}-last`).textContent = last;
}

/** Bring the training to life. */
function startLearning({ net, others, digits }) {
  const texts = ["tensors.js", "layers.js", "net.js", "optimizer.js", "augment.js"]
    .map((name) => byId(name).textContent);
  const address = URL.createObjectURL(
    new Blob([...texts, `(${trainer})();`], { type: "text/javascript" }));
  const nets = Object.fromEntries([...others, net].map((one) => [one.name, one]));
  Object.assign(training, { address, digits, nets, epoch: digits.train.labels.length });
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
  on("moving", "input", ({ currentTarget: form }) =>
    training.worker.postMessage({ how: Object.fromEntries(new FormData(form)) }));
  on("diagnosis", "change", ({ target: { value } }) => {
    const right = value === training.broken;
    byId("train-cause").value = `${right ? "Yes." : "No."} ${causeOf(training.broken)}`;
  });
  if (location.hash.startsWith("#train&")) {
    fill(byId("train-settings"), location.hash.slice(7));
    byId("train").scrollIntoView();
  }
  resetTraining();
}
