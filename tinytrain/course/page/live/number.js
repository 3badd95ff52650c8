/* One number taken apart: how it came to be, who is to blame for it, and what a weight would do.

Forwards: what lay under the window, times the kernel, summed up, and what each layer after made of
it. Backwards: the blame of every number above that was computed from this one, times the weight
between the two (the chain rule). A weight: what it saw times the blame from above, over all places
that it was used at; and the measured change of the loss beside the one that this predicts. */
"use strict";

const SHOWN = 4; // products in a list, the largest ones
const nudge = { timer: 0, change: 0 };

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

/** Where the chosen number is in its map, and in words. */
function chosenAt() {
  const { step, channel, place: [y, x] } = chosen, { sides } = mapShown(step);
  const where = `${mind.net.steps[step].name}, channel ${channel}, row ${y}, column ${x}`;
  return { at: y * sides[1] + x, where };
}

/** Show the chosen number: what it sees, how it came to be, who blames it, one of its weights. */
function showNumber() {
  if (!chosen.place) return;
  const { step, channel, place: [y, x] } = chosen, { field, name } = mind.net.steps[step];
  const { sides, planes, blames, limit, worst } = mapShown(step), { at, where } = chosenAt();
  const hidden = !!document.querySelector(".out :checked");
  byId("cell-name").textContent = `${where}: ${number(planes[channel][at])}`
    + `${hidden ? ", hidden" : ""}`;
  const corner = (more) => [y, x].map((at, axis) => // of the field, in shares of the image
    (field.start[axis] + at * field.jump[axis] + (more * field.size[axis] + 1) / 2) / SIDE);
  const [digit, map] = [byId("cell-digit"), byId("cell-map")];
  paint(digit.firstElementChild, mind.pixels ?? [], [SIDE, SIDE], 255, true);
  frame(digit, corner(-1), corner(1));
  const [shown, most] = flow.backwards ? [blames, worst] : [planes, limit];
  paint(map.firstElementChild, shown[channel], sides, most);
  frame(map, [y / sides[0], x / sides[1]], [(y + 1) / sides[0], (x + 1) / sides[1]]);
  const inputs = step ? windowAt(step, channel, [y, x]) : [];
  showReasons(inputs, at);
  showWindow(inputs);
  showBlame(at);
  showWeight();
  byId("hide").setAttribute("aria-pressed", hidden);
  byId("hiding").hidden = step === 0 || step === mind.net.steps.length - 1;
  byId("cell").dataset.name = name;
}

/** Show how the chosen number came to be, layer by layer of its step. */
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

/** Show what lay under the window, input by input; a weight of a kernel can be chosen. */
function showWindow(inputs) {
  const sides = chosen.step ? linkOf(chosen.step).sides : [1, 1];
  const bright = largest(inputs.map(({ patch }) => largest(patch)));
  const limit = largest(inputs.map(({ kernel }) => largest(kernel ?? [])));
  const picture = (values, limit) => paint(element("canvas"), values, sides, limit);
  const bySize = (one, other) => Math.abs(other.sum) - Math.abs(one.sum);
  const shown = inputs.length > 40 ? [...inputs].sort(bySize).slice(0, 24) : inputs; // linear
  byId("cell-inputs").replaceChildren(...shown.map(({ input, patch, kernel, sum }) => {
    const times = kernel ? ["×", picture(kernel, limit), `= ${number(sum)}`] : [];
    const parts = [element("small", `${input}`), picture(patch, bright), ...times];
    if (!kernel) return element("li", ...parts);
    const button = element("button", ...parts);
    button.type = "button";
    button.dataset.input = input;
    button.setAttribute("aria-label", `weights of input ${input}, which gave ${number(sum)}`);
    return element("li", button);
  }));
}

/** The numbers above that the number at a place was used for: [{name, weight, blame, product}]. */
function usesOf(step, channel, at) {
  if (step + 1 >= mind.net.steps.length) return [];
  const { layer, work, under } = linkOf(step + 1), { table, size, groups } = work.window;
  const { gradient, shape: [, channels, ...sides] } = work.output, places = product(sides);
  const each = under.planes.length / groups, group = row(channel, each), many = channels / groups;
  const own = (channel % each) * under.planes[0].length + at, found = [];
  const from = channel * under.planes[0].length + at; // in all that is below
  const flat = size === under.values.length && places === 1; // a linear layer, or a mean of all
  const visit = (i) => {
    const to = row(i, size), tap = i % size;
    for (let output = group * many; output < (group + 1) * many; output++) {
      const blame = gradient[output * places + to];
      const weight = layer.weight ? layer.weight.values[output * size + tap]
        : work.chosen ? +(work.chosen[output * places + to] === from) : 1 / size;
      found.push({ output, to, weight, blame, product: weight * blame });
    }
  };
  if (flat && !layer.padding) visit(own);
  else for (let i = 0; i < table.length; i++) if (table[i] === own) visit(i);
  return found.filter(({ weight }) => weight !== 0);
}

