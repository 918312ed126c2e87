"""From result files to transport coefficients with intervals, plots and the comparison with experiment."""
