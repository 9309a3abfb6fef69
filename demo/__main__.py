"""`python -m demo`: two developers on one state, first on plain S3 + DynamoDB, then on Lockhouse."""

import sys

from demo.two_developers import main

sys.exit(main())
