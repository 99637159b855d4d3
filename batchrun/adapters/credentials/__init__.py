"""The token: its sources, its renewal, and masking it in all texts."""
