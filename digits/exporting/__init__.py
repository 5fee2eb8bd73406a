"""Export of a trained net to a file that needs no torch: ONNX, quantisation, calibration."""
