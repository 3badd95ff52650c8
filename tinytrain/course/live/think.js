/* See it think: all maps of the net as one draws, and the arithmetic of any one number in them.

A net is a list of layers, but thoughts come in steps, a row each: live_steps.py says which, and
think.html has their markup. Any number can be taken apart: what lay under the window, times the
kernel, summed up; what each layer after made of the sum; and which pixels it saw in the end.
*/
"use strict";

const chosen = { step: 1, channel: 0, place: null }; // the number that is taken apart
const number = (value) => // with a minus, but none before 0.000
  value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace(/^-(?!0\.000)/, "−").replace("-", "");
const largest = (values) => // by its size; what is no number does not count
  values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
const dotted = ({ taps, before, bias }) =>
  `${taps} products, added up${bias ? `: ${before}; plus the bias, ${bias},` : ","}`;
const averaged = ({ taps }) => `the mean of ${taps} numbers`;

// By kind: how a layer made a number.
const HOW = {
  Conv2d: dotted, Linear: dotted, AvgPool2d: averaged, AdaptiveAvgPool2d: averaged,
  MaxPool2d: ({ taps }) => `the largest of ${taps} numbers`,
  BatchNorm2d: ({ before, running_mean, running_var, eps, weight, bias }) =>
    `(${before} − ${running_mean}) / √(${running_var} + ${eps}) × ${weight} + ${bias}`,
  ReLU: ({ before }) => `the larger of 0 and ${before}`,
  LogSoftmax: ({ before, value }) => `${before} less the log of all ten's Σ exp:`
    + ` a probability of ${percent(Math.exp(value))}, whose log`,
};

/** A new element: its tag, and what is in it. */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** What a layer (−1: the image) gave: {sides: [height, width], planes: a channel each, values}. */
function mapOf(layer) {
  const image = tensor([1, ...mind.net.shape], mind.image);
  const { shape: [, channels, ...sides], values } = mind.maps[layer] ?? image;
  const size = product(sides);
  const planes = Array.from({ length: channels }, (_, channel) =>
    values.subarray(channel * size, (channel + 1) * size));
  return { sides: [sides[0] ?? 1, sides[1] ?? 1], planes, values };
}

/** A step's layer with a window, the sides of the window, and the map that lies under it. */
function windowedLayer(step) {
  const layer = mind.net.layers[mind.net.steps[step].layers[0]];
  const under = mapOf(mind.net.steps[step - 1].shown);
  return { ...layer, sides: layer.kernel_size ?? under.sides, under };
}

/** What lies under the window of a step at [y, x]: {inputs: [{input, patch, kernel, sum}], sides}. */
function windowAt(step, channel, [y, x]) {
  const { window, weight, sides, under } = windowedLayer(step), taps = product(sides);
  const { table, size, groups, weights } = window, [, across = 1] = window.sides;
  const each = size / taps, first = row(channel * groups, weights.length / size) * each;
  const group = first * under.planes[0].length, place = (y * across + x) * size;
  const inputs = Array.from({ length: each }, (_, i) => {
    const from = channel * size + i * taps, kernel = weight?.values.subarray(from, from + taps);
    const places = table.subarray(place + i * taps, place + (i + 1) * taps);
    const patch = Float32Array.from(places, (at) => (at < 0 ? 0 : under.values[group + at]));
    const sum = patch.reduce((total, value, tap) => total + value * (kernel?.[tap] ?? 0), 0);
    return { input: first + i, patch, kernel, sum };
  });
  return { inputs, sides };
}

/** Paint the kernels of a step's channel on a canvas, one for each input, side by side. */
function paintKernels(canvas, step, channel) {
  const { window, weight, sides: [height, width] } = windowedLayer(step), { size } = window;
  const taps = height * width, gap = taps > 1 ? 1 : 0, beside = Math.ceil(Math.sqrt(size / taps));
  const [high, wide] = [Math.ceil(size / taps / beside) * (height + gap), beside * (width + gap)];
  const picture = new Float32Array(high * wide);
  for (let i = 0; i < size; i++) {
    const input = row(i, taps), y = row(input, beside) * (height + gap) + row(i % taps, width);
    const x = column(input, beside) * (width + gap) + column(i % taps, width);
    picture[y * wide + x] = weight.values[channel * size + i];
  }
  paint(canvas, picture, [high, wide], largest(weight.values));
}

