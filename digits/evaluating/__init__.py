"""Evaluation of trained nets, alone or in an ensemble."""
