"""The file of an exported run: what it is to hold, how it is written and read, and how it answers.

`plan` finds out what belongs to a run, `file` and `format` are the bytes and what they say, `contents` is
what was read, and `pages` and `events` answer from it. `exporting` and `opened` are the ways in.
"""
