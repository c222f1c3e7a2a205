"""Running the code of a recorded run again: verifying it, and debugging one step."""
