//! What is done: witness, holder and owner as pure state machines.
