/* A step against the gradient: on this digit alone, once or ten times; and other digits after. */
"use strict";

const stepping = { steps: 0, others: null, timer: 0 }; // others: test digits, {images, labels}

/** Move every weight of the shown net against the gradient of this digit, `times` times. */
function stepOn(times) {
  if (!mind.pixels) {
    byId("step-text").textContent = "Draw a digit first.";
    return;
  }
  const rate = 10 ** byId("step-rate").value, before = mind.loss;
  mind.earlier = mind.shares.slice();
  stepping.fresh ??= parametersOf(mind.net).map(({ values }) => values.slice());
  let squares = 0;
  for (let time = 0; time < times; time++) {
    parametersOf(mind.net).forEach(({ values }, index) => {
      const gradient = mind.space.gradients[index];
      for (let at = 0; at < values.length; at++) {
        values[at] -= rate * gradient[at];
        if (!time) squares += gradient[at] ** 2;
      }
    });
    answer();
  }
  stepping.steps += times;
  const one = times === 1 ? ` The gradient predicted ${short(-rate * squares)}.` : "";
  byId("step-text").textContent = `After ${stepping.steps} step${stepping.steps > 1 ? "s" : ""}: `
    + `the loss went from ${short(before)} to ${short(mind.loss)}, by `
    + `${short(mind.loss - before)}.${one}`;
  say();
  tryOthers();
}

/** Put the weights back that came with the page. */
function stepBack() {
  stepping.fresh?.forEach((values, index) => parametersOf(mind.net)[index].values.set(values));
  Object.assign(stepping, { steps: 0 });
  mind.earlier = null;
  byId("step-text").textContent = "";
  answer();
  say();
  tryOthers();
}

/** Say how many of a hundred other digits the net still has right; a few at a time. */
function tryOthers() {
  clearTimeout(stepping.timer);
  const { others } = stepping, place = byId("step-others");
  if (!others) return;
  const space = (stepping.space ??= workspace(mind.net, 10));
  let at = 0, right = 0;
  const some = () => {
    const images = others.images.subarray(784 * at, 784 * (at + 10));
    right += judged(space, images, others.labels.slice(at, (at += 10))).right;
    if (at < 100) stepping.timer = setTimeout(some, 0);
    else place.textContent = `Of 100 other test digits it has ${right} right.`;
  };
  place.textContent = "Trying other digits …";
  stepping.timer = setTimeout(some, 60);
}

/** Bring the steps to life. */
async function startStepping({ digits }) {
  on("step-one", "click", () => stepOn(1));
  on("step-ten", "click", () => stepOn(10));
  on("step-back", "click", stepBack);
  on("step-rate", "input", ({ target }) => {
    const text = (10 ** target.value).toPrecision(2);
    byId("step-rate-text").textContent = text;
    target.setAttribute("aria-valuetext", text);
  });
  if (!(digits?.test.labels.length >= 100)) return;
  const pixels = (await inflated(digits.test.images)).subarray(0, 784 * 100);
  stepping.others = { images: normalise(mind.net, pixels), labels: digits.test.labels };
}
