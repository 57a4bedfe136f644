"""Real digits for front ends that learn, and learning without a Trainer."""

import torch


def digits():
    """Batches of 20 MNIST digits to learn from and 200 others, made 14×14 to save time."""
    from tests.helpers.real_digits import mnist_data  # not on the path of processes that a test starts

    images = torch.from_numpy(mnist_data()[0] / 255).to(torch.get_default_dtype()).reshape(-1, 1, 28, 28)
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    images = torch.nn.functional.avg_pool2d(images, 2)
    return images[:4800].split(20), images[-200:]


def step_by_step(frontend, batches):
    """What `training_step` does; return the losses."""
    losses = []
    for images in batches:
        with torch.no_grad():
            losses.append(frontend.learn_from(images)["loss"])
        frontend.learning_step += 1
    return losses
