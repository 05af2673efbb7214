"""The nets in torch, to train them and for GPUs: the same functions as the native steps."""
