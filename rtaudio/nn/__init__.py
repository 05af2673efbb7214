"""Networks: each has one definition, trained in torch and run by native step kernels."""
