"""The audit: a keep held against its declaration, by what the machines themselves say.

Checks are data, generated from the model (`roles/audit`, where what each phase lays down is known);
here they are looked at, with testinfra, and their results are kept and compared.
"""
