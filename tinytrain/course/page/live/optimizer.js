/* Learning: fresh weights, and what moves them. The same as tinytrain/optim, number for number. */

/** SGD with momentum: a function that moves parameters by gradients at a rate. */
function sgd(parameters, momentum = 0.9) {
  const moving = parameters.map(({ values }) => zeros(values.length));
  return (gradients, lr) => parameters.forEach(({ values }, index) => {
    const velocity = moving[index], gradient = gradients[index];
    for (let i = 0; i < values.length; i++) {
      velocity[i] = momentum * velocity[i] + gradient[i];
      values[i] -= lr * velocity[i];
    }
  });
}

/** Adam: a function that moves parameters by gradients at a rate, by the mean of the gradient over
the root of the mean of its square, both without their bias. */
function adam(parameters, [beta1, beta2] = [0.9, 0.999], eps = 1e-8) {
  const [means, squares] = [0, 1].map(() => parameters.map(({ values }) => zeros(values.length)));
  let steps = 0;
  return (gradients, lr) => {
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

/** A copy of a net, and a function that moves its weights and statistics towards the net's. */
function averaged(net, decay = 0.98) {
  const average = structuredClone(net);
  const [slow, fast] = [average, net].map(({ layers }) =>
    layers.flatMap((layer) => Object.values(layer).filter((one) => one?.shape)));
  let steps = 0;
  const follow = () => {
    steps += 1;
    const share = Math.max(1 - decay, 9 / (10 + steps));
    slow.forEach(({ values }, index) => values.forEach((value, i) =>
      (values[i] += share * (fast[index].values[i] - value))));
  };
  return { average, follow };
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
    if (mean) {
      [weight, variance].forEach(({ values }) => values.fill(1));
      [bias, mean].forEach(({ values }) => values.fill(0));
    } else if (weight) {
      const bound = 1 / Math.sqrt(product(weight.shape.slice(1)));
      const draw = (_, i, values) => (values[i] = bound * (2 * random() - 1));
      [weight, bias].forEach((one) => one?.values.forEach(draw));
    }
  }
  return net;
}
