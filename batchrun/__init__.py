"""Push many rows through a remote workflow service: paced, resumable, and never paid twice."""
