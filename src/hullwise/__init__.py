"""Hullwise: a container registry that speaks Amazon ECR's API and scans what is pushed to it."""

__version__ = "0.1.0"
