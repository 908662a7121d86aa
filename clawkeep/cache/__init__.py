"""Everything a guest needs, kept on the host: what that is, and what there is of it.

`wants` says what a declaration needs, `index` what the cache holds, `homebrew` and `lock` read what
brew and npm say of their own packages. All of it is pure. What fetches, keeps and checks the files
is `clawkeep.onhost.cache*`; what installs from them is `roles`.

`index`, `homebrew` and `lock` run on the host, too: standard library only.
"""
