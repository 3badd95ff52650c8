/* See it think: all maps of the net as one draws, and the arithmetic of any one number in them.

A net is a list of layers, but thoughts come in steps: a layer that looks around (a convolution, a
pooling), and those after it that change each number by itself (norm, ReLU). Such a step is a row
here. Any number can be taken apart: what lay under the window, times the kernel, summed up; what
each layer after made of the sum; and which pixels of the digit it saw in the end.
*/
"use strict";

const chosen = { step: 1, channel: 0, place: null }; // the number that is taken apart
const number = (value) => // with a minus, but none before 0.000
  value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace(/^-(?!0\.000)/, "−").replace("-", "");
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const dotted = ({ taps, before, bias }) =>
  `${taps} products, added up${bias ? `: ${before}; plus the bias, ${bias},` : ","}`;
const averaged = ({ taps }) => `the mean of ${taps} numbers`;

// By kind: what a layer is called, and how it made a number; true: by itself, place by place.
const SAID = {
  Conv2d: ["convolution", dotted],
  Linear: ["linear", dotted],
  MaxPool2d: ["max pooling", ({ taps }) => `the largest of ${taps} numbers`],
  AvgPool2d: ["mean pooling", averaged],
  AdaptiveAvgPool2d: ["mean of all places", averaged],
  BatchNorm2d: ["batch norm", ({ before, running_mean, running_var, eps, weight, bias }) =>
    `(${before} − ${running_mean}) / √(${running_var} + ${eps}) × ${weight} + ${bias}`, true],
  ReLU: ["ReLU", ({ before }) => `the larger of 0 and ${before}`, true],
  LogSoftmax: ["log-softmax", ({ before, value }) => `${before} less the log of all ten's Σ exp:`
    + ` a probability of ${percent(Math.exp(value))}, whose log`, true],
  Dropout: ["", null, true], Dropout2d: ["", null, true], Flatten: ["", null, true],
};

/** The steps of a net: {layers, shown}, numbers of layers, and the one whose maps are shown. */
function stepsIn({ layers }) {
  const steps = [{ layers: [], shown: -1 }]; // the image
  layers.forEach(({ kind }, index) => {
    if (!SAID[kind][2]) steps.push({ layers: [] });
    steps.at(-1).layers.push(index);
    if (!["Flatten", "LogSoftmax"].includes(kind)) steps.at(-1).shown = index;
  });
  return steps;
}

/** What a layer (−1: the image) gave: {sizes: [height, width], planes: a channel each, values}. */
function mapOf(layer) {
  const image = tensor([1, ...mind.net.shape], mind.image);
  const { shape, values } = layer < 0 ? image : mind.maps[layer];
  const [, channels, height = 1, width = 1] = shape, size = height * width;
  const planes = Array.from({ length: channels }, (_, channel) =>
    values.subarray(channel * size, (channel + 1) * size));
  return { sizes: [height, width], planes, values };
}

/** What lies under the window of a step at [y, x]: [{input, patch, kernel, sum}], their sizes. */
function windowAt(step, channel, [y, x]) {
  const layer = mind.net.layers[mind.steps[step].layers[0]];
  const { sizes, planes } = mapOf(mind.steps[step - 1].shown);
  const { kernel_size: [height, width] = sizes, weight } = layer;
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = layer;
  const each = weight ? planes.length / groups : 1, size = height * width;
  const first = weight ? Math.floor((channel * groups) / weight.shape[0]) * each : channel;
  const inputs = planes.slice(first, first + each).map((plane, i) => {
    const from = (channel * each + i) * size;
    const kernel = weight?.values.subarray(from, from + size);
    const patch = Float32Array.from({ length: size }, (_, tap) => {
      const down = y * stride[0] - padding[0] + row(tap, width) * dilation[0];
      const right = x * stride[1] - padding[1] + column(tap, width) * dilation[1];
      return (right >= 0 && right < sizes[1] && plane[down * sizes[1] + right]) || 0;
    });
    const sum = patch.reduce((total, value, tap) => total + value * (kernel?.[tap] ?? 0), 0);
    return { input: first + i, patch, kernel, sum };
  });
  return { inputs, sizes: [height, width] };
}

/** The kernels of a channel as one picture, side by side in a square; "" where there are none. */
function kernelPicture(step, channel) {
  const { inputs, sizes: [height, width] } = windowAt(step, channel, [0, 0]);
  if (!inputs[0].kernel) return "";
  const side = Math.ceil(Math.sqrt(inputs.length)), gap = height * width > 1 ? 1 : 0;
  const [high, wide] = [Math.ceil(inputs.length / side) * (height + gap), side * (width + gap)];
  const picture = new Float32Array(high * wide);
  inputs.forEach(({ kernel }, i) => kernel.forEach((value, tap) => {
    const y = row(i, side) * (height + gap) + row(tap, width);
    picture[y * wide + column(i, side) * (width + gap) + column(tap, width)] = value;
  }));
  const { weight } = mind.net.layers[mind.steps[step].layers[0]];
  const limit = largest(weight.values);
  return paint(element("canvas", { class: "kernel" }), picture, [high, wide], limit);
}

