"""The token: where it comes from, how it is renewed, and how it is kept out of sight."""
