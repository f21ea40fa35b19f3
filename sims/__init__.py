"""What has to be run: networks, empirical NTKs, solvers, landscape searches, data, records."""

import theory  # noqa: F401  (64-bit floats)
