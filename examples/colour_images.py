"""Colour images of five classes, 24 pixels high and 40 wide: which colour is the disc?"""

import torch

from tinytrain import data, nn, optim, train

COLOURS = torch.tensor([[155, 0, 0], [0, 155, 0], [0, 0, 155], [155, 155, 0], [0, 155, 155]])


def discs(count, generator):
    """Discs at random places on grey, uint8 (count, 3, 24, 40), and their colours, 0 to 4."""
    labels = torch.randint(5, (count,), generator=generator)
    y, x = torch.rand(2, count, 1, 1, generator=generator)
    down, right = torch.arange(24)[:, None] - 4 - 16 * y, torch.arange(40) - 4 - 32 * x
    disc = (down**2 + right**2 < 16)[:, None] * COLOURS[labels][..., None, None]
    return (100 + disc).byte(), labels


def main(count=2000, epochs=5):
    draw = torch.Generator().manual_seed(1)
    dataset = data.from_arrays(*discs(count, draw), *discs(500, draw))
    body = nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    net = nn.Sequential(*body, nn.Linear(16, dataset.classes), nn.LogSoftmax())
    training = train.Training(net, optim.Adam(net.parameters(), lr=0.01), epochs, batch_size=50)
    *_, last = train.fit(training, dataset)
    print(f"{last.test_accuracy:.1f} % right")


if __name__ == "__main__":
    main()
