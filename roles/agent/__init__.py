"""Phase 2: NanoClaw lives in the guest."""
