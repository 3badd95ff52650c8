/* A net once more, in the page: what each layer computes, and how a mistake finds its way back.

It is the algorithm of tinytrain/nn and tinytrain/optim, number for number; a test compares the
two. A tensor is {shape, values}, its numbers one after another in one flat array: the number at
(n, c, y, x) of a shape [N, C, H, W] has the place ((n · C + c) · H + y) · W + x. A convolution or a
pooling slides a window over an image. One walk, `slide`, goes through all that a window meets, and
the output, the gradient of its weights and that of its input are three uses of that walk.
*/
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

`training`: batch norm takes the batch's statistics, dropout drops what `random` says. `hidden`:
{number of a layer: the channels of its output to be set to zero}. */
function forward(net, images, { training = false, random = Math.random, hidden = {} } = {}) {
  let input = tensor([images.length / product(net.shape), ...net.shape], images);
  return net.layers.map((layer, index) => {
    input = LAYERS[layer.kind].forward(layer, input, training, random);
    return (input = without(input, new Set(hidden[index] ?? [])));
  });
}

/** A tensor with zeros for some of its channels. */
function without(input, hidden) {
  if (!hidden.size) return input;
  const values = input.values.slice();
  eachPlane(input.shape, (channel, start, end) => hidden.has(channel) && values.fill(0, start, end));
  return { ...input, values };
}

/** Log-probabilities (N · 10 numbers), and the maps behind them, those of the image as it is.

Where the recipe looks five times, the image is moved by a pixel, around the edge, and the mean
counts: tinytrain/train/evaluation.py. */
function look(net, images, options) {
  const maps = forward(net, images, options);
  const scores = tensor(maps.at(-1).shape, maps.at(-1).values.slice());
  const [height, width] = net.shape.slice(1);
  for (const [down, right] of [[1, 0], [-1, 0], [0, 1], [0, -1]].slice(0, net.looks - 1)) {
    const moved = images.map((_, place) => {
      const x = place % width, y = Math.floor(place / width) % height;
      const from = ((y - down + height) % height) * width + ((x - right + width) % width);
      return images[place - y * width - x + from];
    });
    forward(net, moved, options).at(-1).values.forEach((score, i) => (scores.values[i] += score));
  }
  scores.values = scores.values.map((score) => score / net.looks);
  return { maps, scores: LAYERS.LogSoftmax.forward({}, scores).values };
}

/** Calls visit(channel, start, end) for each channel of each image: where its numbers lie. */
function eachPlane([count, channels, ...sizes], visit) {
  const size = product(sizes);
  for (let plane = 0; plane < count * channels; plane++) {
    visit(plane % channels, plane * size, (plane + 1) * size);
  }
}

/** The window of a convolution or a pooling over images of a shape, and the shape that it gives. */
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

/** Walks a window over images: a visit for each image, channel in, channel out and tap.

visit(tap, from, to, rows, columns): at `rows` × `columns` places the tap, the number of a weight,
meets the image from the place `from` on, and its product goes to the output from `to` on. */
function slide({ taps, groups, shape }, [, channels, height, width], visit) {
  const [count, outputs, places, line] = shape, each = channels / groups;
  for (let n = 0; n < count; n++) {
    for (let output = 0, tap = 0; output < outputs; output++) {
      const first = n * channels + Math.floor((output * groups) / outputs) * each;
      for (let input = first; input < first + each; input++) {
        for (const down of taps[0]) {
          for (const across of taps[1]) {
            const from = (input * height + down.from) * width + across.from;
            const to = ((n * outputs + output) * places + down.first) * line + across.first;
            visit(tap++, from, to, down.count, across.count);
          }
        }
      }
    }
  }
}

/** Sums of what lies under a window, weighted: a convolution, or a mean with equal weights. */
function convolve(layer, input, weight, bias) {
  const window = windowOf(layer, input.shape), output = tensor(window.shape);
  const width = input.shape[3], line = window.shape[3], [stepY, stepX] = window.stride;
  const { values } = input, sums = output.values;
  const begin = (channel, start, end) => sums.fill(bias.values[channel], start, end);
  if (bias) eachPlane(output.shape, begin);
  slide(window, input.shape, (tap, from, to, rows, columns) => {
    const factor = weight.values[tap];
    for (let row = 0; row < rows; row++, from += stepY * width, to += line) {
      for (let x = 0; x < columns; x++) sums[to + x] += factor * values[from + x * stepX];
    }
  });
  return output;
}

/** The weights of a mean over a window: as many for each channel as it has taps, all equal. */
function equal(layer, [, channels, height, width]) {
  const taps = product(layer.kernel_size ?? [height, width]);
  return tensor([channels], new Float32Array(channels * taps).fill(1 / taps));
}

