"""Looking into runs, without running code: what there is, what was read, who wrote a key, what differs."""
