"""An optimizer of your own: Lion steps by the sign of its momentum (Chen et al., 2023)."""

import torch

from tinytrain import data, nets, optim, report, streams, train


class Lion(optim.Optimizer):
    """m ← β₂ m + (1 − β₂) g, after θ ← θ − lr · sign(β₁ m + (1 − β₁) g)."""

    state_names = ("momenta",)  # what is saved, so that a run can be resumed

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99)):
        super().__init__(params, lr)
        self.betas = betas
        self.momenta = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def step(self):
        for param, momentum in zip(self.params, self.momenta, strict=True):
            if param.grad is None:  # as of frozen layers
                continue
            param.sub_(momentum.lerp(param.grad, 1 - self.betas[0]).sign(), alpha=self.lr)
            momentum.lerp_(param.grad, 1 - self.betas[1])


def main(dataset, epochs=3):
    net, log = nets.net9_3(generator=streams.generator(1, "weights")), report.log.Log()
    training = train.Training(net, Lion(net.parameters(), lr=0.002), epochs)
    for event in train.fit(training, dataset):
        log.show(event)


if __name__ == "__main__":
    main(data.load("mnist"))