/** Show the chosen number's blame, product by product, and how it goes on to the step's sum. */
function showBlame(at) {
  const { step, channel } = chosen, { blames } = mapShown(step), steps = mind.net.steps;
  const blame = blames[channel][at], list = byId("cell-blame");
  const label = mind.label ?? 0;
  if (step === steps.length - 1) {
    const right = channel === label ? " − 1" : "";
    const share = Math.exp(mind.space.maps.at(-1).values[channel]);
    byId("cell-blamed").textContent = `Blame: ${short(blame)} = its share, ${short(share)}${right}.`
      + (right ? " It should be 1." : " It should be 0.");
    list.replaceChildren();
  } else {
    const uses = usesOf(step, channel, at);
    byId("cell-blamed").textContent = `Blame: ${short(blame)}, the sum of `
      + `${uses.length} products, weight × blame of what it was used for:`;
    showProducts(list, uses, ({ output, weight, blame }) =>
      `to channel ${output}: ${short(weight)} × ${short(blame)}`);
  }
  const passed = steps[step].layers.filter((layer) => mind.net.layers[layer].how).reverse()
    .slice(0, -1).map((layer) => {
      const { kind, weight, word } = mind.net.layers[layer], { inverse } = mind.space.works[layer];
      const before = mapOf(layer - 1);
      const after = short(before.blames[channel][at]);
      if (kind === "ReLU") {
        return before.planes[channel][at] > 0 ? `${word} lets it pass: ${after}`
          : `${word} stops it: the number was not above 0`;
      }
      return kind === "BatchNorm2d"
        ? `${word} scales it by ${short(weight.values[channel] * inverse[channel])}: ${after}` : "";
    }).filter(Boolean);
  byId("cell-passed").textContent = passed.length ? `Further back, ${passed.join("; ")}.` : "";
}

/** Show the largest of some products with a text each, and the sum of the others. */
function showProducts(list, products, text) {
  const order = [...products].sort((one, other) => Math.abs(other.product) - Math.abs(one.product));
  const rest = order.slice(SHOWN).reduce((sum, { product }) => sum + product, 0);
  const lines = order.slice(0, SHOWN).map((one) => `${text(one)} = ${short(one.product)}`);
  const others = order.length - SHOWN;
  if (others > 0) lines.push(`${others} others: ${short(rest)}`);
  list.replaceChildren(...lines.map((line) => element("li", line)));
}

/** What a weight saw at every place, and the blame of what it was used for. */
function sightsOf({ step, channel, input, tap }) {
  const { work, under, taps } = linkOf(step), { table, size, groups } = work.window;
  const { gradient, shape: [, channels, ...sides] } = work.output, places = product(sides);
  const each = size / taps, first = row(channel * groups, channels) * each;
  const start = first * under.planes[0].length, inside = (input - first) * taps + tap;
  const index = channel * size + inside, products = [];
  for (let to = 0; to < places; to++) {
    const from = table[to * size + inside], saw = from < 0 ? 0 : under.values[start + from];
    const blame = gradient[channel * places + to];
    products.push({ to, saw, blame, product: saw * blame });
  }
  return { products, sides: [sides[0] ?? 1, sides[1] ?? 1], index, work };
}

/** The loss with a weight moved by `change`, measured; the weight stays as it is. */
function lossWith(values, index, change) {
  const before = values[index];
  values[index] = before + change;
  const scores = forward(mind.trial, mind.image, { hidden: mind.hidden }).at(-1).values;
  values[index] = before;
  return -scores[mind.label ?? 0];
}

/** The weights of a step that belong to a channel as a whole: [{layer, name, label}]. */
function channelWeights(step) {
  return mind.net.steps[step].layers.flatMap((layer) => {
    const { word, kind, bias } = mind.net.layers[layer];
    const scale = { layer, name: "weight", label: `weight of the ${word}` };
    return [...(kind === "BatchNorm2d" ? [scale] : []),
      ...(bias ? [{ layer, name: "bias", label: `bias of the ${word}` }] : [])];
  });
}

/** What such a weight saw, 1 where it is added, and the blame of what it was used for. */
function sightsOfChannel(channel, { layer, name }) {
  const work = mind.space.works[layer];
  const { gradient, shape: [, , height = 1, width = 1] } = work.output;
  const start = channel * height * width;
  const products = Array.from({ length: height * width }, (_, to) => {
    const saw = name === "bias" ? 1 : work.normal[start + to], blame = gradient[start + to];
    return { to, saw, blame, product: saw * blame };
  });
  return { products, sides: [height, width], index: channel, work };
}

