"""HTTP: auth, paging, retry, pacing, the request ledger."""
