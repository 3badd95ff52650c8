/* A net once more, in the page: what each layer computes, and how a mistake finds its way back.

It is the algorithm of tinytrain/nn and tinytrain/optim, number for number; a test compares the
two. A tensor is {shape, values}, its numbers one after another in a flat array: the one at
(n, c, y, x) of a shape [N, C, H, W] has the place ((n · C + c) · H + y) · W + x. A convolution
or a pooling slides a window over an image: a table, made once, says what lies under it at each
place of the output. One walk, `slide`, goes through it; the output, and the gradients of weights
and input, are uses of that walk. A linear layer is a convolution of images of 1 × 1. */
"use strict";

const row = (place, width) => Math.floor(place / width);
const column = (place, width) => place % width;
const product = (numbers) => numbers.reduce((one, other) => one * other, 1);
const zeros = (count) => new Float32Array(count);
const tensor = (shape, values) => ({ shape, values: values ?? zeros(product(shape)) });
// The bytes of a base64 text; pixels, 0 to 255, as a net takes them.
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const normalise = ({ mean, std }, pixels) =>
  Float32Array.from(pixels, (pixel) => (pixel / 255 - mean) / std);
// The weights that a net learns, tensors, in the engine's order.
const parametersOf = ({ layers }) =>
  layers.flatMap(({ weight, bias }) => [weight, bias].filter(Boolean));

// Numbers in parts of so many: the first `count` ones.
const parted = (values, size, count) =>
  Array.from({ length: count }, (_, at) => values.subarray(at * size, (at + 1) * size));

/** The bytes, later, of a base64 text of deflated bytes. */
async function inflated(text) {
  const inflate = new DecompressionStream("deflate");
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(inflate);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The page's description of a net with tensors for what was text, or zeros where none came. */
function decodeNet(description) {
  const typed = ({ shape, data }) => tensor(shape, data && new Float32Array(bytesOf(data).buffer));
  const decoded = (layer) => Object.fromEntries(Object.entries(layer)
    .map(([name, value]) => [name, value?.shape ? typed(value) : value]));
  return { ...description, layers: description.layers.map(decoded) };
}

/** What every layer gives for images (N · 784 numbers, normalised): a list of tensors.

`training`: batch norm takes the batch's statistics, and its running ones follow. `hidden`: which
channels of which layers' output, by number, are set to zero: [{layer, channel}]. */
function forward(net, images, { training = false, hidden = [] } = {}) {
  let input = tensor([images.length / product(net.shape), ...net.shape], images);
  return net.layers.map((layer, index) => {
    input = LAYERS[layer.kind].forward(layer, input, training);
    const out = hidden.filter((one) => one.layer === index), channel = channelOf(input.shape);
    const left = (value, at) => (out.some((one) => one.channel === channel(at)) ? 0 : value);
    if (out.length) input = tensor(input.shape, input.values.map(left));
    return input;
  });
}

/** The mean loss of labels by the maps of `forward` in training, and its gradients.

The loss is minus the log-probability of the right class; there is a gradient for each of
`parametersOf`. What goes into log-softmax has a short one: probabilities minus what is true. */
function backward(net, maps, images, labels) {
  const { shape: [count, classes], values } = maps.at(-1), gradients = [];
  let loss = 0, gradient = values.map((one) => Math.exp(one) / count);
  labels.forEach((label, n) => {
    loss -= values[n * classes + label] / count;
    gradient[n * classes + label] -= 1 / count;
  });
  for (let index = net.layers.length - 2; index >= 0; index--) {
    const layer = net.layers[index];
    const input = maps[index - 1] ?? tensor([count, ...net.shape], images);
    const found = LAYERS[layer.kind].backward(layer, input, gradient, maps[index]);
    for (const name of ["bias", "weight"]) if (layer[name]) gradients.unshift(found[name]);
    gradient = found.input;
  }
  return { loss, gradients };
}

/** The function from the place of a number, in tensors of a shape, to its channel. */
function channelOf([, channels, ...sides]) {
  const size = product(sides);
  return (place) => row(place, size) % channels;
}

/** The sum of term(place, channel) over all places of each channel. */
function channelSums(shape, term) {
  const sums = new Float64Array(shape[1]), channel = channelOf(shape), count = product(shape);
  for (let place = 0; place < count; place++) sums[channel(place)] += term(place, channel(place));
  return sums;
}

/** What a layer's window meets in images of a shape: {table, size, step, groups, output, weights}.

The table has, place by place of the output, the `size` numbers that meet the kernel: their places
in a group of channels, which is `step` numbers long, or −1 outside. A pooling takes each channel
for a group, its weights all equal; without a kernel size it sees all. */
function windowOf(layer, [count, channels, ...image]) {
  if (layer.window?.output[0] === count) return layer.window;
  const { kernel_size: kernel = image, weight, groups = weight ? 1 : channels } = layer;
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1] } = layer;
  const [height = 1, width = 1] = image, [, across = 1] = kernel, taps = product(kernel);
  const room = (axis) => image[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1);
  const sides = image.map((_, axis) => row(room(axis) - 1, stride[axis]) + 1);
  const [, wide = 1] = sides, each = channels / groups, size = each * taps;
  const at = (axis, place, tap) => place * stride[axis] + tap * dilation[axis] - padding[axis];
  const length = product(sides) * size;
  const table = layer.window?.table ?? Int32Array.from({ length }, (_, i) => {
    const place = row(i, size), tap = i % taps, channel = row(i % size, taps);
    const y = at(0, row(place, wide), row(tap, across));
    const x = at(1, column(place, wide), column(tap, across));
    const inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? (channel * height + y) * width + x : -1;
  });
  const weights = weight?.values ?? zeros(channels * size).fill(1 / size);
  const output = [count, weights.length / size, ...sides];
  const step = each * height * width;
  return (layer.window = { table, size, step, groups, output, weights });
}

