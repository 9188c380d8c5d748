"""Importing, listing, browsing and deleting data sets."""
