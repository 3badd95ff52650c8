/* One number taken apart: how it came to be, who is to blame for it, and what a weight would do.

Forwards: what lay under the window, times the kernel, summed up, and what each layer after made of
it. Backwards: the blame of every number above that was computed from this one, times the weight
between the two (the chain rule). A weight, {layer, name, index}: what it saw times the blame from
above, over all places that it was used at; and the measured change of the loss beside the one that
this predicts. */

const SHOWN = 4; // products in a list, the largest ones
const nudge = { timer: 0, scale: 1 }; // what is nudged: {values, index, gradient, range}
const bySize = (of) => (one, other) => Math.abs(other[of]) - Math.abs(one[of]);
const total = (products, of) => products.reduce((sum, one) => sum + one[of], 0);

/** Show the chosen number: what it sees, how it came to be, who blames it, one of its weights. */
function showNumber() {
  const { step, channel, place } = chosen, { steps } = mind.net, { field, name } = steps[step];
  const { sides, planes, blames, limit, worst } = mapShown(step), [y, x] = place;
  const at = y * sides[1] + x, hidden = !!document.querySelector(".out :checked");
  byId("cell-name").textContent = `${name}, channel ${channel}, row ${y}, column ${x}: `
    + `${number(planes[channel][at])}${hidden ? ", hidden" : ""}`;
  const corner = (more) => place.map((at, axis) => // of the field, in shares of the image
    (field.start[axis] + at * field.jump[axis] + (more * field.size[axis] + 1) / 2) / SIDE);
  const [digit, map] = [byId("cell-digit"), byId("cell-map")];
  paint(digit.firstElementChild, mind.pixels, [SIDE, SIDE], 255, true);
  frame(digit, corner(-1), corner(1));
  const [shown, most] = flow.backwards ? [blames, worst] : [planes, limit];
  paint(map.firstElementChild, shown[channel], sides, most);
  framePlace(map, place, sides);
  const inputs = step ? windowAt(step, channel, place) : [];
  showReasons(inputs, at);
  showWindow(inputs);
  showBlame(at);
  showWeight();
  byId("hide").setAttribute("aria-pressed", hidden);
  byId("hiding").hidden = step === 0 || step === steps.length - 1;
}

/** Show how the chosen number came to be, layer by layer of its step. */
function showReasons(inputs, at) {
  const { layers } = mind.net.steps[chosen.step], { channel } = chosen;
  const making = layers.filter((layer) => mind.net.layers[layer].how);
  byId("cell-reasons").replaceChildren(...making.map((layer) => {
    const { word, taught, how, ...held } = mind.net.layers[layer];
    const { sides, planes, limit } = mapOf(layer), value = planes[channel][at];
    const before = layer === layers[0] ? total(inputs, "sum") : mapOf(layer - 1).planes[channel][at];
    const taps = inputs.length * inputs[0].patch.length, share = percent(Math.exp(value));
    const known = { ...held, before: number(before), share, taps }; // what a {name} stands for
    const told = how.replace(/\{(\w+)\}/g, (_, name) =>
      known[name].shape ? number(known[name].values[channel]) : known[name]);
    const lesson = Object.assign(element("a", word), { href: `#${taught}` });
    const text = element("span", lesson, ` ${told} = `, element("b", number(value)));
    return element("li", paint(element("canvas"), planes[channel], sides, limit), text);
  }));
}

/** Show what lay under the window, the inputs that gave most; a weight of theirs can be chosen. */
function showWindow(inputs) {
  const sides = chosen.step ? linkOf(chosen.step).sides : [1, 1];
  const bright = largest(inputs.map(({ patch }) => largest(patch)));
  const limit = largest(inputs.map(({ kernel }) => largest(kernel ?? [])));
  const picture = (values, limit) => paint(element("canvas"), values, sides, limit);
  const shown = [...inputs].sort(bySize("sum")).slice(0, 24);
  byId("cell-inputs").replaceChildren(...shown.map(({ input, patch, kernel, sum, index }) => {
    const parts = [element("small", `${input}`), picture(patch, bright)];
    if (!kernel) return element("li", ...parts);
    const choice = button([...parts, "×", picture(kernel, limit), `= ${number(sum)}`], () =>
      chooseWeight(index + (kernel.length >> 1)));
    choice.ariaLabel = `weights of input ${input}, which gave ${number(sum)}`;
    return element("li", choice);
  }));
}