/** Goes through all that a window meets: visit(to, by, from) is told the place of a number in the
output, and of a weight and a number in the input whose product is a part of it. */
function slide({ table, size, step, groups, output: [count, channels] }, visit) {
  for (let plane = 0, to = 0; plane < count * channels; plane++) {
    const kernel = (plane % channels) * size, start = row(plane * groups, channels) * step;
    for (let first = 0; first < table.length; first += size, to++) {
      for (let tap = 0; tap < size; tap++) {
        if (table[first + tap] >= 0) visit(to, kernel + tap, start + table[first + tap]);
      }
    }
  }
}

/** Sums of what lies under a window, weighted: a convolution, or a mean with equal weights. */
function convolve(layer, { shape, values }) {
  const window = windowOf(layer, shape), { weights } = window, channel = channelOf(window.output);
  const output = tensor(window.output), sums = output.values;
  if (layer.bias) sums.forEach((_, to) => (sums[to] = layer.bias.values[channel(to)]));
  slide(window, (to, by, from) => (sums[to] += weights[by] * values[from]));
  return output;
}

/** The gradients of a convolution's input, weight and bias, from that of its output. */
function convolveBack({ window }, { values }, gradient) {
  const input = zeros(values.length), weight = zeros(window.weights.length);
  slide(window, (to, by, from) => {
    weight[by] += gradient[to] * values[from];
    input[from] += gradient[to] * window.weights[by];
  });
  return { input, weight, bias: channelSums(window.output, (to) => gradient[to]) };
}

/** The largest number under a window, and in `where` its place in the input. */
function maxPool(layer, { shape, values }) {
  const window = windowOf(layer, shape), output = tensor(window.output);
  const most = output.values.fill(-Infinity), where = new Int32Array(most.length);
  slide(window, (to, _, from) => {
    if (values[from] > most[to]) [most[to], where[to]] = [values[from], from];
  });
  return { ...output, where };
}

/** The gradient of what came from `where`: each place gets that of all that it gave. */
function maxPoolBack(_, { values }, gradient, { where }) {
  const input = zeros(values.length);
  where.forEach((from, place) => (input[from] += gradient[place]));
  return { input };
}

/** Each channel with mean 0 and variance 1, scaled and shifted: tinytrain/nn/functional.py. */
function batchNorm(layer, { shape, values }, training) {
  const { weight, bias, running_mean: runningMean, running_var: runningVar } = layer;
  const channel = channelOf(shape), places = product(shape) / shape[1];
  let mean = runningMean.values, variance = runningVar.values;
  if (training) {
    mean = channelSums(shape, (place) => values[place] / places);
    variance = channelSums(shape, (place, of) => (values[place] - mean[of]) ** 2 / places);
    const follow = (running, next) => next.forEach((one, of) =>
      (running.values[of] += layer.momentum * (one - running.values[of])));
    follow(runningMean, mean);
    follow(runningVar, variance.map((one) => (one * places) / (places - 1)));
  }
  const inverse = Float64Array.from(variance, (one) => 1 / Math.sqrt(one + layer.eps));
  const normal = values.map((one, at) => (one - mean[channel(at)]) * inverse[channel(at)]);
  const moved = (one, at) => one * weight.values[channel(at)] + bias.values[channel(at)];
  return { ...tensor(shape, normal.map(moved)), normal, inverse };
}

