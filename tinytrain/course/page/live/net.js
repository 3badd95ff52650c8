/* A net once more, in the page: forward from images to scores, backward from the loss.

`workspace` makes all arrays once, for a net and a number of images; then `forward` and `backward`
only fill them. */

/** For JSON.parse: a tensor gets its numbers, or zeros where none came. */
const revived = (_, value) => (value?.data === undefined ? value
  : tensor(value.shape, value.data && new Float32Array(bytesOf(value.data).buffer)));

/** The weights that a net learns, tensors, in the engine's order. */
const parametersOf = ({ layers }) =>
  layers.flatMap(({ weight, bias }) => [weight, bias].filter(Boolean));

/** Everything that `count` images need on their way through a net and back.

{net, count, image, works, maps, gradients}: `maps` are the layers' outputs; `gradients` belong to
`parametersOf`. Two workspaces of a net share its weights, and nothing else. */
function workspace(net, count) {
  const image = traced([count, ...net.shape]);
  let input = image;
  const works = net.layers.map((layer) => {
    const work = WORKS[layer.kind](layer, input);
    input = work.output;
    return work;
  });
  const gradients = works.flatMap(({ weight, bias }) => [weight, bias].filter(Boolean));
  return { net, count, image, works, gradients, maps: works.map(({ output }) => output) };
}

/** Compute every layer's output for images, normalised, N · 784 numbers; gives the outputs.

`training`: batch norm takes the batch's statistics, and its running ones follow. `hidden`: which
channels of which layers' output, by number, are set to zero: [{layer, channel}]. */
function forward(space, images, { training = false, hidden = [] } = {}) {
  space.image.values.set(images);
  Object.assign(space, { training, hidden });
  space.works.forEach((work, index) => {
    work.forward(training);
    hide(space, index, work.output.values);
  });
  return space.maps;
}

/** Send the mean loss of labels back through all layers, after `forward`; gives the loss.

The loss is minus the log-probability of the right class. Fills the gradients of all maps and
weights, that of the image only with `toImage`. */
function backward(space, labels, toImage = false) {
  const { maps, works, training, count } = space, { shape, values, gradient } = maps.at(-1);
  let loss = 0;
  gradient.fill(0);
  for (let n = 0; n < count; n++) {
    const at = n * shape[1] + labels[n];
    loss -= values[at] / count;
    gradient[at] = -1 / count;
  }
  for (let index = works.length - 1; index >= 0; index--) {
    hide(space, index, maps[index].gradient);
    works[index].backward(training, index > 0 || toImage);
  }
  return loss;
}

/** The shares, of 1, that a net gives each class, for images one after the other. */
const sharesOf = (space, images, options) =>
  forward(space, images, options).at(-1).values.map(Math.exp);

/** The sum of the losses of images, as many as labels, and how many are right. */
function judged(space, images, labels) {
  const { values } = forward(space, images).at(-1);
  let loss = 0, right = 0;
  labels.forEach((label, n) => {
    const scores = values.subarray(10 * n, 10 * (n + 1));
    loss -= scores[label];
    right += scores[label] === Math.max(...scores);
  });
  return { loss, right };
}

/** Set the hidden channels of a layer to zero. */
function hide({ hidden, maps }, index, values) {
  for (const { layer, channel } of hidden) {
    if (layer === index) eachPlace(maps[layer].shape, channel, (at) => (values[at] = 0));
  }
}