/** What the number at a place was used for above: [{output, weight, blame, product}]. */
function usesOf(step, channel, at) {
  const { layer, work, under } = linkOf(step + 1), { table, size, groups } = work.window;
  const { gradient, shape: [, channels, ...sides] } = work.output, places = product(sides);
  const each = under.planes.length / groups, group = row(channel, each), many = channels / groups;
  const own = (channel % each) * under.planes[0].length + at, found = [];
  const from = channel * under.planes[0].length + at; // in all that is below
  for (let i = table.indexOf(own); i >= 0; i = table.indexOf(own, i + 1)) {
    const to = row(i, size), tap = i % size;
    for (let output = group * many; output < (group + 1) * many; output++) {
      const blame = gradient[output * places + to];
      const weight = layer.weight ? layer.weight.values[output * size + tap]
        : work.chosen ? +(work.chosen[output * places + to] === from) : 1 / size;
      if (weight) found.push({ output, weight, blame, product: weight * blame });
    }
  }
  return found;
}

/** Show the chosen number's blame, product by product, and how it goes on to the step's sum. */
function showBlame(at) {
  const { step, channel } = chosen, { steps, layers } = mind.net, last = step === steps.length - 1;
  const blame = number(mapShown(step).blames[channel][at]);
  const uses = last ? [] : usesOf(step, channel, at), right = channel === mind.label;
  byId("cell-blamed").textContent = last
    ? `Blame: ${blame} = its share, ${number(mind.shares[channel])}, less ${+right}, since it is ${right ? "" : "not "}`
      + "what the digit should be."
    : `Blame: ${blame}, the sum of ${uses.length} products, weight × blame of what it was used `
      + "for:";
  showProducts("cell-blame", uses, ({ output, weight, blame }) =>
    `to channel ${output}: ${number(weight)} × ${number(blame)}`);
  const passed = steps[step].layers.slice(1).reverse().map((layer) => {
    const { kind, weight, word } = layers[layer], { inverse } = mind.space.works[layer];
    const { blames, planes } = mapOf(layer - 1), after = () => number(blames[channel][at]);
    if (kind === "BatchNorm2d") {
      return `${word} scales it by ${number(weight.values[channel] * inverse[channel])}: ${after()}`;
    }
    return kind !== "ReLU" ? "" : planes[channel][at] > 0 ? `${word} lets it pass: ${after()}`
      : `${word} stops it: the number was not above 0`;
  }).filter(Boolean);
  byId("cell-passed").textContent = passed.length ? `Further back, ${passed.join("; ")}.` : "";
}

/** Show the largest of some products with a text each, and the sum of the others. */
function showProducts(list, products, text) {
  const order = [...products].sort(bySize("product")), rest = order.splice(SHOWN);
  const lines = order.map((one) => `${text(one)} = ${number(one.product)}`);
  if (rest.length) lines.push(`${rest.length} others: ${number(total(rest, "product"))}`);
  byId(list).replaceChildren(...lines.map((line) => element("li", line)));
}

/** What a weight saw at every place, and the blame of what it was used for: 1 for a bias. */
function sightsOf({ layer, name, index }) {
  const { window, normal, output } = mind.space.works[layer], { values } = mapOf(layer - 1);
  const { gradient, shape: [, channels, ...sides] } = output, places = product(sides);
  const size = mind.net.layers[layer][name].values.length / channels, channel = row(index, size);
  const start = window && row(channel * window.groups, channels) * window.step;
  const under = (to) => {
    const from = window.table[to * size + (index % size)];
    return from < 0 ? 0 : values[start + from];
  };
  return Array.from({ length: places }, (_, to) => {
    const saw = name === "bias" ? 1 : normal ? normal[channel * places + to] : under(to);
    const blame = gradient[channel * places + to];
    return { to, saw, blame, product: saw * blame };
  });
}

/** Choose the weight of all kernels that is most to blame, where it is most so. */
function chooseWorst() {
  const found = mind.net.steps.flatMap(({ layers: [layer] }, step) => {
    const gradients = mind.space.works[layer]?.weight;
    if (!gradients) return [];
    const index = highest(gradients.map(Math.abs));
    return [{ step, index, gradient: gradients[index] }];
  });
  const [{ step, index }] = found.sort(bySize("gradient")), { number: layer, size } = linkOf(step);
  const [{ to }] = sightsOf({ layer, name: "weight", index }).sort(bySize("product"));
  choose(step, row(index, size), placeOf(to, mapShown(step).sides[1]));
  chooseWeight(index);
  byId("weight").scrollIntoView({ block: "center" });
}

/** The loss with a weight moved by `change`, measured; the weight stays as it is. */
function lossWith(values, index, change) {
  const before = values[index];
  values[index] = before + change;
  const scores = forward(mind.trial, mind.image, { hidden: mind.hidden }).at(-1).values;
  values[index] = before;
  return -scores[mind.label];
}

/** Show a weight of the chosen number's channel, of this or another layer of its step. */
function chooseWeight(index, layer = mind.net.steps[chosen.step].layers[0], name = "weight") {
  chosen.weight = { layer, name, index };
  byId("nudge").value = 10;
  showWeight();
}

