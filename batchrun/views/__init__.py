"""What people see: folds over the record, never part of it."""
