"""A loop of your own, with the parts alone: here it clips gradients that are too long."""

import torch

from tinytrain import data, nets, nn, optim, report, streams, train


def main(dataset, epochs=3, batch_size=128, longest=1.0):
    net = nets.net9_3(generator=streams.generator(1, "weights"))
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    split, mean, std = dataset.train, dataset.mean, dataset.std
    for epoch in range(1, epochs + 1):
        shuffle = streams.generator(1, "shuffle", epoch)
        for rows in data.batches.shuffled(len(split), batch_size, shuffle):
            images = data.batches.normalise(split.images[rows].float(), mean, std)
            optimizer.zero_grad()
            nn.functional.nll_loss(net(images), split.labels[rows]).backward()
            length = torch.stack([param.grad.norm() for param in net.parameters()]).norm()
            for param in net.parameters():
                param.grad.mul_((longest / length).clamp(max=1))
            optimizer.step()
        print(
            f"Epoch {epoch}: {report.log.score_line(train.evaluate(net, dataset.test, mean, std))}"
        )
    return net


if __name__ == "__main__":
    main(data.load("mnist"))
