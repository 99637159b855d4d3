"""The use cases of batchrun. They connect the job, the adapters, the engine and the views."""
