"""All that Clawkeep's verbs say of a keep, asked in one go and kept until it is asked again.

The status page, the metrics and nothing else is made of it; each answer is the JSON of one verb.
"""
