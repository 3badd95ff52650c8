/* What trains a net from fresh weights, in a worker: the page stays awake.

A worker has no page, only messages. This one is made of the text of tensors.js, net.js,
optimizer.js and augment.js and of `trainer`. It is given settings, a net and digits to begin with;
then each message is a batch to learn from, and each answer says what the loss was, and what the net
now makes of the page's digit. So a pause is a message that is not sent. */
"use strict";

/** What runs in the worker. */
function trainer() {
  const testedEvery = 320; // digits
  const few = 20; // digits that are left by "twenty digits only"
  const most = 30; // degrees by which digits are turned at random
  let run, begun; // the settings, the net and how far it is; when it can begin

  /** Initial weights, an optimizer for them, and digits, {images, labels}, as a net takes them. */
  const begin = async ({ net, train, held, lr, batch, seed, broken, optimizer, digits }) => {
    run = { train, held, turned: digits === "turned", batch: +batch, spreads: [] };
    Object.assign(run, { seen: 0, queue: [], spaces: {} });
    run.random = randomBySeed(+seed);
    const layers = net.layers.filter(({ kind }) => broken !== "norm" || kind !== "BatchNorm2d");
    run.net = initialise(decodeNet({ ...net, layers }), run.random);
    run.blank = -run.net.mean / run.net.std;
    run.step = { adam, sgd }[optimizer](parametersOf(run.net), broken === "rate" ? 100 * lr : +lr);
    for (const set of [train, held]) {
      set.images = normalise(run.net, await inflated(set.images));
    }
    run.count = broken === "few" ? few : train.labels.length;
    if (broken === "labels") {
      train.labels = shuffled(train.labels.length, run.random).map((at) => train.labels[at]);
    }
  };

  /** The arrays for so many images, made once. */
  const spaceFor = (count) => (run.spaces[count] ??= workspace(run.net, count));

  /** The mean loss of the held-out digits, moved, and the share that is right; ten at a time. */
  const tested = ({ images, labels }, how) => {
    const size = product(run.net.shape), space = spaceFor(10), some = space.image.values;
    const total = { loss: 0, accuracy: 0 };
    for (let first = 0; first < labels.length; first += 10) {
      const known = labels.slice(first, first + 10);
      known.forEach((_, n) =>
        moveImage(images, (first + n) * size, some, n * size, how, run.blank));
      const { loss, right } = judged(space, some, known);
      total.loss += loss / labels.length;
      total.accuracy += right / labels.length;
    }
    return total;
  };

  /** How far a layer's numbers differ from digit to digit: their deviation over a batch. */
  const spread = ({ shape: [count], values }) => {
    const size = values.length / count;
    let variance = 0;
    for (let at = 0; at < size; at++) {
      let sum = 0, squares = 0;
      for (let n = at; n < values.length; n += size) {
        sum += values[n];
        squares += values[n] ** 2;
      }
      variance += (squares / count - (sum / count) ** 2) / size;
    }
    return Math.sqrt(Math.max(variance, 0));
  };

  /** A batch: forward, backward, a step; its loss. Every digit comes once before any again. */
  const learn = () => {
    if (!run.queue.length) run.queue = shuffled(run.count, run.random);
    const some = run.queue.splice(0, run.batch), size = product(run.net.shape);
    const space = spaceFor(some.length), images = space.image.values;
    some.forEach((from, to) => {
      const angle = run.turned ? most * (2 * run.random() - 1) : 0;
      moveImage(run.train.images, from * size, images, to * size, { angle }, run.blank);
    });
    forward(space, images, { training: true });
    const loss = backward(space, some.map((at) => run.train.labels[at]));
    const before = run.net.layers.flatMap(({ kind }, at) => (kind === "ReLU" ? [at - 1] : []));
    run.spreads = before.map((at) => spread(space.maps[at]));
    run.step(space.gradients);
    run.seen += some.length;
    return loss;
  };
  onmessage = async ({ data }) => {
    if (data.net) begun = begin(data);
    await begun;
    if (data.how) return postMessage({ moved: tested(run.held, data.how).accuracy, how: data.how });
    const loss = data.net ? null : learn(), { values, shape } = parametersOf(run.net)[0];
    const filters = values.slice(0, (values.length / shape[0]) * Math.min(shape[0], 16));
    const held = run.seen % testedEvery < run.batch ? tested(run.held, {}) : null;
    const shares = data.image
      && Array.from(forward(spaceFor(1), data.image).at(-1).values, Math.exp);
    postMessage({ seen: run.seen, loss, held, shares, filters, shape, spreads: run.spreads });
  };
}