/** Take another number apart: at `place` [y, x], or where the channel answers most. */
function choose(step, channel, place) {
  const { planes, sides: [, width] } = mapOf(mind.net.steps[step].shown), plane = planes[channel];
  const most = Math.max(plane.map(Math.abs).indexOf(largest(plane)), 0);
  Object.assign(chosen, { step, channel, place: place ?? [row(most, width), column(most, width)] });
  const line = byId("rows").querySelectorAll(".row")[step];
  line.querySelectorAll("input")[channel].checked = true;
  const top = () => line.getBoundingClientRect().top, before = top();
  if (line.nextElementSibling !== byId("cell")) line.after(byId("cell"));
  scrollBy({ top: top() - before, behavior: "instant" }); // the row stays under the finger
  showCell();
}

/** How the chosen number came to be, layer by layer of its step: [{layer, text, value}]. */
function reasons(inputs) {
  const { step, channel, place: [y, x] } = chosen, { layers, shown } = mind.net.steps[step];
  const { sides: [height, width] } = mapOf(shown), at = (channel * height + y) * width + x;
  const told = layers.filter((layer) => HOW[mind.net.layers[layer].kind]);
  return told.map((layer) => {
    const { kind, ...held } = mind.net.layers[layer], value = mind.maps[layer].values[at];
    const sum = inputs.reduce((total, input) => total + input.sum, 0);
    const before = number(layer === layers[0] ? sum : mind.maps[layer - 1].values[at]);
    const known = { ...held, before, value, taps: inputs.length * inputs[0]?.patch.length };
    for (const [name, tensor] of Object.entries(held)) {
      if (tensor?.shape) known[name] = number(tensor.values[channel]);
    }
    return { layer, value, text: HOW[kind](known) };
  });
}

/** Show the chosen number: what it sees, how it came to be, what its channel is worth. */
function showCell() {
  const { step, channel, place } = chosen, { shown, layers, field, name } = mind.net.steps[step];
  const { sides, planes, values } = mapOf(shown), hidden = !!mind.hidden[shown]?.includes(channel);
  const value = number(planes[channel][place[0] * sides[1] + place[1]]);
  byId("cell-name").textContent = `${name}, channel ${channel}, row ${place[0]},`
    + ` column ${place[1]}: ${value}${hidden ? ", hidden" : ""}`;
  const corner = (more) => place.map((at, axis) => // of the field, in shares of the image
    (field.start[axis] + at * field.jump[axis] + (more * field.size[axis] + 1) / 2) / SIDE);
  const [digit, map] = [byId("cell-digit"), byId("cell-map")];
  paint(digit.firstElementChild, mind.pixels, [SIDE, SIDE], 255, true);
  frame(digit, corner(-1), corner(1));
  paint(map.firstElementChild, planes[channel], sides, largest(values));
  frame(map, ...[0, 1].map((more) => place.map((at, axis) => (at + more) / sides[axis])));
  const { inputs, sides: kernel } = step ? windowAt(step, channel, place) : { inputs: [] };
  byId("cell-reasons").replaceChildren(...reasons(inputs).map(({ layer, text, value: made }) => {
    const { sides, planes, values } = mapOf(layer), picture = element("canvas");
    paint(picture, planes[channel], sides, largest(values));
    const [word, result] = [mind.net.layers[layer].word, number(made)];
    return element("li", picture, element("span", element("b", word), ` ${text} = `,
      element("b", result)));
  }));
  showWindow(inputs, kernel);
  byId("hide").disabled = !step || layers.at(-1) === mind.net.layers.length - 1;
  byId("hide").setAttribute("aria-pressed", hidden);
}

