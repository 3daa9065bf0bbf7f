"""Where images come from that nobody pushed: layouts, storage trees, other registries. None of it knows a database."""
