/* See it think: all maps of the net as one draws, and the arithmetic of any one number in them.

A net is a list of layers, but thoughts come in steps, a row each: live_steps.py says which, and
think.html has their markup. Any number can be taken apart: what lay under the window, times the
kernel, summed up; what each layer after made of the sum; and which pixels it saw in the end. */
"use strict";

const chosen = { step: 1, channel: 0, place: null }; // the number that is taken apart
const number = (value) => // with a minus, but none before 0.000
  value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace(/^-(?!0\.000)/, "−").replace("-", "");
const largest = (values) => // by its size; what is no number does not count
  values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);

/** A new element: its tag, and what is in it. */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** What a layer (−1: the image) gave: {sides, planes: a channel's numbers each, values, limit}. */
function mapOf(layer) {
  const image = tensor([1, ...mind.net.shape], mind.image);
  const { shape: [, channels, height = 1, width = 1], values } = mind.maps[layer] ?? image;
  const planes = parted(values, height * width, channels);
  return { sides: [height, width], planes, values, limit: largest(values) };
}
const numbersOf = (tile) => tile.firstElementChild.value.split(" ").map(Number); // step, channel
const mapShown = (step) => mapOf(mind.net.steps[step].shown);

/** What lies under a step's window at [y, x]: {inputs: [{input, patch, kernel, sum}], sides,
limit}: the kernel's sides, and the largest weight of all. */
function windowAt(step, channel, [y, x]) {
  const { window, weight, kernel_size } = mind.net.layers[mind.net.steps[step].layers[0]];
  const { table, size, groups, weights, output: [, channels, , across = 1] } = window;
  const under = mapShown(step - 1), sides = kernel_size ?? under.sides, taps = product(sides);
  const each = size / taps, first = row(channel * groups, channels) * each; // inputs
  const group = under.values.subarray(first * under.planes[0].length);
  const kernels = weight && parted(weights.subarray(channel * size), taps, each);
  const places = parted(table.subarray((y * across + x) * size), taps, each);
  const inputs = places.map((some, i) => {
    const patch = Float32Array.from(some, (at) => (at < 0 ? 0 : group[at])), kernel = kernels?.[i];
    const sum = patch.reduce((total, value, tap) => total + value * (kernel?.[tap] ?? 0), 0);
    return { input: first + i, patch, kernel, sum };
  });
  return { inputs, sides, limit: (window.limit ??= largest(weights)) };
}

/** Paint kernels, numbers of a height × width each, on a canvas, side by side. */
function paintKernels(canvas, kernels, [height, width], limit) {
  const beside = Math.ceil(Math.sqrt(kernels.length)), gap = height * width > 1 ? 1 : 0;
  const high = Math.ceil(kernels.length / beside) * (height + gap), wide = beside * (width + gap);
  const picture = zeros(high * wide);
  kernels.forEach((kernel, i) => kernel.forEach((value, tap) => {
    const y = row(i, beside) * (height + gap) + row(tap, width);
    picture[y * wide + column(i, beside) * (width + gap) + column(tap, width)] = value;
  }));
  paint(canvas, picture, [high, wide], limit);
}

/** Take another number apart: at `place` [y, x], or where the channel answers most. */
function choose(step, channel, place) {
  const { planes, sides: [, width] } = mapShown(step), plane = planes[channel];
  const most = Math.max(plane.map(Math.abs).indexOf(largest(plane)), 0);
  place ??= [row(most, width), column(most, width)];
  Object.assign(chosen, { step, channel, place });
  const line = byId("rows").querySelectorAll(".row")[step];
  line.querySelectorAll("input")[channel].checked = true;
  const top = () => line.getBoundingClientRect().top, before = top();
  if (line.nextElementSibling !== byId("cell")) line.after(byId("cell"));
  scrollBy({ top: top() - before, behavior: "instant" }); // the row stays under the finger
  showCell();
}

/** Show how the chosen number, at a place in its map, came to be, layer by layer of its step. */
function showReasons(inputs, at) {
  const { layers } = mind.net.steps[chosen.step], { channel } = chosen;
  const making = layers.filter((layer) => mind.net.layers[layer].how);
  byId("cell-reasons").replaceChildren(...making.map((layer) => {
    const { word, how, ...held } = mind.net.layers[layer];
    const { sides, planes, limit } = mapOf(layer), value = planes[channel][at];
    const sum = inputs.reduce((total, input) => total + input.sum, 0);
    const before = number(layer === layers[0] ? sum : mapOf(layer - 1).planes[channel][at]);
    const taps = inputs.length * inputs[0].patch.length, share = percent(Math.exp(value));
    const known = { ...held, before, share, taps }; // what a {name} stands for
    const told = how.replace(/\{(\w+)\}/g, (_, name) =>
      known[name].shape ? number(known[name].values[channel]) : known[name]);
    const text = element("span", element("b", word), ` ${told} = `, element("b", number(value)));
    return element("li", paint(element("canvas"), planes[channel], sides, limit), text);
  }));
}

/** Show the chosen number: what it sees, how it came to be, what its channel is worth. */
function showCell() {
  const { step, channel, place: [y, x] } = chosen, { field, name } = mind.net.steps[step];
  const { sides, planes, limit } = mapShown(step), at = y * sides[1] + x;
  const hidden = !!document.querySelector(".out :checked");
  byId("cell-name").textContent = `${name}, channel ${channel}, row ${y}, column ${x}: `
    + `${number(planes[channel][at])}${hidden ? ", hidden" : ""}`;
  const corner = (more) => [y, x].map((at, axis) => // of the field, in shares of the image
    (field.start[axis] + at * field.jump[axis] + (more * field.size[axis] + 1) / 2) / SIDE);
  const [digit, map] = [byId("cell-digit"), byId("cell-map")];
  paint(digit.firstElementChild, mind.pixels ?? [], [SIDE, SIDE], 255, true);
  frame(digit, corner(-1), corner(1));
  paint(map.firstElementChild, planes[channel], sides, limit);
  frame(map, [y / sides[0], x / sides[1]], [(y + 1) / sides[0], (x + 1) / sides[1]]);
  const under = step ? windowAt(step, channel, [y, x]) : { inputs: [], sides };
  showReasons(under.inputs, at);
  showWindow(under);
  byId("hide").setAttribute("aria-pressed", hidden);
}

/** Show what lay under the window, input by input, and of the one that gave most each product. */
function showWindow({ inputs, sides, limit }) {
  const picture = (values, limit) => paint(element("canvas"), values, sides, limit);
  const bright = largest(inputs.map(({ patch }) => largest(patch)));
  byId("cell-inputs").replaceChildren(...inputs.map(({ patch, kernel, sum, input }) => {
    const times = kernel ? ["×", picture(kernel, limit), `= ${number(sum)}`] : [];
    return element("li", element("small", `${input}`), picture(patch, bright), ...times);
  }));
  const most = largest(inputs.map(({ sum }) => sum));
  const best = inputs.find(({ sum, patch }) => Math.abs(sum) === most && patch.length <= 25);
  byId("cell-best").textContent = best ? `Number by number, input ${best.input}:` : "";
  byId("cell-products").style.setProperty("--columns", sides[1]);
  byId("cell-products").replaceChildren(...Array.from(best?.patch ?? [], (value, tap) =>
    element("span", number(value), best.kernel ? ` × ${number(best.kernel[tap])}` : "")));
}

/** Paint all maps anew, each row on a scale of its own. */
function showThought() {
  byId("rows").querySelectorAll(".row").forEach((line, step) => {
    const { planes, sides, limit } = mapShown(step);
    line.querySelectorAll(".map").forEach((map, at) => paint(map, planes[at], sides, limit));
  });
  if (chosen.place) showCell(); else choose(1, 0);
}

/** Bring the rows to life. */
function startThinking() {
  mind.maps = forward(mind.net, new Float32Array(SIDE * SIDE)); // which makes the windows
  const placeAt = ({ offsetX, offsetY, target }, step) => // of a click on a map
    mapShown(step).sides.map((side, axis) => within(Math.floor(
      side * (axis ? offsetX / target.clientWidth : offsetY / target.clientHeight)), side - 1));
  for (const canvas of document.querySelectorAll(".kernel")) {
    const { inputs, sides, limit } = windowAt(...numbersOf(canvas.parentNode), [0, 0]);
    paintKernels(canvas, inputs.map(({ kernel }) => kernel), sides, limit);
  }
  on("rows", "change", ({ target }) => choose(...numbersOf(target.parentNode)));
  on("rows", "click", (event) => {
    if (!event.target.matches(".map")) return;
    event.preventDefault(); // or else the label would choose the channel's largest number
    const tile = event.target.parentNode, [step, channel] = numbersOf(tile);
    choose(step, channel, placeAt(event, step));
    tile.firstElementChild.focus({ preventScroll: true });
  });
  const move = (place) => choose(chosen.step, chosen.channel, place);
  on("cell-map", "click", (event) => move(placeAt(event, chosen.step)));
  on("cell-map", "keydown", (event) => {
    const way = arrow(event), { sides } = mapShown(chosen.step);
    if (way) move(chosen.place.map((at, axis) => within(at + way[axis], sides[axis] - 1)));
  });
  const hide = (tiles) => { // or show again
    document.querySelectorAll(tiles).forEach((tile) => tile.classList.toggle("out"));
    update(true);
  };
  on("hide", "click", () => hide(".tile:has(:checked)"));
  on("unhide", "click", () => hide(".out"));
}

startDrawing(JSON.parse(byId("live").textContent));
