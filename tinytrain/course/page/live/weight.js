/* A weight, {layer, name, index}: its gradient, and what a nudge of it does to the loss.

The gradient is what the weight saw times the blame from above, over all places that it was used at.
Beside the change of the loss that it predicts stands the measured one. */

const nudge = { timer: 0, scale: 1 }; // what is nudged: {values, index, gradient, range}

/** What a weight saw at every place, and the blame of what it was used for: 1 for a bias. */
function sightsOf({ layer, name, index }) {
  const { window, normal, output } = mind.space.works[layer], { values } = mapOf(layer - 1);
  const { gradient, shape: [, channels, ...sides] } = output, places = product(sides);
  const size = mind.net.layers[layer][name].values.length / channels, channel = row(index, size);
  const under = (to) => values[window.table[to * size + (index % size)]] ?? 0;
  return Array.from({ length: places }, (_, to) => {
    const saw = name === "bias" ? 1 : normal ? normal[channel * places + to] : under(to);
    const blame = gradient[channel * places + to];
    return { to, saw, blame, product: saw * blame };
  });
}

/** Choose the weight of all kernels that is most to blame, where it is most so. */
function chooseWorst() {
  const found = mind.net.steps.flatMap(({ layers: [layer] }, step) =>
    Array.from(mind.space.works[layer]?.weight ?? [],
      (gradient, index) => ({ step, index, gradient })));
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
  const { sides, taps, size } = linkOf(step);
  chosen.weight ??= { layer: layers[0], name: "weight",
    index: strongest(step, channel, place).index + (taps >> 1) };
  const { layer, name, index } = chosen.weight, kernel = layer === layers[0] && name === "weight";
  const { word, [name]: { values } } = mind.net.layers[layer], work = mind.space.works[layer];
  const gradient = work[name][index], products = sightsOf(chosen.weight);
  const inside = index % size, tap = inside % taps, at = placeOf(tap, sides[1]);
  const label = kernel ? `weight of input ${row(inside, taps)}, row ${at[0]}, `
    + `column ${at[1]} of its kernel` : `${name} of the ${word}`;
  byId("weight-name").textContent = `The ${label}: ${number(values[index])}`;
  byId("weight-kernel").hidden = !kernel;
  if (kernel) {
    const shown = values.subarray(index - tap, index - tap + taps);
    paint(byId("weight-kernel").firstElementChild, shown, sides, largest(values));
    framePlace(byId("weight-kernel"), at, sides);
    Object.assign(chosen.weight, { tap, at });
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

pickPlaces("weight-kernel", () => linkOf(chosen.step).sides, () => chosen.weight.at, ([y, x]) => {
  const { index, tap } = chosen.weight, [, width] = linkOf(chosen.step).sides;
  chooseWeight(index - tap + y * width + x);
});
on("nudge", "input", showNudge);
on("worst", "click", chooseWorst);
