"""Training of language models.

`core` holds what every training shares, `distributed` runs it on several processes, `train` and
`sft` train a model, and `preference` and `rl` add their losses.
"""
