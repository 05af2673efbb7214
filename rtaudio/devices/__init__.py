"""Where audio comes from and goes to: PortAudio, the simulated device, files, the virtual microphone."""
