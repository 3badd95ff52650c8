/* Numbers in flat arrays: how they come into the page, and the product of two matrices.

A tensor is {shape, values}: the number at (n, c, y, x) of a shape [N, C, H, W] has the place
((n · C + c) · H + y) · W + x. */

const row = (place, width) => Math.floor(place / width);
const column = (place, width) => place % width;
const product = (numbers) => numbers.reduce((one, other) => one * other, 1);
const zeros = (count) => new Float32Array(count);
const tensor = (shape, values) => ({ shape, values: values ?? zeros(product(shape)) });
// The bytes of a base64 text; pixels, 0 to 255, as a net takes them.
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const normalise = ({ mean, std }, pixels) =>
  Float32Array.from(pixels, (pixel) => (pixel / 255 - mean) / std);

// Numbers in parts of so many: the first `count` ones.
const parted = (values, size, count) =>
  Array.from({ length: count }, (_, at) => values.subarray(at * size, (at + 1) * size));

/** The bytes, later, of a base64 text of deflated bytes. */
async function inflated(text) {
  const inflate = new DecompressionStream("deflate");
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(inflate);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A matrix in `values` from `start` on, and the way from a row, and from a column, to the next. */
const matrix = (values, start, down, across) => ({ values, start, down, across });

/** Add A (rows × inner) times B (inner × columns) to `sums`, row after row from `start` on.

In blocks of 2 × 4: eight sums share the six numbers that were fetched for them. */
function multiply(rows, columns, inner, a, b, sums, start) {
  const { values: left, down: ad, across: aa } = a, { values: right, down: bd, across: ba } = b;
  const fullRows = rows - (rows % 2), fullColumns = columns - (columns % 4);
  for (let i = 0; i < fullRows; i += 2) {
    for (let j = 0; j < fullColumns; j += 4) {
      let p = a.start + i * ad, q = b.start + j * ba;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let k = 0; k < inner; k++, p += aa, q += bd) {
        const l0 = left[p], l1 = left[p + ad];
        const r0 = right[q], r1 = right[q + ba], r2 = right[q + 2 * ba], r3 = right[q + 3 * ba];
        s00 += l0 * r0; s01 += l0 * r1; s02 += l0 * r2; s03 += l0 * r3;
        s10 += l1 * r0; s11 += l1 * r1; s12 += l1 * r2; s13 += l1 * r3;
      }
      const to = start + i * columns + j, next = to + columns;
      sums[to] += s00; sums[to + 1] += s01; sums[to + 2] += s02; sums[to + 3] += s03;
      sums[next] += s10; sums[next + 1] += s11; sums[next + 2] += s12; sums[next + 3] += s13;
    }
  }
  for (let i = 0; i < rows; i++) { // what is left at the lower and the right edge
    for (let j = i < fullRows ? fullColumns : 0; j < columns; j++) {
      let p = a.start + i * ad, q = b.start + j * ba, sum = 0;
      for (let k = 0; k < inner; k++, p += aa, q += bd) sum += left[p] * right[q];
      sums[start + i * columns + j] += sum;
    }
  }
}
