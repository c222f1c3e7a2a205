"""How fast: one table of what is promised, each row against its baseline in the same run.

``python -m benchmarks`` (or ``make bench``) measures every row and exits 1 when one is below its floor.
`measure` runs a row, `rows` has them, `baselines` has the other sides, which import nothing of ours.
"""
