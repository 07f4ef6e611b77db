mod negative;
mod vectors;
