"""Files and folders: atomic writes, the owner's lock, and the kind of file system."""
