/* Digits moved and turned: to train on, and to see what a net makes of digits out of place. */

/** Write an image of 28 × 28, at `from` in `images`, to `to` in `output`: moved to the right by
`shift` pixels and turned by `angle` degrees about its middle; beyond the edges is `blank`. */
function moveImage(images, from, output, to, { shift = 0, angle = 0 }, blank) {
  const side = 28, middle = (side - 1) / 2, turn = (angle * Math.PI) / 180;
  const [sin, cos] = [Math.sin(turn), Math.cos(turn)];
  const at = (y, x) =>
    (y < 0 || x < 0 || y >= side || x >= side ? blank : images[from + y * side + x]);
  for (let place = 0; place < side * side; place++) {
    const across = column(place, side) - middle - shift, down = row(place, side) - middle;
    const x = cos * across + sin * down + middle, y = cos * down - sin * across + middle;
    const [left, top] = [Math.floor(x), Math.floor(y)], [right, below] = [x - left, y - top];
    output[to + place] = (1 - below) * ((1 - right) * at(top, left) + right * at(top, left + 1))
      + below * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
  }
}
