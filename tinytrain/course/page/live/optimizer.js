/* Learning: fresh weights, and what moves them. The same as tinytrain/optim, number for number. */
"use strict";

/** SGD, a function that takes gradients and moves parameters, with momentum. */
function sgd(parameters, lr, momentum = 0.9) {
  const moving = parameters.map(({ values }) => zeros(values.length));
  return (gradients) => parameters.forEach(({ values }, index) => {
    const velocity = moving[index], gradient = gradients[index];
    for (let i = 0; i < values.length; i++) {
      velocity[i] = momentum * velocity[i] + gradient[i];
      values[i] -= lr * velocity[i];
    }
  });
}

/** Adam, a function that takes gradients and moves parameters: by the mean of the gradient over
the root of the mean of its square, both without their bias. */
function adam(parameters, lr, [beta1, beta2] = [0.9, 0.999], eps = 1e-8) {
  const [means, squares] = [0, 1].map(() => parameters.map(({ values }) => zeros(values.length)));
  let steps = 0;
  return (gradients) => {
    steps += 1;
    const rate = lr / (1 - beta1 ** steps), correction = 1 - beta2 ** steps;
    parameters.forEach(({ values }, index) => {
      const mean = means[index], square = squares[index], gradient = gradients[index];
      for (let i = 0; i < values.length; i++) {
        mean[i] += (1 - beta1) * (gradient[i] - mean[i]);
        square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] ** 2;
        values[i] -= (rate * mean[i]) / (Math.sqrt(square[i] / correction) + eps);
      }
    });
  };
}

/** Numbers from 0 to 1, the same ones for the same seed: a linear congruential generator. */
function randomBySeed(seed) {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Press et al., Numerical Recipes
    return state / 2 ** 32;
  };
}

/** The numbers below `count` in an order drawn from `random`. */
function shuffled(count, random) {
  const drawn = Array.from({ length: count }, (_, number) => [random(), number]);
  return drawn.sort(([one], [other]) => one - other).map(([, number]) => number);
}

/** Draws a net's initial weights as torch does: uniform in ± 1 / √(inputs of one output). */
function initialise(net, random) {
  for (const { weight, bias, running_mean: mean, running_var: variance } of net.layers) {
    const bound = weight && 1 / Math.sqrt(product(weight.shape.slice(1)));
    const drawn = () => bound * (2 * random() - 1);
    const set = (one, value) => one?.values.forEach((_, i, values) => (values[i] = value()));
    [weight, variance].forEach((one) => set(one, mean ? () => 1 : drawn));
    [bias, mean].forEach((one) => set(one, mean ? () => 0 : drawn));
  }
  return net;
}
