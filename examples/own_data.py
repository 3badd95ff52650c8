"""Data of your own, from arrays: in which half of an image is more ink?"""

import numpy as np

from tinytrain import data, nn, optim, train


def drawn(count, seed):
    """Grey images, uint8 (count, 12, 20), and which half has more ink, 0 or 1."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 12, 20), dtype=np.uint8)
    return images, (images[:, :, 10:].mean((1, 2)) > images[:, :, :10].mean((1, 2))).astype(int)


def main(count=5000, epochs=5):
    dataset = data.from_arrays(*drawn(count, seed=1), *drawn(1000, seed=2))
    net = nn.Sequential(nn.Flatten(), nn.Linear(12 * 20, 2), nn.LogSoftmax())
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    training = train.Training(net, optimizer, epochs=epochs, batch_size=50)
    for event in train.fit(training, dataset):
        if isinstance(event, train.Epoch):
            print(f"epoch {event.epoch}: {event.test_accuracy:.1f} % of {event.test_total} right")


if __name__ == "__main__":
    main()
