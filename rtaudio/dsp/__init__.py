"""Signal processing stages over the kernels: STFT and its inverse, mel, gains, resampling, meters."""
