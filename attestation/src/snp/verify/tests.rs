mod negative;
mod revocation;
mod vectors;
