"""Programs that only exist for macOS, as far as provisioning needs them."""
