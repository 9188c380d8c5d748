"""How large the demo catalogue is, and where the paper's case-study item stands in it."""

ITEMS, USERS = 1000, 4000
SUN_HAT_NUMBER = 25
"""The case study's item: its number in the paper's table 7, and here its place in the catalogue, from 1."""
SUN_HAT_ID = f"D{SUN_HAT_NUMBER:04}"
