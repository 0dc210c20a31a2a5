//! The README's console blocks, byte for byte.
