"""Random inputs for everything that reads: a case is made from a target and a number, the same each time."""
