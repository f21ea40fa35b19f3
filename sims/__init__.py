"""What has to be run: networks, adapters, training, empirical NTKs, solvers, landscape searches, data, records."""

import theory  # noqa: F401  (64-bit floats)
from sims.threads import settle_xla

settle_xla()
