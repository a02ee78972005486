"""How good a model really is: metrics with intervals, calibration, paired tests."""
