"""The programs that are measured, one module each, palate among them.

A module names what pip installs (`REQUIREMENTS`), may set variables of the environment (`ENVIRONMENT`, `{threads}` is filled
in), may build something after that (`install`), and has a function for each job it takes part in, called with a
`data.Task`. What the function does by itself is not timed. It returns a function that is called with a number of passes
(iterations, epochs, sweeps) again and again, and returns

- the seconds that count, by the peer's own clock of its passes if it has one, and
- None, or a function that returns the score reached, which is not timed.

Imports belong inside the functions: a peer that is not installed is left out with a word.
"""