/** Each place moves its channel's mean and variance: worked out in tinytrain/nn/fast.py. */
function batchNormBack(layer, { shape }, gradient, { normal, inverse }) {
  const channel = channelOf(shape), places = product(shape) / shape[1];
  const bias = channelSums(shape, (place) => gradient[place]);
  const weight = channelSums(shape, (place) => gradient[place] * normal[place]);
  const input = gradient.map((one, place) => {
    const of = channel(place), pull = (bias[of] + normal[place] * weight[of]) / places;
    return layer.weight.values[of] * inverse[of] * (one - pull);
  });
  return { input, weight, bias };
}

/** Each row x as x − log Σ exp(x). */
function logSoftmax(_, { shape, values }) {
  const output = tensor(shape);
  for (let start = 0; start < values.length; start += shape[1]) {
    const scores = values.subarray(start, start + shape[1]), most = Math.max(...scores);
    const sum = scores.reduce((total, score) => total + Math.exp(score - most), 0);
    output.values.set(scores.map((score) => score - most - Math.log(sum)), start);
  }
  return output;
}

// By kind: forward(layer, input, training) gives the output, and backward(layer, input, gradient,
// output), of the output's gradient, that of the input and of weight and bias, where there are.
// What the page trains has no dropout: its rate in the final recipe is 0.
const passed = (_, input, gradient) => ({ input: gradient });
const windowed = { forward: convolve, backward: convolveBack };
const unchanged = { forward: (_, input) => input, backward: passed };
const LAYERS = {
  Conv2d: windowed, Linear: windowed, AvgPool2d: windowed, AdaptiveAvgPool2d: windowed,
  Dropout: unchanged, Dropout2d: unchanged,
  BatchNorm2d: { forward: batchNorm, backward: batchNormBack },
  MaxPool2d: { forward: maxPool, backward: maxPoolBack },
  ReLU: {
    forward: (_, { shape, values }) => tensor(shape, values.map((value) => Math.max(value, 0))),
    backward: (_, { values }, gradient) =>
      ({ input: gradient.map((one, place) => (values[place] > 0 ? one : 0)) }),
  },
  Flatten: {
    forward: (_, { shape: [count, ...sizes], values }) => tensor([count, product(sizes)], values),
    backward: passed,
  },
  LogSoftmax: { forward: logSoftmax },
};

/** Adam, a function that takes gradients and moves parameters: by the mean of the gradient over
the root of the mean of its square, both without their bias. */
function adam(parameters, lr, [beta1, beta2] = [0.9, 0.999], eps = 1e-8) {
  const [means, squares] = [0, 1].map(() => parameters.map(({ values }) => zeros(values.length)));
  let steps = 0;
  return (gradients) => {
    steps += 1;
    const rate = lr / (1 - beta1 ** steps), correction = 1 - beta2 ** steps;
    parameters.forEach(({ values }, index) => {
      const mean = means[index], square = squares[index], gradient = gradients[index];
      for (let i = 0; i < values.length; i++) {
        mean[i] += (1 - beta1) * (gradient[i] - mean[i]);
        square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] ** 2;
        values[i] -= (rate * mean[i]) / (Math.sqrt(square[i] / correction) + eps);
      }
    });
  };
}

/** Numbers from 0 to 1, the same ones for the same seed: a linear congruential generator. */
function randomBySeed(seed) {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Press et al., Numerical Recipes
    return state / 2 ** 32;
  };
}

/** The numbers below `count` in an order drawn from `random`. */
function shuffled(count, random) {
  const drawn = Array.from({ length: count }, (_, number) => [random(), number]);
  return drawn.sort(([one], [other]) => one - other).map(([, number]) => number);
}

/** Draws a net's initial weights as torch does: uniform in ± 1 / √(inputs of one output). */
function initialise(net, random) {
  for (const { weight, bias, running_mean: mean, running_var: variance } of net.layers) {
    const bound = weight && 1 / Math.sqrt(product(weight.shape.slice(1)));
    const drawn = () => bound * (2 * random() - 1);
    const set = (one, value) => one?.values.forEach((_, i, values) => (values[i] = value()));
    [weight, variance].forEach((one) => set(one, mean ? () => 1 : drawn));
    [bias, mean].forEach((one) => set(one, mean ? () => 0 : drawn));
  }
  return net;
}
