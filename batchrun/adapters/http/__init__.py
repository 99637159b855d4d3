"""HTTP over aiohttp: the transport, its connections, deadlines and proxies."""
