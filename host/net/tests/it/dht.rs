//! The pool's DHT.
