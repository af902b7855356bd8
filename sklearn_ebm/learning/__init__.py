"""Training: samples and batches, the trainer, criteria, policies and optimizers."""
