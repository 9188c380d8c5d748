"""Measuring runs and comparing them."""
