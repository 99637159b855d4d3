"""Scores of outputs, and what they say of the variants of a sweep. Pure: no files, no clock, no network.

`specs` and `scorer` say what a score is; they need no extra. `comparison` (numpy and scipy: the extra `sweep`, see
`extra`) makes figures of scores, and `requirements` judges them.
"""
