"""Search for the best plan or system: design spaces, enumeration, sampling, Pareto frontiers, executors.

`slipstick.search` is the verb; here are the nouns that it takes and returns, and the parts that it is made of.
"""

from slipstick.core.lazy import lazy_names

_PUBLIC = {"Frontier": "frontier", "Space": "space"}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
