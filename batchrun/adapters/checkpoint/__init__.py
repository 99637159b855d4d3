"""The checkpoint, an SQLite database: its tables, the one writer, the readers, and the journal that groups commits."""
