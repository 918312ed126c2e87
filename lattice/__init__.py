"""From a framework to sites, hops, saddles, exclusions and the interaction table."""