/** Show the chosen weight, or one of the input that gave most: its gradient, and a nudge. */
function showWeight() {
  const { step, channel, place } = chosen, { layers } = mind.net.steps[step];
  const kernels = step && mind.net.layers[layers[0]].weight;
  byId("weight").hidden = !kernels;
  if (!kernels) return;
  const { sides, taps, size, group } = linkOf(step);
  chosen.weight ??= { layer: layers[0], name: "weight",
    index: strongest(step, channel, place).index + (taps >> 1) };
  const { layer, name, index } = chosen.weight, kernel = layer === layers[0] && name === "weight";
  const { word, [name]: { values } } = mind.net.layers[layer], work = mind.space.works[layer];
  const gradient = work[name][index], products = sightsOf(chosen.weight);
  const inside = index % size, tap = inside % taps, at = placeOf(tap, sides[1]);
  const label = kernel ? `weight of input ${group(channel) + row(inside, taps)}, row ${at[0]}, `
    + `column ${at[1]} of its kernel` : `${name} of the ${word}`;
  byId("weight-name").textContent = `The ${label}: ${number(values[index])}`;
  byId("weight-kernel").hidden = !kernel;
  if (kernel) {
    const shown = values.subarray(index - tap, index - tap + taps);
    paint(byId("weight-kernel").firstElementChild, shown, sides, largest(values));
    framePlace(byId("weight-kernel"), at, sides);
  }
  const others = layers.flatMap((layer) => ["weight", "bias"].map((name) => [layer, name])).slice(1)
    .filter(([layer, name]) => mind.net.layers[layer][name]);
  byId("weight-others").replaceChildren(...others.map(([layer, name]) => button(
    [`${name} of the ${mind.net.layers[layer].word}`], () => chooseWeight(channel, layer, name))));
  const [height = 1, width = 1] = work.output.shape.slice(2);
  for (const part of ["saw", "blame", "product"]) {
    const map = products.map((one) => one[part]);
    paint(byId(`weight-${part}`), map, [height, width], largest(map));
  }
  const way = gradient && `, so a step makes it ${gradient > 0 ? "smaller" : "larger"}`;
  byId("weight-gradient").textContent = "Gradient, how fast the loss grows with it: "
    + `${number(gradient)}${way || ""}. The sum over ${products.length} `
    + `place${products.length > 1 ? "s" : ""} of what it saw × blame:`;
  showProducts("weight-products", products, ({ to, saw, blame }) =>
    `row ${row(to, width)}, column ${column(to, width)}: ${number(saw)} × ${number(blame)}`);
  Object.assign(nudge, { values, index, gradient, range: 0.5 * largest(values) });
  showNudge();
  clearTimeout(nudge.timer);
  nudge.timer = setTimeout(showNudgeCurve, 120); // not while a digit is being drawn
}

/** Show what a nudge of the weight would change in the loss: predicted, and measured. */
function showNudge() {
  const { values, index, gradient, range } = nudge, share = byId("nudge").value / 100;
  const change = range * share, measured = lossWith(values, index, change) - mind.loss;
  byId("nudge-text").textContent = `Moved by ${number(change)}, the loss changes by `
    + `${number(gradient * change)} as predicted (gradient × change), and by ${number(measured)} `
    + "as measured.";
  const [x, y] = onNudgeCurve(share, measured);
  byId("nudge-dot").setAttribute("cx", x);
  byId("nudge-dot").setAttribute("cy", y);
}

// Where a change of the loss stands in the picture; in the middle where it is no number.
const onNudgeCurve = (share, change) =>
  [110 + 110 * share, within(60 - (50 * change) / nudge.scale || 60, 120)];

/** Draw the loss against the nudge, measured, and the straight line that the gradient predicts. */
function showNudgeCurve() {
  const { values, index, gradient, range } = nudge;
  const shares = Array.from({ length: 21 }, (_, at) => at / 10 - 1);
  const changes = shares.map((share) => lossWith(values, index, range * share) - mind.loss);
  nudge.scale = Math.max(largest(changes), 1e-9);
  const line = shares.map((share, at) => onNudgeCurve(share, changes[at]));
  byId("nudge-measured").setAttribute("points", line.join(" "));
  const steep = (50 * gradient * range) / nudge.scale || 0;
  byId("nudge-predicted").setAttribute("y1", 60 + steep);
  byId("nudge-predicted").setAttribute("y2", 60 - steep);
  showNudge();
}

/** Bring the number, its blame and its weights to life. */
function startNumber() {
  const sides = () => linkOf(chosen.step).sides, taps = () => product(sides());
  const tap = () => (chosen.weight.index % linkOf(chosen.step).size) % taps();
  pickPlaces("cell-map", () => mapShown(chosen.step).sides, () => chosen.place,
    (place) => choose(chosen.step, chosen.channel, place));
  pickPlaces("weight-kernel", sides, () => placeOf(tap(), sides()[1]), ([y, x]) =>
    chooseWeight(chosen.weight.index - tap() + y * sides()[1] + x));
  on("nudge", "input", showNudge);
  on("worst", "click", chooseWorst);
}
