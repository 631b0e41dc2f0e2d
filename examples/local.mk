# Examples: each is built with the rest, so that it cannot rot.
