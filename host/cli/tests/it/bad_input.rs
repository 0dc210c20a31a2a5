//! What is wrong is named, with a code and a next step, and leaves nothing behind.
