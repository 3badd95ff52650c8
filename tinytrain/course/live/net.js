/* A net once more, in the page: what each layer computes, and how a mistake finds its way back.

It is the algorithm of tinytrain/nn and tinytrain/optim, number for number; a test compares the
two. A tensor is {shape, values}, its numbers one after another in a flat array: the one at
(n, c, y, x) of a shape [N, C, H, W] has the place ((n · C + c) · H + y) · W + x. A convolution
or a pooling slides a window over an image. One walk, `slide`, goes through all that a window
meets; the output and the gradients of weights and input are uses of that walk. */
"use strict";

const product = (numbers) => numbers.reduce((one, other) => one * other, 1);
const tensor = (shape, values) => ({ shape, values: values ?? new Float32Array(product(shape)) });

/** The bytes of a base64 text. */
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** The bytes, later, of a base64 text of deflated bytes. */
async function inflated(text) {
  const deflated = new Blob([bytesOf(text)]).stream();
  const stream = deflated.pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The page's description of a net with tensors for what was text, or zeros where none came. */
function decodeNet(description) {
  const decode = ([name, value]) => {
    if (!value?.shape) return [name, value];
    return [name, tensor(value.shape, value.data && new Float32Array(bytesOf(value.data).buffer))];
  };
  const decoded = (layer) => Object.fromEntries(Object.entries(layer).map(decode));
  return { ...description, layers: description.layers.map(decoded) };
}

/** Pixels, 0 to 255, as the net takes them. */
function normalise(net, pixels) {
  return Float32Array.from(pixels, (pixel) => (pixel / 255 - net.mean) / net.std);
}

/** What every layer gives for images (N · 784 numbers, normalised): a list of tensors.

`training`: batch norm takes the batch's statistics, and its running ones follow. `hidden`:
{number of a layer: the channels of its output to be set to zero}. */
function forward(net, images, { training = false, hidden = {} } = {}) {
  let input = tensor([images.length / product(net.shape), ...net.shape], images);
  return net.layers.map((layer, index) => {
    input = LAYERS[layer.kind].forward(layer, input, training);
    return (input = without(input, new Set(hidden[index] ?? [])));
  });
}

/** A tensor with zeros for some of its channels. */
function without(input, hidden) {
  if (!hidden.size) return input;
  const values = input.values.slice();
  eachPlane(input.shape, (channel, start, end) => {
    if (hidden.has(channel)) values.fill(0, start, end);
  });
  return { ...input, values };
}

/** The weights that are learned, in the engine's order: [{name, shape, values}]. */
function parametersOf(net) {
  return net.layers.flatMap((layer) => {
    const held = ["weight", "bias"].filter((name) => layer[name]);
    return held.map((name) => ({ name: `${layer.name}.${name}`, ...layer[name] }));
  });
}

/** The mean loss of labels by the maps of `forward` in training, and its gradients.

The loss is minus the log-probability of the right class; there is a gradient for each of
`parametersOf`. What goes into log-softmax has a short one: probabilities minus what is true. */
function backward(net, maps, images, labels) {
  const { shape: [count, classes], values } = maps.at(-1);
  let loss = 0, gradient = values.map((one) => Math.exp(one) / count);
  labels.forEach((label, n) => {
    loss -= values[n * classes + label] / count;
    gradient[n * classes + label] -= 1 / count;
  });
  const gradients = [];
  for (let index = net.layers.length - 2; index >= 0; index--) {
    const layer = net.layers[index];
    const input = maps[index - 1] ?? tensor([count, ...net.shape], images);
    const found = LAYERS[layer.kind].backward(layer, input, gradient, maps[index]);
    if (layer.bias) gradients.unshift(found.bias);
    if (layer.weight) gradients.unshift(found.weight);
    gradient = found.input;
  }
  return { loss, gradients };
}

/** Calls visit(channel, start, end) for each channel of each image: where its numbers lie. */
function eachPlane([count, channels, ...sizes], visit) {
  const size = product(sizes);
  for (let plane = 0; plane < count * channels; plane++) {
    visit(plane % channels, plane * size, (plane + 1) * size);
  }
}

/** The sum of term(place, channel) over all places of each channel. */
function channelSums(shape, term) {
  const sums = new Float64Array(shape[1]);
  eachPlane(shape, (channel, start, end) => {
    for (let place = start; place < end; place++) sums[channel] += term(place, channel);
  });
  return sums;
}

/** The window of a convolution or a pooling over images of a shape, and its output's shape. */
function windowOf(layer, [count, channels, height, width]) {
  const { kernel_size: kernel = [height, width], stride = [1, 1], padding = [0, 0] } = layer;
  const { dilation = [1, 1], groups = channels } = layer;
  const outputs = layer.weight ? layer.weight.shape[0] : channels;
  const axes = [height, width].map((size, axis) => {
    const room = size + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1;
    const places = Math.floor(room / stride[axis]) + 1;
    const taps = Array.from({ length: kernel[axis] }, (_, tap) => {
      const shift = tap * dilation[axis] - padding[axis];
      const first = Math.max(Math.ceil(-shift / stride[axis]), 0);
      const last = Math.min(Math.floor((size - 1 - shift) / stride[axis]), places - 1);
      return { first, count: Math.max(last - first + 1, 0), from: first * stride[axis] + shift };
    });
    return { places, taps };
  });
  const shape = [count, outputs, axes[0].places, axes[1].places];
  return { taps: axes.map((axis) => axis.taps), stride, groups, shape };
}

/** Walks a window over images: for each image, channel out, channel in and tap, row by row.

visit(tap, from, to, columns): at so many neighbours the tap, the number of a weight, meets the
image, every `stride` places from `from` on; the products go to the output from `to` on. */
function slide({ taps, stride, groups, shape }, [, channels, height, width], visit) {
  const [count, outputs, places, line] = shape, each = channels / groups;
  for (let n = 0; n < count; n++) {
    for (let output = 0, tap = 0; output < outputs; output++) {
      const first = n * channels + Math.floor((output * groups) / outputs) * each;
      for (let input = first; input < first + each; input++) {
        for (const down of taps[0]) {
          for (const across of taps[1]) {
            let from = (input * height + down.from) * width + across.from;
            let to = ((n * outputs + output) * places + down.first) * line + across.first;
            for (let row = 0; row < down.count; row++, from += stride[0] * width, to += line) {
              visit(tap, from, to, across.count);
            }
            tap++;
          }
        }
      }
    }
  }
}

/** Sums of what lies under a window, weighted: a convolution, or a mean with equal weights. */
function convolve(layer, input, weight, bias) {
  const window = windowOf(layer, input.shape), output = tensor(window.shape);
  const step = window.stride[1], { values } = input, sums = output.values;
  const begin = (channel, start, end) => sums.fill(bias.values[channel], start, end);
  if (bias) eachPlane(output.shape, begin);
  slide(window, input.shape, (tap, from, to, columns) => {
    const factor = weight.values[tap];
    for (let x = 0; x < columns; x++) sums[to + x] += factor * values[from + x * step];
  });
  return output;
}

/** The gradients of a convolution's input, weight and bias, from that of its output. */
function convolveBack(layer, { shape, values }, gradient, weight) {
  const window = windowOf(layer, shape), step = window.stride[1];
  const input = new Float32Array(values.length), weights = tensor(weight.shape).values;
  slide(window, shape, (tap, from, to, columns) => {
    const factor = weight.values[tap];
    let sum = 0;
    for (let x = 0; x < columns; x++) {
      sum += gradient[to + x] * values[from + x * step];
      input[from + x * step] += gradient[to + x] * factor;
    }
    weights[tap] += sum;
  });
  return { input, weight: weights, bias: channelSums(window.shape, (place) => gradient[place]) };
}

/** A mean over a window is a convolution of each channel by itself, its weights all equal. */
function equal(layer, { shape: [, channels, height, width] }) {
  const taps = product(layer.kernel_size ?? [height, width]);
  return tensor([channels * taps], new Float32Array(channels * taps).fill(1 / taps));
}

const mean = {
  forward: (layer, input) => convolve(layer, input, equal(layer, input)),
  backward: (layer, input, gradient) => convolveBack(layer, input, gradient, equal(layer, input)),
};

/** The largest number under a window, and in `where` its place in the input. */
function maxPool(layer, input) {
  const window = windowOf(layer, input.shape), output = tensor(window.shape);
  const step = window.stride[1], where = new Int32Array(output.values.length);
  output.values.fill(-Infinity);
  slide(window, input.shape, (_, from, to, columns) => {
    for (let x = 0; x < columns; x++) {
      const value = input.values[from + x * step];
      if (value > output.values[to + x]) {
        output.values[to + x] = value;
        where[to + x] = from + x * step;
      }
    }
  });
  return { ...output, where };
}

/** The gradient of what was copied from `where`: each place gets that of all its copies. */
function copiedBack(layer, { values }, gradient, { where }) {
  const input = new Float32Array(values.length);
  where.forEach((from, place) => (input[from] += gradient[place]));
  return { input };
}

/** Each channel with mean 0 and variance 1, scaled and shifted: tinytrain/nn/functional.py. */
function batchNorm(layer, { shape, values }, training) {
  let mean = layer.running_mean.values, variance = layer.running_var.values;
  if (training) {
    const places = product(shape) / shape[1];
    const square = (place, channel) => (values[place] - mean[channel]) ** 2;
    mean = channelSums(shape, (place) => values[place]).map((sum) => sum / places);
    variance = channelSums(shape, square).map((sum) => sum / places);
    const follow = (running, next) => running.values.forEach((old, channel) => {
      running.values[channel] += layer.momentum * (next[channel] - old);
    });
    follow(layer.running_mean, mean);
    follow(layer.running_var, variance.map((one) => (one * places) / (places - 1)));
  }
  const inverse = Float64Array.from(variance, (one) => 1 / Math.sqrt(one + layer.eps));
  const output = tensor(shape);
  eachPlane(shape, (channel, start, end) => {
    const scale = layer.weight.values[channel] * inverse[channel];
    const shift = layer.bias.values[channel] - mean[channel] * scale;
    for (let i = start; i < end; i++) output.values[i] = values[i] * scale + shift;
  });
  return { ...output, mean, inverse };
}

/** Each place moves its channel's mean and variance: worked out in tinytrain/nn/fast.py. */
function batchNormBack(layer, { shape, values }, gradient, { mean, inverse }) {
  const input = new Float32Array(values.length), places = product(shape) / shape[1];
  const bias = channelSums(shape, (i) => gradient[i]);
  const normal = (i, channel) => (values[i] - mean[channel]) * inverse[channel];
  const weight = channelSums(shape, (i, channel) => gradient[i] * normal(i, channel));
  eachPlane(shape, (channel, start, end) => {
    const scale = layer.weight.values[channel] * inverse[channel];
    const shift = bias[channel] / places, slope = weight[channel] / places;
    for (let i = start; i < end; i++) {
      input[i] = scale * (gradient[i] - shift - normal(i, channel) * slope);
    }
  });
  return { input, weight, bias };
}

/** Each row x as x − log Σ exp(x). */
function logSoftmax(_, { shape, values }) {
  const output = tensor(shape), classes = shape[1];
  for (let start = 0; start < values.length; start += classes) {
    const row = values.subarray(start, start + classes), most = Math.max(...row);
    const sum = row.reduce((total, score) => total + Math.exp(score - most), 0);
    row.forEach((score, i) => (output.values[start + i] = score - most - Math.log(sum)));
  }
  return output;
}

/** A table of so many rows, with its rows for columns. */
function turned(values, rows) {
  const columns = values.length / rows;
  return values.map((_, place) => values[(place % rows) * columns + Math.floor(place / rows)]);
}

/** y = x Wᵀ + b for each row of x: a 1 × 1 convolution over the batch as a line of places. */
const linear = {
  window: { kernel_size: [1, 1], groups: 1 },
  line: ({ shape: [count, inputs], values }) =>
    tensor([1, inputs, 1, count], turned(values, count)),
  forward(layer, input) {
    const window = { ...layer, ...linear.window }, count = input.shape[0];
    const { shape, values } = convolve(window, linear.line(input), layer.weight, layer.bias);
    return tensor([count, shape[1]], turned(values, shape[1]));
  },
  backward(layer, input, gradient) {
    const window = { ...layer, ...linear.window }, [count, inputs] = input.shape;
    const above = turned(gradient, count);
    const found = convolveBack(window, linear.line(input), above, layer.weight);
    return { ...found, input: turned(found.input, inputs) };
  },
};

// What the page trains has no dropout: its rate in the final recipe is 0.
const unchanged = {
  forward: (_, input) => input,
  backward: (_, input, gradient) => ({ input: gradient }),
};

// By kind: forward(layer, input, training) gives the output, and backward(layer, input, gradient,
// output), of the output's gradient, that of the input and of weight and bias, where there are.
const LAYERS = {
  Conv2d: {
    forward: (layer, input) => convolve(layer, input, layer.weight, layer.bias),
    backward: (layer, input, gradient) => convolveBack(layer, input, gradient, layer.weight),
  },
  BatchNorm2d: { forward: batchNorm, backward: batchNormBack },
  ReLU: {
    forward: (_, { shape, values }) => tensor(shape, values.map((value) => Math.max(value, 0))),
    backward: (_, { values }, gradient) => ({
      input: gradient.map((one, place) => (values[place] > 0 ? one : 0)),
    }),
  },
  Dropout: unchanged,
  Dropout2d: unchanged,
  MaxPool2d: { forward: maxPool, backward: copiedBack },
  AvgPool2d: mean,
  AdaptiveAvgPool2d: mean,
  Flatten: {
    forward: (_, { shape: [count, ...sizes], values }) => tensor([count, product(sizes)], values),
    backward: unchanged.backward,
  },
  Linear: linear,
  LogSoftmax: { forward: logSoftmax },
};

/** Adam: the mean gradient over the root of the mean squared gradient, both without their bias. */
class Adam {
  constructor(parameters, { lr = 0.001, betas = [0.9, 0.999], eps = 1e-8 } = {}) {
    Object.assign(this, { parameters, lr, betas, eps, steps: 0 });
    this.mean = parameters.map(({ shape }) => tensor(shape).values);
    this.square = parameters.map(({ shape }) => tensor(shape).values);
  }

  step(gradients) {
    this.steps += 1;
    const [beta1, beta2] = this.betas;
    const rate = this.lr / (1 - beta1 ** this.steps), correction = 1 - beta2 ** this.steps;
    this.parameters.forEach(({ values }, index) => {
      const mean = this.mean[index], square = this.square[index], gradient = gradients[index];
      for (let i = 0; i < values.length; i++) {
        mean[i] += (1 - beta1) * (gradient[i] - mean[i]);
        square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] ** 2;
        values[i] -= (rate * mean[i]) / (Math.sqrt(square[i] / correction) + this.eps);
      }
    });
  }
}

/** Numbers from 0 to 1, the same ones for the same seed: xorshift (Marsaglia, 2003). */
function randomBySeed(seed) {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** The numbers below `count` in an order drawn from `random` (Fisher and Yates). */
function shuffled(count, random) {
  const order = [...Array(count).keys()];
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** Draws a net's initial weights as torch does: uniform in ± 1 / √(inputs of one output). */
function initialise(net, random) {
  for (const { kind, weight, bias, running_mean: mean, running_var: variance } of net.layers) {
    if (kind === "BatchNorm2d") {
      [weight, variance].forEach(({ values }) => values.fill(1));
      [bias, mean].forEach(({ values }) => values.fill(0));
    } else if (weight) {
      const bound = 1 / Math.sqrt(product(weight.shape.slice(1)));
      const drawn = (values) => values.forEach((_, i) => (values[i] = bound * (2 * random() - 1)));
      [weight, bias].forEach((one) => one && drawn(one.values));
    }
  }
  return net;
}
