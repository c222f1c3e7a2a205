"""The other sides. Nothing here imports anything of ours, and every library is used with its defaults.

Time is taken inside: what is timed is what a program without Statehouse would have to do.
"""