/** Show what lay under the window, input by input, and of the one that gave most each product. */
function showWindow(inputs, sides) {
  const limits = ["patch", "kernel"].map((part) =>
    Math.max(...inputs.map((one) => largest(one[part] ?? []))));
  const picture = (values, limit) => paint(element("canvas"), values, sides, limit);
  byId("cell-inputs").replaceChildren(...inputs.map(({ patch, kernel, sum, input }) => {
    const times = kernel ? ["×", picture(kernel, limits[1]), `= ${number(sum)}`] : [];
    return element("li", element("small", `${input}`), picture(patch, limits[0]), ...times);
  }));
  const most = largest(inputs.map(({ sum }) => sum));
  const best = inputs.find(({ sum, patch }) => Math.abs(sum) === most && patch.length <= 25);
  byId("cell-best").textContent = best ? `Number by number, input ${best.input}:` : "";
  byId("cell-products").style.setProperty("--columns", sides?.[1]);
  byId("cell-products").replaceChildren(...Array.from(best?.patch ?? [], (value, tap) =>
    element("span", number(value), best.kernel ? ` × ${number(best.kernel[tap])}` : "")));
}

/** Leave the chosen channel out of the net, or take it back. */
function hide() {
  const { shown } = mind.net.steps[chosen.step], out = new Set(mind.hidden[shown]);
  if (!out.delete(chosen.channel)) out.add(chosen.channel);
  mind.hidden[shown] = [...out];
  answer();
}

/** Paint all maps anew, each row on a scale of its own. */
function showThought() {
  byId("rows").querySelectorAll(".row").forEach((line, step) => {
    const { shown } = mind.net.steps[step], { planes, sides, values } = mapOf(shown);
    const limit = largest(values);
    line.querySelectorAll(".tile").forEach((tile, channel) => {
      paint(tile.querySelector(".map"), planes[channel], sides, limit);
      tile.classList.toggle("out", !!mind.hidden[shown]?.includes(channel));
    });
  });
  byId("unhide").disabled = !Object.values(mind.hidden).some((channels) => channels.length);
  if (chosen.place) showCell(); else choose(1, 0);
}

/** Bring the rows to life; a row's kernels are painted when it is first seen. */
function startThinking() {
  mind.maps = forward(mind.net, new Float32Array(SIDE * SIDE)); // which makes the windows
  const channelOf = (radio) => radio.value.split(" ").map(Number); // with the number of its step
  const placeAt = ({ offsetX, offsetY, target }, step) => // of a click on a map
    mapOf(mind.net.steps[step].shown).sides.map((side, axis) => within(Math.floor(
      side * (axis ? offsetX / target.clientWidth : offsetY / target.clientHeight)), side - 1));
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    const line = entry.target, [step] = channelOf(line.querySelector("input"));
    if (!entry.isIntersecting) return;
    line.querySelectorAll(".kernel").forEach((canvas, at) => paintKernels(canvas, step, at));
    seen.unobserve(line);
  }));
  document.querySelectorAll(".row").forEach((line) => seen.observe(line));
  on("rows", "change", ({ target }) => choose(...channelOf(target)));
  on("rows", "click", (event) => {
    if (!event.target.matches(".map")) return;
    event.preventDefault(); // or else the label would choose the channel's largest number
    const radio = event.target.parentNode.querySelector("input"), [step] = channelOf(radio);
    choose(...channelOf(radio), placeAt(event, step));
    radio.focus({ preventScroll: true });
  });
  const move = (place) => choose(chosen.step, chosen.channel, place);
  on("cell-map", "click", (event) => move(placeAt(event, chosen.step)));
  on("cell-map", "keydown", (event) => {
    const way = arrow(event), { sides } = mapOf(mind.net.steps[chosen.step].shown);
    if (way) move(chosen.place.map((at, axis) => within(at + way[axis], sides[axis] - 1)));
  });
  on("hide", "click", hide);
  on("unhide", "click", () => ((mind.hidden = {}), answer()));
}

startDrawing(JSON.parse(byId("live").textContent));
