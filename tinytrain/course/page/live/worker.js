/* What trains a net from fresh weights, in a worker: the page stays awake.

A worker has no page, only messages. This one is made of the text of tensors.js, layers.js, net.js,
optimizer.js and augment.js and of `trainer`. It is given settings, a net and digits to begin with;
then each message is a batch to learn from, and each answer says what the loss was, and what the net
now makes of the page's digit. So a pause is a message that is not sent. */

/** What runs in the worker. */
function trainer() {
  const testedEvery = 320; // digits
  const few = 20; // digits that are left by "twenty digits only"
  const most = 30; // degrees by which digits are turned at random
  const epochs = 3; // after which a falling rate is 0
  let run, begun; // the settings, the net and how far it is; when it can begin

  /** Initial weights, an optimizer for them, and digits, {images, labels}, as a net takes them. */
  const begin = async ({ net, broken, optimizer, weights, lr, batch, seed, ...given }) => {
    const layers = net.layers.filter(({ kind }) => broken !== "norm" || kind !== "BatchNorm2d");
    const random = randomBySeed(+seed), own = initialise({ ...net, layers }, random);
    const { average = own, follow } = weights === "averaged" ? averaged(own) : {};
    run = { ...given, net: own, random, follow, step: { adam, sgd }[optimizer](parametersOf(own)),
      batch: +batch, lr: lr * (broken === "rate" ? 100 : 1), size: product(net.shape),
      blank: -net.mean / net.std, seen: 0, queue: [], spreads: [], spaces: {},
      one: workspace(average, 1), ten: workspace(average, 10) }; // to look at digits
    const { train, held } = run;
    for (const set of [train, held]) set.images = normalise(net, await inflated(set.images));
    run.count = broken === "few" ? few : train.labels.length;
    if (broken === "labels") {
      train.labels = shuffled(run.count, random).map((at) => train.labels[at]);
    }
  };

  /** The mean loss of the held-out digits, moved, and the share that is right; ten at a time. */
  const tested = ({ images, labels }, how) => {
    const { ten, size } = run, some = ten.image.values, total = { loss: 0, accuracy: 0 };
    for (let first = 0; first < labels.length; first += 10) {
      const known = labels.slice(first, first + 10);
      known.forEach((_, n) =>
        moveImage(images, (first + n) * size, some, n * size, how, run.blank));
      const { loss, right } = judged(ten, some, known);
      total.loss += loss / labels.length;
      total.accuracy += right / labels.length;
    }
    return total;
  };

  /** How far a layer's numbers differ from digit to digit: the root of their mean variance. */
  const spread = ({ shape: [count], values }) => {
    const size = values.length / count, sums = new Float64Array(size);
    values.forEach((value, at) => (sums[at % size] += value));
    const variance = values.reduce((sum, value, at) =>
      sum + (value - sums[at % size] / count) ** 2 / values.length, 0);
    return Math.sqrt(variance);
  };

  /** A batch: forward, backward, a step; its loss. Every digit comes once before any again. */
  const learn = () => {
    const { train, size, count, random, net } = run;
    if (!run.queue.length) run.queue = shuffled(count, random);
    const some = run.queue.splice(0, run.batch);
    const space = (run.spaces[some.length] ??= workspace(net, some.length));
    some.forEach((from, to) => {
      const angle = run.digits === "turned" ? most * (2 * random() - 1) : 0;
      moveImage(train.images, from * size, space.image.values, to * size, { angle }, run.blank);
    });
    forward(space, space.image.values, { training: true });
    const loss = backward(space, some.map((at) => train.labels[at]));
    const before = net.layers.flatMap(({ kind }, at) => (kind === "ReLU" ? [at - 1] : []));
    run.spreads = before.map((at) => spread(space.maps[at]));
    const left = run.schedule === "falling" ? Math.max(1 - run.seen / (epochs * count), 0) : 1;
    run.step(space.gradients, left * run.lr);
    run.follow?.();
    run.seen += some.length;
    return loss;
  };

  onmessage = async ({ data }) => {
    if (data.net) begun = begin(data);
    await begun;
    if (data.how) return postMessage({ moved: tested(run.held, data.how).accuracy, how: data.how });
    const loss = data.net ? null : learn(), [{ values, shape: [kernels] }] = parametersOf(run.net);
    const filters = parted(values, values.length / kernels, Math.min(kernels, 16));
    const held = run.seen % testedEvery < run.batch ? tested(run.held, {}) : null;
    const { seen, spreads } = run, shares = sharesOf(run.one, data.image);
    postMessage({ seen, loss, held, shares, filters, spreads });
  };
}
