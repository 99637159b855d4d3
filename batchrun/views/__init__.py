"""What the user sees: progress, logs, tables and summaries. Views only read the state of a job."""