/** The largest number under a window, and in `where` its place in the input. */
function maxPool(layer, input) {
  const window = windowOf(layer, input.shape), output = tensor(window.shape);
  const width = input.shape[3], line = window.shape[3], [stepY, stepX] = window.stride;
  const where = new Int32Array(output.values.length);
  output.values.fill(-Infinity);
  slide(window, input.shape, (_, from, to, rows, columns) => {
    for (let row = 0; row < rows; row++, from += stepY * width, to += line) {
      for (let x = 0; x < columns; x++) {
        const value = input.values[from + x * stepX];
        if (value > output.values[to + x]) {
          output.values[to + x] = value;
          where[to + x] = from + x * stepX;
        }
      }
    }
  });
  return { ...output, where };
}

/** The mean of term(place, channel) over all places of each channel. */
function channelMeans(shape, term) {
  const sums = new Float64Array(shape[1]), places = product(shape) / shape[1];
  eachPlane(shape, (channel, start, end) => {
    for (let place = start; place < end; place++) sums[channel] += term(place, channel);
  });
  return sums.map((sum) => sum / places);
}

/** Each channel with mean 0 and variance 1, then scaled and shifted; tinytrain/nn/functional.py. */
function batchNorm(layer, { shape, values }, training) {
  let mean = layer.running_mean.values, variance = layer.running_var.values;
  if (training) {
    const places = product(shape) / shape[1];
    mean = channelMeans(shape, (place) => values[place]);
    variance = channelMeans(shape, (place, channel) => (values[place] - mean[channel]) ** 2);
    const follow = (running, of) => of.forEach((value, channel) => {
      running[channel] += layer.momentum * (value - running[channel]);
    });
    follow(layer.running_mean.values, mean);
    follow(layer.running_var.values, variance.map((one) => (one * places) / (places - 1)));
  }
  const inverse = Float64Array.from(variance, (one) => 1 / Math.sqrt(one + layer.eps));
  const output = tensor(shape);
  eachPlane(shape, (channel, start, end) => {
    const scale = layer.weight.values[channel] * inverse[channel];
    const shift = layer.bias.values[channel] - mean[channel] * scale;
    for (let place = start; place < end; place++) {
      output.values[place] = values[place] * scale + shift;
    }
  });
  return { ...output, mean, inverse };
}

/** In training, some numbers silenced, or whole channels: `kept` has the factor of each. */
function dropout(layer, input, training, random) {
  if (!training || !layer.p) return input;
  const draw = () => (random() < layer.p ? 0 : 1 / (1 - layer.p)), { shape, values } = input;
  const kept = Float32Array.from(values, layer.kind === "Dropout2d" ? () => 0 : draw);
  if (layer.kind === "Dropout2d") {
    eachPlane(shape, (_, start, end) => kept.fill(draw(), start, end));
  }
  return { shape, values: values.map((value, place) => value * kept[place]), kept };
}

/** The border repeated: which place of the image each place of the wider one shows. */
function repeatedBorder({ padding: [rows, columns] }, { shape, values }) {
  const [count, channels, height, width] = shape;
  const wide = [count, channels, height + 2 * rows, width + 2 * columns];
  const near = (place, size) => Math.min(Math.max(place, 0), size - 1);
  const where = Int32Array.from({ length: product(wide) }, (_, place) => {
    const x = near((place % wide[3]) - columns, width);
    const y = near((Math.floor(place / wide[3]) % wide[2]) - rows, height);
    return (Math.floor(place / wide[3] / wide[2]) * height + y) * width + x;
  });
  return { ...tensor(wide, Float32Array.from(where, (place) => values[place])), where };
}

/** y = x Wᵀ + b for each row of x: a convolution of one pixel. */
function linear(layer, { shape: [count, inputs], values }) {
  const pixel = { ...layer, kernel_size: [1, 1], groups: 1 };
  const output = convolve(pixel, tensor([count, inputs, 1, 1], values), layer.weight, layer.bias);
  return tensor(output.shape.slice(0, 2), output.values);
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

// By kind: forward(layer, input, training, random) gives the output, with what backward needs.
const LAYERS = {
  Conv2d: {
    forward: (layer, input) => convolve(layer, input, layer.weight, layer.bias),
  },
  BatchNorm2d: { forward: batchNorm },
  ReLU: {
    forward: (_, { shape, values }) => tensor(shape, values.map((value) => Math.max(value, 0))),
  },
  Dropout: { forward: dropout },
  Dropout2d: { forward: dropout },
  ReplicationPad2d: { forward: repeatedBorder },
  MaxPool2d: { forward: maxPool },
  AvgPool2d: { forward: (layer, input) => convolve(layer, input, equal(layer, input.shape)) },
  AdaptiveAvgPool2d: {
    forward: (layer, input) => convolve(layer, input, equal(layer, input.shape)),
  },
  Flatten: {
    forward: (_, { shape, values }) => tensor([shape[0], product(shape.slice(1))], values),
  },
  Linear: { forward: linear },
  LogSoftmax: { forward: logSoftmax },
};
