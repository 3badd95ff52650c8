/* A step against the gradient: on this digit alone, once or ten times; and other digits after. */

const stepping = { steps: 0 }; // and the weights before, {fresh}, and test digits, {images, labels}

/** Move every weight of the shown net against the gradient of this digit, `times` times. */
function stepOn(times) {
  const rate = +byId("step-rate").value, before = mind.loss, { gradients } = mind.space;
  const parameters = parametersOf(mind.net), move = sgd(parameters, 0);
  const squares = gradients.flatMap((one) => [...one]).reduce((sum, one) => sum + one ** 2, 0);
  const predicted = -rate * squares;
  stepping.fresh ??= parameters.map(({ values }) => values.slice());
  mind.earlier = mind.shares;
  for (let time = 0; time < times; time++) {
    move(gradients, rate);
    answer();
  }
  const first = stepping.steps + 1, last = (stepping.steps += times);
  const text = [`Step${times > 1 ? `s ${first} to` : ""} ${last}: the loss went from `
    + `${number(before)} to ${number(mind.loss)}, by ${number(mind.loss - before)}.`];
  if (times === 1) text.push(`The gradient predicted ${number(predicted)}.`);
  if (Math.max(mind.loss, -predicted) > before) text.push("Too far: a gradient is true only nearby.");
  tellSteps(text.join(" "));
}

/** Put the weights back that came with the page. */
function stepBack() {
  stepping.fresh?.forEach((values, index) => parametersOf(mind.net)[index].values.set(values));
  stepping.steps = 0;
  mind.earlier = null;
  answer();
  tellSteps("");
}

/** Say what the steps did: to this digit, and, a few at a time, to a hundred others. */
async function tellSteps(text) {
  const { images, labels } = stepping, place = byId("step-others");
  const turn = (stepping.turn = Symbol()); // the next one ends this one
  byId("step-text").textContent = text;
  byId("step-back").disabled = !stepping.steps;
  say();
  if (!images) return;
  place.textContent = "Trying other digits …";
  let right = 0;
  for (let at = 0; at < 100; at += 10) {
    await new Promise((done) => setTimeout(done));
    if (turn !== stepping.turn) return;
    const some = images.subarray(784 * at, 784 * (at + 10));
    right += judged(stepping.space, some, labels.slice(at, at + 10)).right;
  }
  if (!stepping.steps) stepping.right = right;
  place.textContent = `Of 100 other test digits it has ${right} right`
    + `${stepping.steps ? ` (before the first step: ${stepping.right ?? "not known"})` : ""}.`;
}

/** Bring the steps to life. */
async function startStepping({ net, digits }) {
  on("step-one", "click", () => stepOn(1));
  on("step-ten", "click", () => stepOn(10));
  on("step-back", "click", stepBack);
  if (!(digits?.test.labels.length >= 100)) return;
  const images = normalise(net, await inflated(digits.test.images));
  Object.assign(stepping, { images, labels: digits.test.labels, space: workspace(net, 10) });
  tellSteps(""); // before any
}
