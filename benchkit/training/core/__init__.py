"""Parts of training that do not depend on the loss: settings, examples, trainer, weights."""
