"""Files and folders: atomic writes, the lock of a run directory, and the type of file system."""