/** A step's row: a line about it, and a radio button a channel, with its kernels and its map. */
function rowFor({ layers, shown }, step) {
  const { sizes, planes } = mapOf(shown);
  const described = layers.map((layer) => mind.net.layers[layer]);
  const names = described.map(({ kind }) => SAID[kind][0]).filter(Boolean);
  const size = described[0]?.kernel_size?.join(" × "), sees = described[0]?.field?.size;
  const title = `${size ?? ""} ${names.join(", ") || "the image, as the net takes it"}`;
  const view = sees?.map((pixels) => Math.min(pixels, SIDE)).join(" × ");
  const seen = view ? `, each sees ${view} pixels` : "";
  const name = step ? described[0].name : "image", shape = [planes.length, ...sizes].join(" × ");
  const tiles = planes.map((_, channel) => {
    const radio = element("input", { type: "radio", name: "channel", value: `${step} ${channel}`,
      "aria-label": `${name}, channel ${channel}` });
    const kernels = step ? kernelPicture(step, channel) : "";
    const map = element("canvas", { class: "map" }), label = element("small", {}, `${channel}`);
    return element("label", { class: "tile" }, radio, kernels, map, label);
  });
  return element("div", { class: sizes[0] * sizes[1] > 1 ? "row" : "row points" },
    element("p", {}, element("b", {}, title), element("span", {}, `${name}: ${shape}${seen}`)),
    element("div", { class: "tiles" }, ...tiles));
}

/** Take another number apart: at `place` [y, x], or where the channel answers most. */
function choose(step, channel, place) {
  const { planes, sizes: [, width] } = mapOf(mind.steps[step].shown), plane = planes[channel];
  const most = plane.map(Math.abs).indexOf(largest(plane));
  const strongest = [row(most, width), column(most, width)];
  Object.assign(chosen, { step, channel, place: place ?? strongest });
  const line = byId("rows").querySelectorAll(".row")[step];
  line.querySelectorAll("input")[channel].checked = true;
  const top = () => line.getBoundingClientRect().top, before = top();
  if (line.nextElementSibling !== byId("cell")) line.after(byId("cell"));
  scrollBy({ top: top() - before, behavior: "instant" }); // the row stays under the finger
  showCell();
}

/** How the chosen number came to be, layer by layer of its step: [{layer, text, value}]. */
function reasons(inputs) {
  const { step, channel, place: [y, x] } = chosen, { layers, shown } = mind.steps[step];
  const at = (channel * mapOf(shown).sizes[0] + y) * mapOf(shown).sizes[1] + x;
  const sum = inputs.reduce((total, input) => total + input.sum, 0);
  return layers.map((layer, i) => {
    const { kind, ...held } = mind.net.layers[layer], value = mind.maps[layer].values[at];
    const of = Object.entries(held).filter(([, tensor]) => tensor?.shape);
    const said = of.map(([name, { values }]) => [name, number(values[channel])]);
    const before = number(i ? mind.maps[layer - 1].values[at] : sum);
    const taps = inputs.length * (inputs[0]?.patch.length ?? 0);
    const known = { ...Object.fromEntries(said), eps: held.eps, before, taps, value };
    return { layer, value, text: SAID[kind][1]?.(known) };
  }).filter(({ text }) => text);
}

/** Show the chosen number: what it sees, how it came to be, what its channel is worth. */
function showCell() {
  const { step, channel, place } = chosen, { shown, layers } = mind.steps[step];
  const { sizes, planes, values } = mapOf(shown), { field, name } = mind.net.layers[shown] ?? {};
  const value = planes[channel][place[0] * sizes[1] + place[1]];
  const hidden = !!mind.hidden[shown]?.includes(channel);
  byId("cell-name").textContent = `${name ?? "The image"}, channel ${channel}, row ${place[0]},`
    + ` column ${place[1]}: ${number(value)}${hidden ? ", hidden" : ""}`;
  const starts = place.map((at, axis) => // in pixels of the image
    field ? field.start[axis] + at * field.jump[axis] - (field.size[axis] - 1) / 2 : 0);
  const ends = starts.map((start, axis) => start + (field?.size[axis] ?? SIDE));
  const [digit, map] = [byId("cell-digit"), byId("cell-map")];
  paint(digit.firstElementChild, mind.pixels, [SIDE, SIDE], 255, true);
  frame(digit, ...[starts, ends].map((corner) => corner.map((pixel) => pixel / SIDE)));
  paint(map.firstElementChild, planes[channel], sizes, largest(values));
  frame(map, ...[0, 1].map((more) => place.map((at, axis) => (at + more) / sizes[axis])));
  const { inputs, sizes: kernel } = step ? windowAt(step, channel, place) : { inputs: [] };
  byId("cell-reasons").replaceChildren(...reasons(inputs).map(({ layer, text, value: made }) => {
    const whole = mapOf(layer), picture = element("canvas"), own = whole.planes[channel];
    paint(picture, own ?? [made], own ? whole.sizes : [1, 1], largest(whole.values));
    const [word, result] = [SAID[mind.net.layers[layer].kind][0], number(made)];
    return element("li", {}, picture, element("span", {}, element("b", {}, word), ` ${text} = `,
      element("b", {}, result)));
  }));
  showWindow(inputs, kernel);
  byId("hide").disabled = !step || layers.at(-1) === mind.net.layers.length - 1;
  byId("hide").setAttribute("aria-pressed", hidden);
  mind.cellBars(mind.shares, mind.before);
}

