"""A look at ratings before anyone fits: what they are, and what may be wrong with them."""

from palate.check.check import Bar, Check, check_ratings, check_table, suspicions
from palate.check.findings import Example, Finding
from palate.check.times import Times

__all__ = ["Bar", "Check", "Example", "Finding", "Times", "check_ratings", "check_table", "suspicions"]
