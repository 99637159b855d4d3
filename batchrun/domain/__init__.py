"""What a row is and what may happen to it: pure, no clock, no I/O, no library."""
