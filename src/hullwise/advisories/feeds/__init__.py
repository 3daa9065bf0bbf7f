"""Sources of advisory data: a file each for its form. Where each is fetched stands in `advisories/fetching.py`."""
