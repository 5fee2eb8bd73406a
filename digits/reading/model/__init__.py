"""The reader's nets: their ONNX files, the metadata of these, and the checks before they are run."""
