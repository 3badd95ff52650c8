/* One number taken apart: how it came to be, and who is to blame for it.

Forwards: what lay under the window, times the kernel, summed up, and what each layer after made of
it. Backwards: the blame of every number above that was computed from this one, times the weight
between the two (the chain rule). */

const SHOWN = 4; // products in a list, the largest ones

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
    const before = layer === layers[0] ? total(inputs, "sum")
      : mapOf(layer - 1).planes[channel][at];
    const taps = inputs.length * inputs[0].patch.length, share = percent(Math.exp(value));
    const known = { ...held, before: number(before), share, taps }; // what a {name} stands for
    const told = how.replace(/\{(\w+)\}/g, (_, name) =>
      known[name].shape ? number(known[name].values[channel]) : known[name]);
    const lesson = Object.assign(element("a", word), { href: `#${taught}`, className: "word" });
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

/** What the number at a place was used for above: [{output, place, weight, blame, product}]. */
function usesOf(step, channel, at) {
  const { layer, work, under, size, alone } = linkOf(step + 1), { table } = work.window;
  const { gradient, shape: [, channels, ...sides] } = work.output, places = product(sides);
  const from = channel * under.planes[0].length + at, own = alone ? at : from, found = [];
  const outputs = alone ? [channel] : [...Array(channels).keys()];
  for (let i = table.indexOf(own); i >= 0; i = table.indexOf(own, i + 1)) {
    const to = row(i, size), tap = i % size;
    for (const output of outputs) {
      const blame = gradient[output * places + to];
      const weight = layer.weight ? layer.weight.values[output * size + tap]
        : work.chosen ? +(work.chosen[output * places + to] === from) : 1 / size;
      const place = placeOf(to, sides[1] ?? 1).join(", ");
      if (weight) found.push({ output, place, weight, blame, product: weight * blame });
    }
  }
  return found;
}

/** Show the chosen number's blame, product by product, and how it goes on to the step's sum. */
function showBlame(at) {
  const { step, channel } = chosen, { steps, layers } = mind.net, last = step === steps.length - 1;
  const uses = last ? [] : usesOf(step, channel, at), right = channel === mind.label;
  const reason = last ? ` = its share, ${number(mind.shares[channel])}, less ${+right}: the digit `
    + `should ${right ? "" : "not "}be ${channel}.`
    : `, the sum of ${uses.length} products, weight × blame of what it was used for:`;
  byId("cell-blamed").textContent = `Blame: ${number(mapShown(step).blames[channel][at])}${reason}`;
  showProducts("cell-blame", uses, ({ output, place, weight, blame }) =>
    `to channel ${output}, place ${place}: ${number(weight)} × ${number(blame)}`);
  const passed = steps[step].layers.slice(1).reverse().map((layer) => {
    const { kind, weight, word } = layers[layer], { inverse } = mind.space.works[layer];
    const { blames, planes } = mapOf(layer - 1), after = () => number(blames[channel][at]);
    if (kind === "BatchNorm2d") {
      const scale = weight.values[channel] * inverse[channel];
      return `${word} scales it by ${number(scale)}: ${after()}`;
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

pickPlaces("cell-map", () => mapShown(chosen.step).sides, () => chosen.place,
  (place) => choose(chosen.step, chosen.channel, place));
