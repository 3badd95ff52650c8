/* What each kind of layer computes, and how blame finds its way back through it.

It is the algorithm of tinytrain/nn, number for number; a test compares the two. A layer's tensors
have a `gradient` beside their `values`: how fast the loss grows with each number. */

const traced = (shape) => ({ ...tensor(shape), gradient: zeros(product(shape)) });

/** Visit where the numbers of a channel are, in all images. */
function eachPlace([count, channels, ...sides], channel, visit) {
  const size = product(sides);
  for (let n = 0; n < count; n++) {
    const start = (n * channels + channel) * size;
    for (let at = start; at < start + size; at++) visit(at);
  }
}

/** The sum of what(at) over a channel. */
function sumOver(shape, channel, what) {
  let sum = 0;
  eachPlace(shape, channel, (at) => (sum += what(at)));
  return sum;
}

/** What a layer's window meets in a map of a shape: {table, size, step, alone, sides}.

The table has, place by place of the output, the `size` numbers that meet the kernel: their places
in what the window looks at, which is `step` numbers long, or −1 outside. A convolution looks at all
channels, a pooling at each `alone`; without a kernel size the window sees all places. */
function windowOf(layer, [, channels, ...image]) {
  const { kernel_size: kernel = image, stride = [1, 1], padding = [0, 0], dilation = [1, 1] } = layer;
  const [height = 1, width = 1] = image, [, across = 1] = kernel, taps = product(kernel);
  const room = (axis) => image[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1);
  const sides = image.map((_, axis) => row(room(axis) - 1, stride[axis]) + 1);
  const [, wide = 1] = sides, alone = !layer.weight, each = alone ? 1 : channels;
  const size = each * taps, step = each * height * width;
  const at = (axis, place, tap) => place * stride[axis] + tap * dilation[axis] - padding[axis];
  const table = Int32Array.from({ length: product(sides) * size }, (_, i) => {
    const place = row(i, size), tap = i % taps, channel = row(i % size, taps);
    const y = at(0, row(place, wide), row(tap, across));
    const x = at(1, column(place, wide), column(tap, across));
    const inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? (channel * height + y) * width + x : -1;
  });
  return { table, size, step, alone, sides };
}

/** A convolution: a patch for each place of the output, times the kernels, as matrices.

A linear layer is one, too: its kernels see all, so that there is one place. Chellapilla et al.,
"High performance convolutional neural networks", 2006. */
function convolution(layer, input) {
  const { weight, bias } = layer, [count] = input.shape, [kernels] = weight.shape;
  const window = windowOf(layer, input.shape), { table, size, step, sides } = window;
  const places = product(sides), output = traced([count, kernels, ...sides]);
  const patches = zeros(places * size), blame = zeros(places * size);
  const found = { weight: zeros(weight.values.length), bias: bias && zeros(kernels) };
  const eachImage = (visit) => { // with its patches, and where its input and output begin
    for (let n = 0; n < count; n++) {
      const from = n * step;
      for (let i = 0; i < table.length; i++) {
        patches[i] = table[i] < 0 ? 0 : input.values[from + table[i]];
      }
      visit(from, n * kernels * places);
    }
  };
  return { output, window, ...found,
    forward() {
      output.values.fill(0);
      bias?.values.forEach((value, channel) =>
        eachPlace(output.shape, channel, (at) => (output.values[at] = value)));
      eachImage((_, to) => multiply(kernels, places, size, matrix(weight.values, 0, size, 1),
        matrix(patches, 0, 1, size), output.values, to));
    },
    backward(_, toInput) {
      found.weight.fill(0);
      found.bias?.forEach((_, channel, sums) =>
        (sums[channel] = sumOver(output.shape, channel, (at) => output.gradient[at])));
      if (toInput) input.gradient.fill(0);
      eachImage((from, to) => {
        multiply(kernels, size, places, matrix(output.gradient, to, places, 1),
          matrix(patches, 0, size, 1), found.weight, 0);
        if (!toInput) return;
        blame.fill(0);
        multiply(places, size, kernels, matrix(output.gradient, to, 1, places),
          matrix(weight.values, 0, size, 1), blame, 0);
        for (let i = 0; i < table.length; i++) { // a number gets the blame of all its patches
          if (table[i] >= 0) input.gradient[from + table[i]] += blame[i];
        }
      });
    } };
}

/** The mean of all places of each channel. */
function meanPooling(layer, input) {
  const window = windowOf(layer, input.shape), { step } = window;
  const output = traced([...input.shape.slice(0, 2), 1, 1]), count = output.values.length;
  const [maps, blames] = [input.values, input.gradient].map((all) => parted(all, step, count));
  return { output, window,
    forward: () => maps.forEach((map, at) =>
      (output.values[at] = map.reduce((sum, value) => sum + value, 0) / step)),
    backward: () => blames.forEach((blame, at) => blame.fill(output.gradient[at] / step)) };
}