/** Show the chosen weight, or the first of the input that gave most: its gradient, and a nudge. */
function showWeight() {
  const { step, channel, place } = chosen, others = step ? channelWeights(step) : [];
  const kernels = step > 0 && linkOf(step).layer.weight;
  byId("weight").hidden = !kernels;
  byId("weight-others").replaceChildren(...others.map((other) => {
    const button = element("button", other.label);
    Object.assign(button, { type: "button" });
    button.addEventListener("click", () => {
      chosen.weight = other;
      showWeight();
    });
    return button;
  }));
  if (!kernels) return;
  chosen.weight ??= { input: strongest(step, channel, place).channel, tap: -1 };
  const { weight } = chosen, { name = "weight", label } = weight;
  const { sides, taps, layer } = linkOf(step);
  if (weight.tap < 0) weight.tap = taps >> 1;
  const found = label ? sightsOfChannel(channel, weight) : sightsOf({ step, channel, ...weight });
  const { products, sides: size, index, work } = found, gradient = work[name][index];
  const { values } = label ? mind.net.layers[weight.layer][name] : layer.weight;
  byId("weight-kernel").hidden = !!label;
  if (!label) {
    const kernel = values.subarray(index - weight.tap, index - weight.tap + taps);
    paint(byId("weight-kernel").firstElementChild, kernel, sides, largest(values));
    const at = [row(weight.tap, sides[1]), column(weight.tap, sides[1])];
    frame(byId("weight-kernel"), at.map((one, axis) => one / sides[axis]),
      at.map((one, axis) => (one + 1) / sides[axis]));
    weight.text = `weight of input ${weight.input}, row ${at[0]}, column ${at[1]} of its kernel`;
  }
  byId("weight-name").textContent = `The ${label ?? weight.text}: ${number(values[index])}`;
  for (const part of ["saw", "blame", "product"]) {
    const map = products.map((one) => one[part]);
    paint(byId(`weight-${part}`), map, size, largest(map));
  }
  byId("weight-gradient").textContent = `Gradient: ${short(gradient)}, the sum over `
    + `${products.length} place${products.length > 1 ? "s" : ""} of what it saw × blame:`;
  showProducts(byId("weight-products"), products, ({ to, saw, blame }) =>
    `row ${row(to, size[1])}, column ${column(to, size[1])}: ${short(saw)} × ${short(blame)}`);
  Object.assign(nudge, { values, index, gradient, range: 0.5 * largest(values) });
  showNudge();
  clearTimeout(nudge.timer);
  nudge.timer = setTimeout(showNudgeCurve, 120); // not while a digit is being drawn
}

/** Show what a nudge of the weight would change in the loss: predicted, and measured. */
function showNudge() {
  const { values, index, gradient, range } = nudge;
  const change = (nudge.change = (range * byId("nudge").value) / 100);
  const measured = lossWith(values, index, change) - mind.loss;
  byId("nudge-text").textContent = `Moved by ${short(change)}, the loss changes by `
    + `${short(gradient * change)} as predicted (gradient × change), and by ${short(measured)} as `
    + "measured.";
  byId("nudge-dot").setAttribute("cx", 110 + byId("nudge").value * 1.1);
  byId("nudge-dot").setAttribute("cy", nudgeHeight(measured));
}

// The height of a change of the loss in the picture; none where it is no number.
const nudgeHeight = (change) => within(60 - (50 * change) / (nudge.scale || 1) || 0, 120);

/** Draw the loss against the nudge, measured, and the straight line that the gradient predicts. */
function showNudgeCurve() {
  const { values, index, gradient, range } = nudge, base = mind.loss;
  const shares = Array.from({ length: 21 }, (_, at) => at / 10 - 1);
  const measured = shares.map((share) => lossWith(values, index, range * share) - base);
  nudge.scale = Math.max(largest(measured), 1e-9);
  const line = (changes) => changes.map((change, at) =>
    `${110 + 110 * shares[at]},${nudgeHeight(change)}`).join(" ");
  byId("nudge-measured").setAttribute("points", line(measured));
  const steep = (50 * gradient * range) / nudge.scale || 0, ends = [60 + steep, 60 - steep];
  byId("nudge-predicted").setAttribute("y1", ends[0]);
  byId("nudge-predicted").setAttribute("y2", ends[1]);
  showNudge();
}

/** Bring the number, its blame and its weights to life. */
function startNumber() {
  on("cell-inputs", "click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    chosen.weight = { input: +button.dataset.input, tap: -1 };
    byId("nudge").value = 10;
    showWeight();
  });
  const pick = (place) => {
    const { sides } = linkOf(chosen.step);
    chosen.weight.tap = place[0] * sides[1] + place[1];
    showWeight();
  };
  on("weight-kernel", "click", ({ offsetX, offsetY, currentTarget: box }) => {
    const { sides } = linkOf(chosen.step), shares = [offsetY / box.clientHeight,
      offsetX / box.clientWidth];
    pick(shares.map((share, axis) => within(Math.floor(share * sides[axis]), sides[axis] - 1)));
  });
  on("weight-kernel", "keydown", (event) => {
    const way = arrow(event), { sides } = linkOf(chosen.step), { tap } = chosen.weight;
    const at = [row(tap, sides[1]), column(tap, sides[1])];
    if (way) pick(at.map((one, axis) => within(one + way[axis], sides[axis] - 1)));
  });
  on("nudge", "input", showNudge);
}
