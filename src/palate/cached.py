"""`cached_property` without a lock, as in Python 3.12.

Up to Python 3.11 the property holds a lock, one for all objects, while a value is computed. A process that is forked
while another thread computes would wait for that thread, which it does not have, for ever.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["cached_property"]

Value = TypeVar("Value")

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property(functools.cached_property[Value]):
        """A property that is computed once for each object; two threads at once may compute it twice."""

        def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
            """Compute the value, and keep it where Python looks first."""
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
