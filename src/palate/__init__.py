"""palate: recommendations from ratings, by matrix factorization.

    >>> import palate
    >>> ratings = palate.read_ratings([("ann", "tea", 5), ("ann", "coffee", 1), ("bob", "tea", 4), ("bob", "cocoa", 5)])
    >>> model = palate.SGD(factors=2).fit(ratings)
    >>> [item.id for item in model.recommend("ann")]
    ['cocoa']

Importing palate defines names, and has forks wait for imports; what a name needs is loaded when the name is first used.
The names are listed in ``__init__.pyi``, where type checkers look for them too.
"""

import lazy_loader

import palate.forks  # noqa: F401 - at once: another thread may import the rest

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
