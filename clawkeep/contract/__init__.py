"""What NanoClaw v1 and its agent say to each other: one JSON on stdin, marked JSON on stdout.

Pure, standard library only. Source: reference/nanoclaw.md §1.6, §2.3.
"""
