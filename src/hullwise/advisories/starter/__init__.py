"""The starter advisories: OSV records as data, one JSON file an ecosystem; README.md says where they come from."""