/** Max pooling: the largest of what lies under the window; `chosen` is where it was. */
function maxPooling(layer, input) {
  const window = windowOf(layer, input.shape), { table, size, step, sides } = window;
  const output = traced([...input.shape.slice(0, 2), ...sides]), places = product(sides);
  const chosen = new Int32Array(output.values.length);
  return { output, window, chosen,
    forward() {
      for (let to = 0; to < chosen.length; to++) {
        const start = row(to, places) * step, first = (to % places) * size;
        let most = -Infinity;
        for (let tap = first; tap < first + size; tap++) {
          const from = start + table[tap], value = table[tap] < 0 ? -Infinity : input.values[from];
          if (value > most) [most, chosen[to]] = [value, from];
        }
        output.values[to] = most;
      }
    },
    backward() {
      input.gradient.fill(0);
      chosen.forEach((from, to) => (input.gradient[from] += output.gradient[to]));
    } };
}

/** Batch norm: each channel with mean 0 and variance 1, scaled and shifted.

In training, each number also moves its channel's mean and variance: tinytrain/nn/fast.py. */
function batchNorm(layer, input) {
  const { weight, bias, running_mean: means, running_var: variances } = layer;
  const { shape, values } = input, places = values.length / shape[1];
  const output = traced(shape), { gradient } = output;
  const found = { weight: zeros(shape[1]), bias: zeros(shape[1]) };
  const normal = zeros(values.length), inverse = new Float64Array(shape[1]);
  const follow = ({ values: running }, channel, next) =>
    (running[channel] += layer.momentum * (next - running[channel]));
  return { output, ...found, inverse, normal,
    forward(training) {
      for (let channel = 0; channel < shape[1]; channel++) {
        let [mean, variance] = [means.values[channel], variances.values[channel]];
        if (training) {
          mean = sumOver(shape, channel, (at) => values[at]) / places;
          variance = sumOver(shape, channel, (at) => (values[at] - mean) ** 2) / places;
          follow(means, channel, mean);
          follow(variances, channel, (variance * places) / (places - 1));
        }
        const share = (inverse[channel] = 1 / Math.sqrt(variance + layer.eps));
        const [scale, shift] = [weight.values[channel], bias.values[channel]];
        eachPlace(shape, channel, (at) => {
          normal[at] = (values[at] - mean) * share;
          output.values[at] = normal[at] * scale + shift;
        });
      }
    },
    backward(training) {
      for (let channel = 0; channel < shape[1]; channel++) {
        const sum = (found.bias[channel] = sumOver(shape, channel, (at) => gradient[at]));
        const weighted = sumOver(shape, channel, (at) => gradient[at] * normal[at]);
        found.weight[channel] = weighted;
        const scale = weight.values[channel] * inverse[channel];
        const [even, sloped] = training ? [sum / places, weighted / places] : [0, 0];
        eachPlace(shape, channel, (at) =>
          (input.gradient[at] = scale * (gradient[at] - even - normal[at] * sloped)));
      }
    } };
}

/** ReLU: the larger of 0 and the number; blame passes where the number was positive. */
function relu(_, input) {
  const output = traced(input.shape);
  return { output,
    forward() {
      const { values } = input, to = output.values;
      for (let at = 0; at < to.length; at++) to[at] = Math.max(values[at], 0);
    },
    backward() {
      const { values, gradient } = input, from = output.gradient;
      for (let at = 0; at < from.length; at++) gradient[at] = values[at] > 0 ? from[at] : 0;
    } };
}

/** Log-softmax: each score less the log of all ten's Σ exp. */
function logSoftmax(_, { shape, values, gradient }) {
  const output = traced(shape), [count, classes] = shape;
  const [scores, blames, logs, above] = [values, gradient, output.values, output.gradient]
    .map((all) => parted(all, classes, count)); // image by image
  return { output,
    forward: () => scores.forEach((own, n) => {
      const most = Math.max(...own);
      const log = most + Math.log(own.reduce((sum, score) => sum + Math.exp(score - most), 0));
      logs[n].set(own.map((score) => score - log));
    }),
    backward: () => above.forEach((own, n) => {
      const sum = own.reduce((all, one) => all + one, 0);
      blames[n].set(own.map((one, at) => one - Math.exp(logs[n][at]) * sum));
    }) };
}

/** The same numbers: what the page trains has no dropout. */
const same = (_, input) => ({ output: input, forward() {}, backward() {} });

/** The same numbers in a row for each image. */
const flat = (_, { shape: [count, ...sizes], ...same }) =>
  ({ output: { shape: [count, product(sizes)], ...same }, forward() {}, backward() {} });

// By kind of layer: a function of a layer and its input that gives {output, forward(training),
// backward(training, toInput)}, and of layers with weights their gradients, {weight, bias}.
const WORKS = {
  Conv2d: convolution, Linear: convolution, BatchNorm2d: batchNorm, ReLU: relu,
  MaxPool2d: maxPooling, AdaptiveAvgPool2d: meanPooling, Flatten: flat, Dropout2d: same,
  LogSoftmax: logSoftmax,
};