/** Show what lay under the window, input by input, and of the one that gave most each product. */
function showWindow(inputs, sizes) {
  const limits = ["patch", "kernel"].map((part) =>
    largest(inputs.flatMap((one) => [...(one[part] ?? [])])));
  const picture = (values, part) => paint(element("canvas"), values, sizes, limits[part]);
  byId("cell-inputs").replaceChildren(...inputs.map(({ patch, kernel, sum, input }) => {
    const times = kernel ? ["×", picture(kernel, 1), `= ${number(sum)}`] : [];
    return element("li", {}, element("small", {}, `${input}`), picture(patch, 0), ...times);
  }));
  const most = largest(inputs.map(({ sum }) => sum));
  const best = inputs.find(({ sum }) => Math.abs(sum) === most);
  const fits = best?.patch.length <= 25;
  byId("cell-best").textContent = fits ? `Number by number, input ${best.input}:` : "";
  byId("cell-products").style.setProperty("--columns", sizes?.[1]);
  byId("cell-products").replaceChildren(...Array.from(fits ? best.patch : [], (value, tap) =>
    element("span", {}, number(value), best.kernel ? ` × ${number(best.kernel[tap])}` : "")));
}

/** Leave the chosen channel out of the net, or take it back. */
function hide() {
  const { shown } = mind.steps[chosen.step], out = new Set(mind.hidden[shown]);
  if (!out.delete(chosen.channel)) out.add(chosen.channel);
  mind.hidden[shown] = [...out];
  answer();
}

/** Paint all maps anew, each row on a scale of its own. */
function showThought() {
  byId("rows").querySelectorAll(".row").forEach((line, step) => {
    const { shown } = mind.steps[step], { planes, sizes, values } = mapOf(shown);
    const limit = largest(values);
    line.querySelectorAll(".tile").forEach((tile, channel) => {
      paint(tile.querySelector(".map"), planes[channel], sizes, limit);
      tile.classList.toggle("out", !!mind.hidden[shown]?.includes(channel));
    });
  });
  byId("unhide").disabled = !Object.values(mind.hidden).some((channels) => channels.length);
  if (chosen.place) showCell(); else choose(1, 0);
}

/** The place [y, x] of a map at which its picture was clicked. */
function placeAt({ offsetX, offsetY, target }, sizes) {
  return [offsetY / target.clientHeight, offsetX / target.clientWidth].map((share, axis) =>
    within(Math.floor(share * sizes[axis]), sizes[axis] - 1));
}

/** Bring the rows to life. */
function startThinking() {
  mind.steps = stepsIn(mind.net);
  mind.pixels = mind.image = new Float32Array(SIDE * SIDE);
  mind.maps = forward(mind.net, mind.image);
  mind.cellBars = scoreBars(byId("cell-scores"));
  byId("rows").replaceChildren(...mind.steps.map(rowFor), byId("cell"));
  const sizes = (step) => mapOf(mind.steps[step].shown).sizes;
  const channelOf = (radio) => radio.value.split(" ").map(Number); // with the number of its step
  byId("rows").addEventListener("change", ({ target }) => choose(...channelOf(target)));
  byId("rows").addEventListener("click", (event) => {
    if (!event.target.matches(".map")) return;
    event.preventDefault(); // or else the label would choose the channel's largest number
    const radio = event.target.parentNode.querySelector("input");
    const [step, channel] = channelOf(radio);
    choose(step, channel, placeAt(event, sizes(step)));
    radio.focus({ preventScroll: true });
  });
  const map = byId("cell-map"), move = (place) => choose(chosen.step, chosen.channel, place);
  map.addEventListener("click", (event) => move(placeAt(event, sizes(chosen.step))));
  map.addEventListener("keydown", (event) => {
    const way = arrow(event), most = sizes(chosen.step);
    if (way) move(chosen.place.map((at, axis) => within(at + way[axis], most[axis] - 1)));
  });
  byId("hide").addEventListener("click", hide);
  byId("unhide").addEventListener("click", () => ((mind.hidden = {}), answer()));
}

startDrawing(JSON.parse(byId("live").textContent));
