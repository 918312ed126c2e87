"""The kinetic Monte Carlo engine: state, rates, event loop, correlators, trajectory file."""
