"""Backups: what a guest and its host cannot be built from again, encrypted, and proved to be there.

    keys         one key opens a repository; everything else is derived from it
    storage      where a repository's objects are: a folder, or (`sftp`) one behind SSH
    repository   chunks by their content, manifests, the catalogue that says which backups there are
    reader       runs where the data are, and sends them; SQLite by its backup API
    records      what a reader sends, believed only as far as it can be
    create, check, restore, retention, prune

Copied to the host: standard library and `cryptography` only. `reader` and `writer` also run in the
guest, on Python 3.9.
"""
