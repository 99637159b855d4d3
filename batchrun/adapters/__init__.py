"""Adapters between the ports and external libraries and services."""
