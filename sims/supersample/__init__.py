"""The supersample protocol: 2n examples, masks that choose n of them, one training for every mask, and its bounds."""
