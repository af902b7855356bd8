"""Training: samples and batches, passes, optimizers, and what is learned from each batch."""
