"""A cache that forgets what was not used for the longest time."""

from collections import OrderedDict


class CacheBox:
    def __init__(self, size=2):
        if size < 1:
            raise ValueError("the size must be at least 1")
        self._size = size
        self._items = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self):
        return len(self._items)

    def get(self, key, default=None):
        """The value of a key, which then counts as just used."""
        if key not in self._items:
            self.misses += 1
            return default
        self.hits += 1
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key, value):
        """Keep a value; the one not used for the longest time may go."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._size:
            self._items.popitem(last=False)

    def keys(self):
        """Keys from the least to the most recently used."""
        return list(self._items)

    def ratio(self):
        """The share of lookups that found something."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
