"""An augmentation of your own: random erasing (Zhong et al., 2020), after the usual moves."""

import torch

from tinytrain import data, nets, optim, report, streams, train

MOVES = data.Augmentation(rotation=8, shift=1.5)


def moved_and_erased(images, generator, size=6):
    """Images (N, C, S, S), float in 0 … 255, moved, and in each a square of background."""
    images, side = MOVES(images, generator), torch.arange(images.shape[-1])
    corner = torch.rand(2, len(images), 1, generator=generator) * (len(side) - size)
    rows, columns = (side >= corner) & (side < corner + size)  # bool (N, S) each
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def main(dataset, epochs=3):
    net = nets.net9_3(generator=streams.generator(1, "weights"))
    optimizer, log = optim.Adam(net.parameters(), lr=0.01), report.log.Log()
    training = train.Training(net, optimizer, epochs, augmentation=moved_and_erased)
    for event in train.fit(training, dataset):
        log.show(event)


if __name__ == "__main__":
    main(data.load("mnist"))
