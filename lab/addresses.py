"""Who lives where in a lab's LAN and internet."""

HOST = "10.0.10.2"
ROUTER = "10.0.10.1"
"""The LAN's router and resolver; also where the operator's connections come from."""

VAULTWARDEN = "10.0.30.10"
HOME_ASSISTANT = "10.0.30.5"
KUBERNETES = "10.0.40.100"
TRUENAS = "10.0.30.20"
MAIL = "10.0.30.25"
FORBIDDEN = "10.0.30.99"
"""A host on the LAN that no guest may ever reach."""

VAULTWARDEN_NAME = "bitwarden.cstrube.de"
MAIL_NAME = "mail.lab.internal"
KUBERNETES_NAMES = (
    KUBERNETES,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
LAN_NAMES = {VAULTWARDEN_NAME: VAULTWARDEN}
LAN_ADDRESSES = (VAULTWARDEN, HOME_ASSISTANT, KUBERNETES, TRUENAS, MAIL, FORBIDDEN)

RESOLVERS = ("1.1.1.1", "8.8.8.8")
SITES = {
    "ghcr.io": "140.82.112.34",
    "pkg-containers.githubusercontent.com": "185.199.109.154",
    "github.com": "140.82.112.4",
    "api.github.com": "140.82.112.6",
    "objects.githubusercontent.com": "185.199.110.133",
    "release-assets.githubusercontent.com": "185.199.111.133",
    "raw.githubusercontent.com": "185.199.108.133",
    "formulae.brew.sh": "185.199.108.153",
    "api.anthropic.com": "160.79.104.10",
    "claude.ai": "160.79.104.11",
    "statsig.anthropic.com": "34.36.57.103",
    "sentry.io": "35.186.247.156",
    "discord.com": "162.159.128.233",
    "gateway.discord.gg": "162.159.130.234",
    "huggingface.co": "18.239.50.16",
    "example.com": "93.184.215.14",
    "download.example": "203.0.113.200",
    "flip.example": "203.0.113.201",
    "one.one.one.one": "1.1.1.1",
    "dns.google": "8.8.8.8",
}
"""Names of the lab's internet; each answers HTTPS and HTTP at its own address."""

REBINDING = {
    "rebind.example": (FORBIDDEN,),
    "flip.example": (SITES["flip.example"], FORBIDDEN),
}
"""Names of the internet that lead into the LAN: each query gets the next of the addresses."""

PUBLIC_SSH = "github.com"
"""The site that also answers on port 22."""

EXTRA_SITES_FROM = "203.0.113."
"""Sites that a part of the lab registers get addresses from this documentation range."""
