"""Net1 with its gradients worked out by hand, then the same by autograd.

The engine takes tensors and autograd from torch, so that a layer is its forward and no more. What
autograd does, the chain rule from the loss back to every weight, is written out here.
"""

import torch

from tinytrain import data, streams

LAYERS = [(784, 128), (128, 64), (64, 16), (16, 10)]  # inputs, outputs


def initial_weights(generator):
    """A matrix (in, out) and a bias (out,) for each layer, uniform within ±1 / √in."""
    for inputs, outputs in LAYERS:
        for shape in ((inputs, outputs), (outputs,)):
            yield (torch.rand(shape, generator=generator) * 2 - 1) / inputs**0.5


def forward(weights, images):
    """The log-probabilities (N, 10) of images (N, 784), and the input of every layer."""
    inputs = [images]
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        scores = inputs[-1] @ weight + bias
        inputs.append(scores.clamp(min=0))  # ReLU: the input of the next layer
    return scores - scores.logsumexp(1, keepdim=True), inputs[:-1]


def loss_of(weights, images, labels):
    """The mean over the images of −log(probability of the right class)."""
    return -forward(weights, images)[0].gather(1, labels[:, None]).mean()


def by_hand(weights, images, labels):
    """The gradient of the loss for every weight: backpropagation, from the last layer down."""
    outputs, inputs = forward(weights, images)
    truth = torch.zeros_like(outputs).scatter(1, labels[:, None], 1.0)
    above = (outputs.exp() - truth) / len(images)  # ∂loss / ∂scores
    gradients = []
    for weight, seen in zip(weights[::2][::-1], inputs[::-1], strict=True):
        gradients[:0] = [seen.T @ above, above.sum(0)]
        above = above @ weight.T * (seen > 0)  # back through the matrix, then through ReLU
    return gradients


def by_autograd(weights, images, labels):
    """The same gradients: torch notes every operation of the forward and goes back through it."""
    weights = [weight.detach().requires_grad_() for weight in weights]
    return torch.autograd.grad(loss_of(weights, images, labels), weights)


def main(dataset, gradients, epochs=5, batch_size=32, lr=0.1):
    """Train by plain SGD; return the percentage of test images that are classified correctly."""
    weights = list(initial_weights(streams.generator(1, "weights")))
    for epoch in range(1, epochs + 1):
        shuffle = streams.generator(1, "shuffle", epoch)
        for rows in data.batches.shuffled(len(dataset.train), batch_size, shuffle):
            images = dataset.train.images[rows].flatten(1) / 255
            steps = gradients(weights, images, dataset.train.labels[rows])
            weights = [weight - lr * step for weight, step in zip(weights, steps, strict=True)]
    outputs, _ = forward(weights, dataset.test.images.flatten(1) / 255)
    return 100 * (outputs.argmax(1) == dataset.test.labels).float().mean().item()


if __name__ == "__main__":
    for way in (by_hand, by_autograd):
        print(
            f"{way.__name__}: {main(data.load('mnist'), way):.2f} % of the test images are right"
        )
