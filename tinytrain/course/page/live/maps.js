/* The net as columns of maps, from the digit to the answer: forwards its numbers, backwards blame.

A net is a list of layers, but it is shown in steps, a column each: interactive.py says which, and
maps.html has their markup. A column is folded to its two strongest maps, the one most to blame,
and the one on the trace: from the chosen number back to the digit, each time what gave the most. */

// What is taken apart: a number, and a weight, {layer, name, index}, that it was made with.
const chosen = { step: 1, channel: 0, place: null, weight: null, byHand: false };
const flow = { backwards: false, reached: 0, timer: 0 }; // blame is shown from `reached` on
const STRIDE = 90; // milliseconds from column to column

const numbersOf = (tile) => tile.firstElementChild.value.split(" ").map(Number); // step, channel
const mapShown = (step) => mapOf(mind.net.steps[step].shown);
const placeOf = (at, width) => [row(at, width), column(at, width)];
const columns = () => [...byId("columns").querySelectorAll(".column")];

/** What a layer (−1: the image) gave: {sides, planes, blames: by channel, limit, worst}. */
function mapOf(layer) {
  const { shape: [, channels, height = 1, width = 1], values, gradient } =
    mind.space.maps[layer] ?? mind.space.image;
  const [planes, blames] = [values, gradient].map((all) => parted(all, height * width, channels));
  return { sides: [height, width], planes, blames, values, limit: largest(values),
    worst: largest(gradient) };
}

/** The channels that are hidden: [{layer, channel}]. */
const hiddenChannels = () => Array.from(document.querySelectorAll(".out"), numbersOf)
  .map(([step, channel]) => ({ layer: mind.net.steps[step].shown, channel }));

/** The first layer of a step, by number, with what lies below it and under its window.

`size` weights make a number, `taps` of each input. */
function linkOf(step) {
  const [number] = mind.net.steps[step].layers, layer = mind.net.layers[number];
  const work = mind.space.works[number], { size, alone } = work.window;
  const under = mapShown(step - 1), sides = layer.kernel_size ?? under.sides, taps = product(sides);
  return { number, layer, work, under, sides, taps, size, alone };
}

/** What lies under a step's window at [y, x], by input: [{input, index, patch, kernel, products, …}].

`index`: where the kernel begins in the layer's weights. Of what a maximum leaves out, 0 is left. */
function windowAt(step, channel, [y, x]) {
  const { layer, work, under, taps, size, alone } = linkOf(step), first = alone ? channel : 0;
  const [, , down = 1, across = 1] = work.output.shape, at = y * across + x;
  const start = first * under.planes[0].length, values = under.values.subarray(start);
  const most = work.chosen && work.chosen[channel * down * across + at] - start;
  const table = work.window.table.subarray(at * size);
  return parted(table, taps, size / taps).map((places, i) => {
    const patch = Float32Array.from(places, (at) => (at < 0 ? 0 : values[at]));
    const index = channel * size + i * taps;
    const kernel = layer.weight?.values.subarray(index, index + taps);
    const used = (tap) => most === undefined || places[tap] === most;
    const products = patch.map((value, tap) => value * (kernel?.[tap] ?? used(tap)));
    const sum = products.reduce((all, one) => all + one, 0);
    return { input: first + i, index, patch, kernel, products, sum, places };
  });
}

/** The number of the step below that gave the most to a number: {channel, index, place, part}. */
function strongest(step, channel, place) {
  const { sides, planes: [plane] } = mapShown(step - 1);
  const [{ input, index, products, sum, places }] =
    windowAt(step, channel, place).sort(bySize("sum"));
  const at = Math.max(places[highest(products.map(Math.abs))], 0) % plane.length;
  return { channel: input, index, place: placeOf(at, sides[1]), part: sum };
}

/** The trace of the chosen number, from it to the image: [{step, channel, place, part}]. */
function traceOf({ step, channel, place }) {
  const trace = [{ step, channel, place, part: 0 }];
  for (let at = step; at > 0; at--) {
    const { channel, place } = trace.at(-1);
    trace.push({ step: at - 1, ...strongest(at, channel, place) });
  }
  return trace;
}

/** Take another number apart: at `place` [y, x], or where the channel answers most. */
function choose(step, channel, place, byHand = true) {
  const { planes, sides: [, width] } = mapShown(step), plane = planes[channel];
  place ??= placeOf(highest(plane.map(Math.abs)), width);
  if (chosen.step !== step || chosen.channel !== channel) chosen.weight = null;
  Object.assign(chosen, { step, channel, place, byHand });
  columns()[step].querySelectorAll("input")[channel].checked = true;
  showMaps();
  showNumber();
}

