/* What all parts show with: elements, numbers as text, pictures, bars. */

const POSITIVE = [222, 82, 28], NEGATIVE = [52, 120, 230], INK = [0, 0, 0]; // colours

const byId = (id) => document.getElementById(id);
const on = (id, type, listener) => byId(id).addEventListener(type, listener);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const within = (place, most) => Math.min(Math.max(place, 0), most);
const number = (value) => `${+value.toPrecision(3)}`.replaceAll("-", "−"); // 3 digits, and a minus
const largest = (values) => // by its size; what is no number does not count
  values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);

const highest = (values) => // where it is; 0 where there is no number
  Math.max(values.indexOf(values.reduce((most, one) => Math.max(most, one), -Infinity)), 0);

const bySize = (of) => (one, other) => Math.abs(other[of]) - Math.abs(one[of]);
const total = (products, of) => products.reduce((sum, one) => sum + one[of], 0);

/** A new element: its tag, and what is in it. */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A new button with what is in it, and what a click does. */
function button(children, click) {
  const made = Object.assign(element("button", ...children), { type: "button" });
  made.addEventListener("click", click);
  return made;
}

/** Paint height × width values on a canvas: 0 shows the page, ±limit has the full colour. */
function paint(canvas, values, [height, width], limit, ink = false) {
  const picture = new ImageData(width, height);
  for (let place = 0; place < height * width; place++) {
    const share = Math.abs(values[place]) / (limit || 1); // its root shows small numbers, too
    picture.data.set(ink ? INK : values[place] < 0 ? NEGATIVE : POSITIVE, 4 * place);
    picture.data[4 * place + 3] = 255 * (ink ? share : Math.sqrt(share));
  }
  if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, { height, width });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.classList.toggle("ink", ink);
  return canvas;
}

/** Mark on a picture what lies from [top, left] to [bottom, right], in shares of its sides. */
function frame(picture, [top, left], [bottom, right]) {
  const inset = [top, 1 - right, 1 - bottom, left].map((share) => `${100 * within(share, 1)}%`);
  picture.querySelector(".box").style.inset = inset.join(" ");
}

/** Mark a place [y, x] on a picture of `sides`. */
const framePlace = (picture, place, sides) => frame(picture, ...[0, 1].map((more) =>
  place.map((at, axis) => (at + more) / sides[axis])));

/** The way of an arrow key, [down, right], or none of the space bar; the page does not scroll. */
function arrow(event) {
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (ways[event.key]) event.preventDefault();
  return ways[event.key];
}

/** Show values, 0 to 1, as the bars of lists, and a mark where each was `before`. */
function showBars(lists, values, before, text = percent) {
  for (const list of document.querySelectorAll(lists)) {
    [...list.children].forEach((item, at) => {
      item.hidden = at >= values.length;
      item.style.setProperty("--share", values[at] || 0);
      item.style.setProperty("--before", before?.[at] ?? -1);
      if (!item.hidden) item.lastChild.textContent = text(values[at], at);
    });
  }
}
