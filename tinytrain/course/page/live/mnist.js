/* How strokes become the 28 × 28 pixels that the net knows digits by.

MNIST's digits were fitted into 20 × 20 pixels, their proportions kept, where averaging gave them
grey levels; then they were moved in a field of 28 × 28 until their centre of mass was in the
middle, at 14. The net has seen no other digits. So what is drawn here goes the same way (that of
tinytrain/store/mnist_form.py, for a drawing without specks), and each step is shown. */

const SIDE = 28, LONGER = 20, MIDDLE = 14; // of the field, of the digit's longer side, of its mass
const PAPER = 280; // the paper's side

/** Rows of `width` values as columns of 28 means over `step` values; `start` has the first. */
function squeezed(values, height, width, step, start) {
  return Float64Array.from({ length: SIDE * height }, (_, at) => {
    const place = row(at, height) - start, first = column(at, height) * width;
    const from = Math.max(place * step, 0), to = Math.min((place + 1) * step, width);
    const share = (x) => (Math.min(to, x + 1) - Math.max(from, x)) / step;
    let mean = 0;
    for (let x = Math.floor(from); x < to; x++) mean += share(x) * values[first + x];
    return mean;
  });
}

/** The mean of what(y, x) over rows of `width` values, each place weighted by its value. */
function meanOver(values, width, what) {
  const mass = values.reduce((sum, value) => sum + value, 0);
  const weighted = (sum, value, at) => sum + value * what(row(at, width), column(at, width));
  return values.reduce(weighted, 0) / Math.max(mass, 1);
}

// 0 to 255: the opacity of the paper's pixels in a box, their highest byte
const inkIn = (context, ...box) =>
  new Uint32Array(context.getImageData(...box).data.buffer).map((pixel) => pixel >>> 24);

/** What is on the paper as MNIST has digits: the steps {cut, sized, moved}, none without ink. */
function mnistForm(context) {
  const cut = inkIn(context, 0, 0, PAPER, PAPER), inked = (place) => cut[place] > 0.05 * 255;
  const places = Array.from(cut.keys()).filter(inked);
  if (!places.length) return {};
  const columns = Int32Array.from(places, (place) => column(place, PAPER)).sort();
  const [top, bottom] = [row(places[0], PAPER), row(places.at(-1), PAPER) + 1];
  const [left, right] = [columns[0], columns.at(-1) + 1];
  const height = bottom - top, width = right - left, step = Math.max(height, width) / LONGER;
  const digit = inkIn(context, left, top, width, height);
  const placed = (down, across) => {
    const columns = squeezed(digit, height, width, step, Math.round(across));
    const values = squeezed(columns, SIDE, height, step, Math.round(down));
    const most = Math.max(...values);
    return Uint8Array.from(values, (value) => Math.round((value * 255) / most));
  };
  const centre = (axis) => meanOver(digit, width, (...place) => place[axis] + 0.5) / step;
  const sized = placed((SIDE - height / step) / 2, (SIDE - width / step) / 2);
  const moved = placed(MIDDLE + 0.5 - centre(0), MIDDLE + 0.5 - centre(1));
  const corners = [[top, left], [bottom, right]].map((ends) => ends.map((end) => end / PAPER));
  return { cut, sized, moved, corners };
}

/** What is on the paper where it is: every pixel the mean of 10 × 10 of the paper's. */
function asDrawn(context) {
  const values = inkIn(context, 0, 0, PAPER, PAPER), step = PAPER / SIDE;
  if (!values.some(Boolean)) return {};
  const columns = squeezed(values, PAPER, PAPER, step, 0);
  return { small: Uint8Array.from(squeezed(columns, SIDE, PAPER, step, 0), Math.round) };
}
