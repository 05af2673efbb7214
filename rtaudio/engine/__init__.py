"""The live path: native loop, latency budget, watchdog, real-time priority."""
