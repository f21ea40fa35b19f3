"""One file per claim: instances, the check, its negative control, its certificate; ledger, report, command line."""
