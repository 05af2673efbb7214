"""Training: data mixing, augmentation, losses, loops, evaluation. Needs torch."""
