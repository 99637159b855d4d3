"""The checkpoint, an SQLite database: schema, writer, readers, and the journal that groups commits."""