/** Take the same number apart of another digit; until one is chosen by hand, the highest score. */
function chooseAgain() {
  const { step, channel, place, byHand } = chosen, last = mind.net.steps.length - 1;
  if (byHand) choose(step, channel, place);
  else choose(last, highest(mapShown(last).values), [0, 0], false);
}

/** The channels with the largest numbers, so many of them. */
function foremost(planes, count) {
  const most = planes.map(largest);
  return [...planes.keys()].sort((one, other) => most[other] - most[one]).slice(0, count);
}

/** Paint the columns, fold them, and draw the trace over them. */
function showMaps() {
  const trace = traceOf(chosen);
  columns().forEach((line, step) => {
    const { planes, blames, sides, limit, worst } = mapShown(step);
    const blamed = flow.backwards && step >= flow.reached, all = blamed ? blames : planes;
    const traced = trace.find((one) => one.step === step)?.channel;
    const kept = [...foremost(planes, 2), ...foremost(blames, 1), traced];
    line.classList.toggle("blamed", blamed);
    line.querySelectorAll(".tile").forEach((tile, at) => {
      tile.classList.toggle("weak", !kept.includes(at) && !tile.matches(".out"));
      paint(tile.querySelector(".map"), all[at], sides, blamed ? worst : limit);
    });
  });
  showTrace(trace);
}

/** Draw the trace: from place to place a line, orange for what added, blue for what took away. */
function showTrace(trace) {
  const svg = byId("trace"), base = byId("columns").getBoundingClientRect();
  const points = trace.map(({ step, channel, place, part }) => {
    const { sides } = mapShown(step);
    const map = columns()[step].querySelectorAll(".map")[channel].getBoundingClientRect();
    const at = (axis, start, length) => start + (length * (place[axis] + 0.5)) / sides[axis];
    return { x: at(1, map.left - base.left, map.width), y: at(0, map.top - base.top, map.height),
      part };
  });
  svg.setAttribute("viewBox", `0 0 ${base.width} ${base.height}`);
  const lines = points.slice(1).map(({ x, y, part }, at) => `<line x1="${points[at].x}" `
    + `y1="${points[at].y}" x2="${x}" y2="${y}" class="${part < 0 ? "negative" : "positive"}"/>`);
  const dots = points.map(({ x, y }) => `<circle cx="${x}" cy="${y}" r="3"/>`);
  svg.innerHTML = [...lines, ...dots].join("");
}

/** Send blame up, column by column from the answer; or show the numbers again. */
function setBackwards(backwards) {
  clearTimeout(flow.timer);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  Object.assign(flow, { backwards, reached: still ? 0 : mind.net.steps.length - 1 });
  byId("fault").setAttribute("aria-pressed", backwards);
  const go = () => {
    showMaps();
    if (flow.backwards && flow.reached > 0) flow.timer = setTimeout(go, STRIDE, flow.reached--);
  };
  go();
  showNumber();
}

/** Hide channels, or show them again. */
function hideOrShow(tiles) {
  document.querySelectorAll(tiles).forEach((tile) => tile.classList.toggle("out"));
  update(true);
}

/** The place [y, x] of a click on a picture of `sides`. */
function placeAt({ offsetX, offsetY, target }, sides) {
  const shares = [offsetY / target.clientHeight, offsetX / target.clientWidth];
  return sides.map((side, axis) => within(Math.floor(side * shares[axis]), side - 1));
}

/** Let a click, or an arrow key from the place `now`, pick a place of a picture. */
function pickPlaces(id, sides, now, pick) {
  on(id, "click", (event) => pick(placeAt(event, sides())));
  on(id, "keydown", (event) => {
    const way = arrow(event);
    if (way) pick(now().map((at, axis) => within(at + way[axis], sides()[axis] - 1)));
  });
}

on("columns", "change", ({ target: { parentNode: label } }) =>
  label.matches(".more") ? showMaps() : choose(...numbersOf(label)));
on("columns", "click", (event) => {
  if (!event.target.matches(".map")) return;
  event.preventDefault(); // or else the label would choose the channel's largest number
  const tile = event.target.parentNode, [step, channel] = numbersOf(tile);
  choose(step, channel, placeAt(event, mapShown(step).sides));
  tile.firstElementChild.focus({ preventScroll: true });
});
on("hide", "click", () => hideOrShow(".tile:has(:checked)"));
on("unhide", "click", () => hideOrShow(".out"));
on("fault", "click", () => setBackwards(!flow.backwards));
addEventListener("resize", showMaps);
