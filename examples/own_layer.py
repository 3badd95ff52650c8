"""A layer and a net of your own: a residual block is a Module that adds its input."""

from tinytrain import data, nn, optim, report, train


class Residual(nn.Module):
    """The input plus what its layers make of it, in the same shape (N, C, H, W)."""

    def __init__(self, channels):
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.layers = nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, input):
        return input + self.layers(input)


def main(dataset, epochs=3):
    stem = nn.Conv2d(1, 16, 5, stride=2), nn.ReLU()
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10), nn.LogSoftmax()
    net = nn.Sequential(*stem, Residual(16), Residual(16), *head)
    print(report.summary(net))
    training = train.Training(net, optim.Adam(net.parameters(), lr=0.01), epochs=epochs)
    log = report.log.Log()
    for event in train.fit(training, dataset):
        log.show(event)


if __name__ == "__main__":
    main(data.load("mnist"))
