"""Why a flow passes or not, layer by layer; and what the guest may do, as a contract in prose."""
