"""The engine: asks what is due, does one request, and records what happened before it acts on it. asyncio only."""
