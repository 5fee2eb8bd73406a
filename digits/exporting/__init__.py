"""A trained net as a file that needs no torch: ONNX, its quantised form, its calibration."""
