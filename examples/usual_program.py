"""The small program that most people begin MNIST with, to compare with.

It is that of pytorch/examples, written anew: a net of 1,199,882 parameters of torch.nn, a
DataLoader, Adadelta at a rate of 1 that every epoch multiplies by 0.7, 14 epochs of batches of 64.
It is treated well: every epoch is shuffled (the original does that on a GPU only), and images
take no detour through PIL.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

EPOCHS, BATCH_SIZE = 14, 64


class OneByOne(Dataset):
    """The images of a split as the program sees them: fetched and normalised one at a time."""

    def __init__(self, split):
        self.split = split

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        image = self.split.images[index].float() / 255
        return (image - 0.1307) / 0.3081, int(self.split.labels[index])


class UsualProgram:
    """A training of the program, to be asked for one epoch after the other.

    It draws from torch's own generator, which the seed sets. `accuracies`: by epoch, in percent.
    """

    def __init__(self, train, test, seed):
        torch.manual_seed(seed)
        self.train_loader = DataLoader(OneByOne(train), BATCH_SIZE, shuffle=True)
        self.test_loader = DataLoader(OneByOne(test), 1000)
        self.net = nn.Sequential(
            *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten()),
            *(nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
            nn.LogSoftmax(1),
        )
        self.optimizer = torch.optim.Adadelta(self.net.parameters(), lr=1.0)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.7)
        self.accuracies = []

    def train_epoch(self):
        """An epoch of training: a generator of steps."""
        self.net.train()
        for images, target in self.train_loader:
            self.optimizer.zero_grad()
            nn.functional.nll_loss(self.net(images), target).backward()
            self.optimizer.step()
            yield
        self.schedule.step()

    @torch.no_grad()
    def test(self):
        """Test on every test image, and note the accuracy."""
        self.net.eval()
        said = ((self.net(images).argmax(1), target) for images, target in self.test_loader)
        correct = sum(int((digits == target).sum()) for digits, target in said)
        self.accuracies.append(100 * correct / len(self.test_loader.dataset))

    def state_dict(self):
        """All that the next epoch depends on."""
        parts = {"net": self.net, "optimizer": self.optimizer, "schedule": self.schedule}
        state = {name: part.state_dict() for name, part in parts.items()}
        return state | {"random": torch.get_rng_state(), "accuracies": self.accuracies}

    def load_state_dict(self, state):
        """Go on from a state."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.accuracies = state["accuracies"]
