"""From a CIF to a clean, charged framework; units, constants and ion species."""
